//! Which of two messages of a patient is newer.

use std::borrow::Cow;

use hl7v2::Text;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use message_store::OrderingKey;

/// EVN-6, else EVN-2, else MSH-7, and for equal ones MSH-7; arrival decides the rest.
///
/// Cut to seconds: a delete has no fraction, and must not lose against the update half a second before it.
/// A message without any time counts as of its arrival.
pub(crate) fn key(message: &Text, arrival: Timestamp) -> Option<OrderingKey> {
    let value = |segment: &str, field| message.segment(segment)?.text(field).map(Cow::into_owned);
    let built = value("MSH", 7);
    let offset = built.as_deref().and_then(offset).unwrap_or(Offset::UTC);
    let time = |text: Option<String>| text.and_then(|text| instant(&text, offset));
    let built = time(built);
    let event = time(value("EVN", 6)).or_else(|| time(value("EVN", 2))).or(built).unwrap_or(arrival);
    OrderingKey::new(format!("{}-{}", seconds(event), seconds(built.unwrap_or(event)))).ok()
}

/// An HL7 time stamp, `YYYYMMDDHHMMSS±ZZZZ` in UTC.
pub(crate) fn hl7(time: Timestamp) -> String {
    format!("{}+0000", seconds(time))
}

fn seconds(time: Timestamp) -> String {
    time.strftime("%Y%m%d%H%M%S").to_string()
}

/// `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][±ZZZZ]` (HL7 v2.5.1 §2.A.22); what is not given counts as its start.
fn instant(text: &str, default_offset: Offset) -> Option<Timestamp> {
    let end = text.find(['+', '-', '.']).unwrap_or(text.len());
    let digits = text.get(..end)?;
    let number = |from: usize, to: usize, missing: i16| match digits.get(from..to) {
        Some(part) if part.bytes().all(|byte| byte.is_ascii_digit()) => part.parse().ok(),
        Some(_) => None,
        None if digits.len() <= from => Some(missing),
        None => None,
    };
    let year: i16 = if digits.is_empty() { None } else { number(0, 4, 0) }?;
    let [month, day, hour, minute, second] = [(4, 1), (6, 1), (8, 0), (10, 0), (12, 0)]
        .map(|(from, missing)| number(from, from + 2, missing).and_then(|value| i8::try_from(value).ok()));
    // A leap second counts as the last second before it.
    let civil = DateTime::new(year, month?, day?, hour?, minute?, second?.min(59), 0).ok()?;
    offset(text).unwrap_or(default_offset).to_timestamp(civil).ok()
}

/// The offset of an HL7 time stamp, where it has one.
fn offset(text: &str) -> Option<Offset> {
    let sign = text.rfind(['+', '-'])?;
    let (_, zone) = text.split_at(sign);
    let hours: i64 = zone.get(1..3)?.parse().ok()?;
    let minutes: i64 = zone.get(3..5)?.parse().ok()?;
    let size = SignedDuration::from_mins(hours * 60 + minutes);
    Offset::try_from(if zone.starts_with('-') { -size } else { size }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(msh_7: &str, evn: &str) -> String {
        let text = format!("MSH|^~\\&|A|B|C|D|{msh_7}||ADT^A31|1|T|2.5.1\r{evn}\rPID|1\r");
        let text = hl7v2::Text::from_text(&text).unwrap();
        let arrival = "2030-01-01T00:00:00Z".parse().unwrap();
        key(&text, arrival).unwrap().as_str().to_owned()
    }

    #[test]
    fn takes_the_event_time_before_the_others() {
        assert_eq!(key_of("20240301", "EVN||20240302||||20240303080000"), "20240303080000-20240301000000");
        assert_eq!(key_of("20240301", "EVN||20240302"), "20240302000000-20240301000000");
        assert_eq!(key_of("20240301", "EVN|A31"), "20240301000000-20240301000000");
        assert_eq!(key_of("", "EVN|A31"), "20300101000000-20300101000000");
        assert_eq!(key_of("20240301", "EVN||garbage||||20241399"), "20240301000000-20240301000000");
    }

    #[test]
    fn compares_in_utc_and_in_seconds() {
        let utc = key_of("20240301120000+0000", "EVN||20240301120000.5+0000");
        assert_eq!(utc, key_of("20240301130000+0100", "EVN||20240301073000-0430"));
        assert_eq!(utc, key_of("20240301120000+0000", "EVN||20240301120000"));
        // Without an offset of its own a time has that of MSH-7.
        assert_eq!(utc, key_of("20240301130000+0100", "EVN||20240301130000"));
    }

    #[test]
    fn bad_times_never_panic() {
        for text in ["", "2", "20240", "202402301", "2024022", "20240230", "99999999", "2024é01", "+0100"] {
            assert_eq!(instant(text, Offset::UTC), None, "{text}");
        }
        assert!(instant("20240301235960", Offset::UTC).is_some());
    }
}
