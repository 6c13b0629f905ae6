use crate::sut::{adt, start};

#[tokio::test]
async fn the_newer_message_wins_whatever_the_order_of_arrival() {
    let sut = start().await;
    let newer = adt("C2", "A31", "p-1", "20240302120000+0000");
    let older = adt("C1", "A28", "p-1", "20240302130000+0200");
    assert_eq!(sut.send(&newer).await, "AA");
    assert_eq!(sut.send(&older).await, "AA");
    assert_eq!(sut.current("p-1").await.as_ref(), Some(&newer));
    assert_eq!(sut.received().await, 2, "the older one is kept as received");
    let newest = adt("C3", "A29", "p-1", "20240302120000+0000");
    assert_eq!(sut.send(&newest).await, "AA");
    assert_eq!(sut.current("p-1").await, Some(newest), "the later arrival of two equal ones");
}

#[tokio::test]
async fn a_merge_retires_one_record_and_leaves_the_survivor() {
    let sut = start().await;
    let survivor = adt("C1", "A28", "p-1", "20240301");
    let retired = adt("C2", "A28", "p-2", "20240301");
    let merge = adt("C3", "A40", "p-1", "20240302") + "MRG|7^^^H^MR~p-2^^^FHIR^FW\r";
    for message in [&survivor, &retired, &merge] {
        assert_eq!(sut.send(message).await, "AA");
    }
    assert_eq!(sut.current("p-1").await, Some(survivor));
    assert_eq!(sut.current("p-2").await, Some(merge));
    assert_eq!(sut.send(adt("C4", "A40", "p-1", "20240303")).await, "AE 101", "no MRG");
}

#[tokio::test]
async fn other_events_are_kept_and_change_no_snapshot() {
    let sut = start().await;
    let snapshot = adt("C0", "A28", "p-1", "20240301");
    assert_eq!(sut.send(&snapshot).await, "AA");
    for (index, event) in ["A24", "A37", "A02", "A60"].iter().enumerate() {
        assert_eq!(sut.send(adt(&format!("C-{index}"), event, "p-1", "20240309")).await, "AA");
    }
    assert_eq!(sut.current("p-1").await, Some(snapshot));
    assert_eq!(sut.received().await, 5);
}

#[tokio::test]
async fn text_is_kept_as_it_came_in_utf_8() {
    let sut = start().await;
    let utf_8 = adt("C1", "A28", "p-1", "20240301").replace("Canary", "Müller—Straße 名前");
    assert_eq!(sut.send(&utf_8).await, "AA");
    assert_eq!(sut.current("p-1").await, Some(utf_8));

    let text =
        adt("C2", "A28", "p-2", "20240301").replace("UNICODE UTF-8", "8859/1").replace("Canary", "Müller");
    let latin_1: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    assert_eq!(sut.send(&latin_1).await, "AA");
    assert_eq!(sut.current("p-2").await, Some(text));

    let lines = adt("C3", "A28", "p-3", "20240301").replace('\r', "\r\n");
    assert_eq!(sut.send(&lines).await, "AA");
    assert_eq!(sut.current("p-3").await, Some(lines), "line ends are kept as well");
}
