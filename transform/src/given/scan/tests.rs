use proptest::prelude::*;

use super::*;
use crate::{body, given::Given};

/// What the value of the same body gives.
fn by_value(body: &[u8]) -> Option<Facts> {
    let members = body::parse_object(body).ok()?;
    if body::resource_type(&members).ok()? != Some("Patient") {
        return None;
    }
    Some(Facts { id: Id::of(&members), told: Told::of(&members), content: content::content(&members) })
}

fn agree(body: &str) -> bool {
    let (quick, long) = (scan(body.as_bytes()), by_value(body.as_bytes()));
    assert_eq!(quick, long, "{body}");
    // A part of a body says as text what it says; but for a name that stands for a number where it is the first.
    if quick.is_some() && !body.contains(NUMBER) {
        let part = Given::from(body::parse_object(body.as_bytes()).unwrap());
        assert_eq!(scan(&part.json()), quick, "{body}");
    }
    quick.is_some()
}

#[test]
fn finds_what_the_value_holds() {
    for body in [
        r#"{"resourceType":"Patient"}"#,
        "\u{feff}{\"resourceType\":\"Patient\",\"id\":\"p\"}",
        r#"{"resourceType":"Patient","id":null,"meta":null,"text":{"div":"x"}}"#,
        r#"{"resourceType":"Patient","id":7,"meta":{"versionId":7,"lastUpdated":null}}"#,
        r#"{"id":{},"resourceType":"Patient","meta":{}}"#,
        r#"{"id":[],"resourceType":"Patient","meta":[{"versionId":"1"}]}"#,
        r#"{"resourceType":"Patient","meta":"x","text":"y","_text":"z"}"#,
        r#"{"id":"p\u0020q","resourceType":"\u0050atient","m\u0065ta":{"versionId":"\u0031"}}"#,
        r#"{"resourceType":"Patient","meta":{"versionId":"7","lastUpdated":"2024-03-01T09:30:15Z","tag":[{"code":"x"}]}}"#,
        r#"{"resourceType":"Patient","name":[{"use":"usual","given":["A","B"],"family":"A\"\\\/\b\n\u0001é\ud83d\ude00"}]}"#,
        r#"{"resourceType":"Patient","x":[1.10,-0,0.0,1e5,1E+5,-2,18446744073709551616,[],{},[[{"b":1,"a":{"d":2,"c":3}}]],true,false,null]}"#,
        r#"{"resourceType":"Patient","x":{"$serde_json::private::Number":"1.50"}}"#,
        r#"{"resourceType":"Patient","x":{"a":1,"$serde_json::private::Number":"1.50"}}"#,
    ] {
        assert!(agree(body), "{body}");
    }
    let wide: Vec<_> = (0..100).rev().map(|n| format!(r#""m{n}":{n}"#)).collect();
    assert!(agree(&format!(r#"{{"resourceType":"Patient",{}}}"#, wide.join(","))));
}

#[test]
fn takes_nothing_that_is_refused() {
    let nested = |depth: usize| format!(r#""a":{}{}"#, "[".repeat(depth), "]".repeat(depth));
    for member in [
        r#""id":"a","id":"a""#,
        r#""id":"a","\u0069d":"a""#,
        r#""text":{},"text":{}"#,
        r#""text":{"div":1,"div":1}"#,
        r#""meta":{"versionId":"1","versionId":"1"}"#,
        r#""name":[{},{"family":"A","given":["B"],"family":"C"}]"#,
        r#""resourceType":"Patient""#,
        r#""x":{"$serde_json::private::Number":"one"}"#,
        r#""x":{"$serde_json::private::Number":"1","y":2}"#,
        r#""x":01"#,
        r#""x":"\ud800""#,
        "\"x\":\"\n\"",
        &nested(64),
        &nested(100_000),
    ] {
        assert!(!agree(&format!(r#"{{"resourceType":"Patient",{member}}}"#)), "{member}");
    }
    assert!(agree(&format!(r#"{{"resourceType":"Patient",{}}}"#, nested(63))));
    for body in [
        "",
        "null",
        "[]",
        "7",
        "{}",
        r#"[{"resourceType":"Patient"}]"#,
        r#"{"resourceType":"Bundle"}"#,
        r#"{"resourceType":7}"#,
        r#"{"a":{"resourceType":"Patient"}}"#,
        r#"{"resourceType":"Patient"} x"#,
        r#"{"resourceType":"Patient""#,
    ] {
        assert!(!agree(body), "{body}");
    }
    assert_eq!(scan(b"{\"resourceType\":\"Patient\",\"x\":\"\xff\"}"), None);
}

/// Names that mean something at some place, some that are escaped, few enough to come twice.
fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "id",
        "\\u0069d",
        "meta",
        "text",
        "versionId",
        "lastUpdated",
        "name",
        "a",
        "\\n",
        "é",
        "$serde_json::private::Number",
    ])
}

/// JSON, or what is nearly JSON: names may come twice.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "null",
        "true",
        "1",
        "-1.50",
        "1e3",
        "\"7\"",
        "\"p-1\"",
        "\"2024-03-01T09:30:15Z\"",
        "\"\\u00e9\\t\\/\"",
        "\"\"",
        "{}",
        "[]",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 32, 4, |inner| {
        let member = (name(), inner.clone()).prop_map(|(name, value)| format!("\"{name}\": {value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(" ,"))),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_the_value(
        members in prop::collection::vec((name(), json()), 0..6),
        place in any::<prop::sample::Index>(),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
    ) {
        let mut members: Vec<_> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        members.insert(place.index(members.len() + 1), r#""resourceType":"Patient""#.to_owned());
        let mut body = format!("{{{}}}", members.join(","));
        if let Some(cut) = cut {
            let mut at = cut.index(body.len());
            while !body.is_char_boundary(at) {
                at -= 1;
            }
            body.remove(at);
        }
        agree(&body);
    }

    #[test]
    fn the_order_of_members_means_nothing(members in prop::collection::btree_map("[a-e]{1,2}", 0..9_u8, 0..9)) {
        let text = |members: &mut dyn Iterator<Item = (&String, &u8)>| {
            let members: Vec<_> = members.map(|(name, value)| format!(",\"{name}\":{value}")).collect();
            format!("{{\"resourceType\":\"Patient\"{}}}", members.concat())
        };
        let (there, back) = (text(&mut members.iter()), text(&mut members.iter().rev()));
        prop_assert_eq!(scan(there.as_bytes()), scan(back.as_bytes()));
        prop_assert!(agree(&there));
    }

    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(scan(&body), by_value(&body));
    }
}
