use toml::Table;

use super::{Change, Manual, Presence, Repeat};

const TEXT: &str = r#"
# Serves.
[server]
# Where it
# listens.
listen = "127.0.0.1:80"
# How long.
idle = "30s"
#: path
#log = "log.txt"

#[server.tls]
#: path; content followed; required
#cert_file = "cert.pem"
#: "a" | "b"; followed
#mode = "a"

#: named
#[callers.anna]
#: text; secret; optional
#token = "t"

#[[peers]]
#name = "main"

[backend]
#: "file" | "net"
kind = "file"
#: path; for kind "file"
path = "data"
#: number; for kind "net"
#port = 7
"#;

fn manual() -> Manual {
    Manual::parse(&[TEXT]).unwrap()
}

fn values() -> Table {
    "[server]\nlisten = '127.0.0.1:81'\nidle = '30s'\n[backend]\nkind = 'file'\npath = 'data'"
        .parse()
        .unwrap()
}

#[test]
fn reads_what_stands_above_a_key() {
    let manual = manual();
    let [server, tls, callers, peers, backend] = manual.sections() else { panic!("five sections") };
    assert_eq!(server.text, ["Serves."]);
    assert_eq!(server.keys[0].text, ["Where it", "listens."]);
    let takes = |index: usize| server.keys[index].takes.as_str();
    assert_eq!([takes(0), takes(1), takes(2)], ["address", "duration", "path"]);
    assert_eq!(server.keys[2].presence, Presence::Optional);
    assert!(!tls.is_present);
    assert_eq!((tls.keys[0].presence, tls.keys[0].change), (Presence::Required, Change::ContentFollowed));
    assert_eq!((tls.keys[1].presence, tls.keys[1].change), (Presence::Default, Change::Followed));
    assert_eq!((callers.repeat, callers.keys[0].is_secret), (Repeat::Named, true));
    assert_eq!(peers.repeat, Repeat::List);
    assert_eq!(backend.keys[2].kind.as_deref(), Some("net"));
}

#[test]
fn what_is_no_manual_is_refused_with_its_line() {
    for text in ["x = 1", "[a]\nx=1", "[a]\n#: loud\n[b]", "[a]\nx = ", "[\"a\"]"] {
        let refused = Manual::parse(&[text]).unwrap_err().to_string();
        assert!(refused.starts_with("manual line "), "{text}: {refused}");
    }
}

#[test]
fn the_file_says_the_values_and_nothing_else() {
    let file = manual().to_file(&values());
    assert_eq!(file.parse::<Table>().unwrap(), values(), "{file}");
    assert!(
        file.contains("\n# Where it\n# listens.\n# address; ADT_BRIDGE__SERVER__LISTEN\nlisten = "),
        "{file}"
    );
    assert!(file.contains("\n#[server.tls]\n"), "{file}");
    assert!(file.contains("# number; with kind = \"net\"; ADT_BRIDGE__BACKEND__PORT\n#port = 7\n"), "{file}");
    assert!(file.contains("# text\n#name = \"main\""), "a list has no variables: {file}");
}

#[test]
fn the_page_has_a_row_for_every_key() {
    let page = manual().to_page(&values());
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, 10, "{page}");
    assert!(page.contains("## `[callers.<name>]`"), "{page}");
    let token = "| `token`<br>`ADT_BRIDGE__CALLERS__<NAME>__TOKEN` | text, **secret** | none |";
    assert!(page.contains(token), "{page}");
    assert!(page.contains("| `a` \\| `b` | `\"a\"` | without restart |"), "{page}");
    assert!(page.contains("| duration | `\"30s\"` | at the next start | How long. |"), "{page}");
}

#[test]
fn a_part_of_the_manual_has_its_sections_alone() {
    let part = manual().only(&["backend"]);
    assert_eq!(part.sections().len(), 1);
}
