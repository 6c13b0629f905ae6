use crate::sut::{adt, codes, exchange, start};

/// MSA of every acknowledgment in a reply, such as `AA C1`, and the names of the other segments but MSH.
fn outline(reply: &[u8]) -> Vec<String> {
    let text = String::from_utf8(reply.to_vec()).unwrap();
    let lines = text.split_terminator('\r').filter(|line| !line.starts_with("MSH"));
    lines
        .map(|line| {
            let field = |number| line.split('|').nth(number).unwrap_or_default();
            match line.get(..3).unwrap() {
                "MSA" => format!("{} {}", field(1), field(2)),
                "BHS" | "FHS" => format!("{} {}", field(0), field(11)),
                _ => format!("{} {}", field(0), field(1)),
            }
        })
        .collect()
}

#[tokio::test]
async fn each_message_of_a_batch_is_stored_and_acknowledged() {
    let sut = start().await;
    let good = |id: &str| adt(id, "A28", &format!("p-{id}"), "20240301");
    let batch = format!(
        "BHS|^~\\&|S|F|R|G|2024||||BATCH-7\r{}{}{}BTS|3\r",
        good("C1"),
        good("C2").replace("^FW", "^MR"),
        good("C3")
    );
    let mut raw = sut.raw().await;
    let reply = exchange(&mut raw, batch.as_bytes()).await;
    assert_eq!(outline(&reply), ["BHS BATCH-7", "AA C1", "AE C2", "ERR ", "AA C3", "BTS 3"]);
    assert!(reply.starts_with(b"BHS|^~\\&|R|G|S|F|"));
    assert_eq!(sut.received().await, 3);
    assert_eq!(sut.current("p-C3").await, Some(good("C3")));
    // The same again changes nothing.
    let repeat = exchange(&mut raw, batch.as_bytes()).await;
    assert_eq!(outline(&repeat), outline(&reply));
    assert_eq!(sut.received().await, 3);
}

#[tokio::test]
async fn an_unreadable_message_costs_the_others_nothing() {
    let sut = start().await;
    let (first, last) = (adt("C1", "A28", "p-1", "2024"), adt("C2", "A28", "p-2", "2024"));
    let file =
        format!("FHS|^~\\&\rBHS|^~\\&|||||||||B\r{first}MSH|^^\\&|A\r{last}BTS|3\rBHS|^~\\&\rBTS\rFTS|2\r");
    let reply = exchange(&mut sut.raw().await, file.as_bytes()).await;
    let expected = ["FHS ", "BHS B", "AA C1", "AR ", "ERR ", "AA C2", "BTS 3", "BHS ", "BTS 0", "FTS 2"];
    assert_eq!(outline(&reply), expected);
    assert_eq!(sut.received().await, 2);
}

#[tokio::test]
async fn a_batch_that_may_be_cut_is_refused_as_a_whole() {
    let sut = start().await;
    let mut raw = sut.raw().await;
    let message = adt("C1", "A28", "p-1", "2024");
    for end in ["", "BTS|2\r"] {
        let batch = format!("BHS|^~\\&|S|F|R|G|2024||||BATCH-7\r{message}{end}");
        let reply = exchange(&mut raw, batch.as_bytes()).await;
        assert_eq!(codes(&reply), "AR 100");
        assert_eq!(outline(&reply), ["AR BATCH-7", "ERR "]);
    }
    assert_eq!(sut.received().await, 0);
}

#[tokio::test]
async fn a_batch_is_silent_only_when_every_message_wants_silence() {
    let sut = start().await;
    let wish = |id: &str, accept: &str| {
        adt(id, "A31", "p-1", "2024").replace("|T|2.5.1||||||", &format!("|T|2.5.1|||{accept}|NE||"))
    };
    let batch =
        |two: &str, accept: &str| format!("BHS|^~\\&\r{}{}BTS|2\r", wish("C1", "NE"), wish(two, accept));
    let mut raw = sut.raw().await;
    let both = format!("{}\x1c\r\x0b{}", batch("C2", "NE"), batch("C3", "AL"));
    let reply = exchange(&mut raw, both.as_bytes()).await;
    assert_eq!(outline(&reply), ["BHS ", "CA C3", "BTS 1"]);
}
