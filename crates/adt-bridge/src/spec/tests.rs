use std::path::Path;

use super::*;

fn config(text: &str) -> Config {
    let mut config = Config::private(Path::new(".adt-bridge")).unwrap_or_else(|failure| panic!("{failure}"));
    config.message = toml::from_str(text).unwrap();
    config
}

fn written(text: &str) -> Document {
    document(&config(text)).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn every_place_and_code_of_the_mapping_stands_in_both_forms() {
    let specification = Mapper::new(config("").message).unwrap().specification();
    let (markdown, html) = (written("").as_markdown(), written("").as_html());
    for field in &specification.fields {
        let place = field.place.to_string();
        assert!(markdown.contains(&format!("| {place} |")), "{place}");
        assert!(html.contains(&format!("<td>{place}</td>")), "{place}");
    }
    for part in [
        "1 Connection",
        "2 Acknowledgments",
        "3 Messages",
        "5 Code tables",
        "6 What is never sent",
        "7 Examples",
    ] {
        assert!(
            markdown.contains(&format!("## {part}")) && html.contains(&format!(">{part}</h2>")),
            "{part}"
        );
    }
    for event in ["A28", "A31", "A29", "A40"] {
        assert!(markdown.contains(&format!("### ADT^{event}")), "{event}");
    }
}

/// Names are known for everything that is sent, but for segments of our own.
#[test]
fn every_field_has_its_name_and_type() {
    let vocabulary = inspector::Vocabulary::load();
    for field in Mapper::new(config("").message).unwrap().specification().fields {
        let place = &field.place;
        assert!(vocabulary.field(&place.segment, place.field).is_some(), "{place}");
    }
}

#[test]
fn the_settings_decide() {
    let markdown = written("sending_application = 'NORTH'\nversion = '2.4'\nack = 'enhanced'").as_markdown();
    assert!(
        markdown.starts_with("# Interface specification: HL7 v2.4 ADT from NORTH to HL7RCV\n"),
        "{markdown:.200}"
    );
    assert!(markdown.contains("Enhanced mode") && markdown.contains("| MSH-15 |"));
    let plain = written("").as_markdown();
    assert!(plain.contains("Original mode") && !plain.contains("| MSH-15 |"));
    assert!(plain.contains("MSH-15 Accept"), "an empty field is told");
}

#[test]
fn nothing_of_the_settings_becomes_markup() {
    let document = written("sending_application = '<b>\"x'");
    let html = document.as_html();
    assert!(html.contains("&lt;b&gt;&quot;x") && html.contains("^~\\&amp;") && !html.contains("<b>"));
    assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("<link"), "self-contained");
    let markdown = document.as_markdown();
    // Between the fences of an example every character is itself.
    let prose: String = markdown.split("```").step_by(2).collect();
    assert!(prose.contains("&lt;b>") && !prose.contains("<b>"));
    // Every row of a table has the cells of its head.
    let mut width = 0;
    for line in markdown.lines() {
        let cells = line.replace("\\|", "").matches('|').count();
        match (width, cells) {
            (_, 0) => width = 0,
            (0, cells) if line.starts_with('|') => width = cells,
            (0, _) => {}
            (width, cells) => assert_eq!(cells, width, "{line}"),
        }
    }
}
