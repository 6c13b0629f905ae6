//! FHIR date, dateTime and instant ↔ HL7 TS/DTM and DT (mapping section 4.1; HL7 v2.5.1 §2.A.22).
//!
//! | FHIR → v2 | v2 → FHIR |
//! | --- | --- |
//! | `YYYY[-MM[-DD]]` → hyphens removed | 4, 6, 8 digits |
//! | `YYYY-MM-DDThh:mm:ss[.f]` + offset → `YYYYMMDDHHMMSS[.f{1,4}]±ZZZZ` | 14 digits; `+0000` → `Z` |
//! | for DT: the date part | date only |
//! | – | no offset: that of MSH-7, else of the configured zone |
//! | – | 12 digits: seconds `00`; 10 digits: date only |

use jiff::civil;
use jiff::tz::{Offset, TimeZone};

/// A TS or DT: at most 24 characters, kept in place.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ts {
    bytes: [u8; 24],
    length: usize,
}

impl Ts {
    /// Appends characters; `None` where they are not ASCII or too many.
    fn with(mut self, text: impl Iterator<Item = u8>) -> Option<Self> {
        for byte in text.filter(u8::is_ascii) {
            self.push(byte)?;
        }
        Some(self)
    }

    fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(self.length)? = byte;
        self.length += 1;
        Some(())
    }
}

impl std::ops::Deref for Ts {
    type Target = str;

    fn deref(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// A FHIR date or dateTime as a TS; `None` where it is neither (the input checks let none through).
pub(crate) fn to_ts(value: &str) -> Option<Ts> {
    let (date, time) = match value.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (value, None),
    };
    let ts = to_dt(date)?;
    let Some(time) = time else { return Some(ts) };
    let (clock, offset) = split_offset(time);
    let (seconds, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let offset = match offset {
        "Z" | "+00:00" | "-00:00" => "+0000",
        other => other,
    };
    let mut ts = ts.with(seconds.bytes().filter(u8::is_ascii_digit))?;
    if !fraction.is_empty() {
        ts.push(b'.')?;
        ts = ts.with(fraction.bytes().take(4))?;
    }
    ts.with(offset.bytes().filter(|byte| *byte != b':'))
}

/// The date part of a FHIR date or dateTime as a DT.
pub(crate) fn to_dt(value: &str) -> Option<Ts> {
    let mut ts = Ts::default();
    for byte in value.bytes().take_while(|byte| *byte != b'T') {
        match byte {
            b'-' => {}
            b'0'..=b'9' => ts.push(byte)?,
            _ => return None,
        }
    }
    matches!(ts.length, 4 | 6 | 8).then_some(ts)
}

fn split_offset(time: &str) -> (&str, &str) {
    let start = time.bytes().position(|byte| matches!(byte, b'Z' | b'+' | b'-'));
    start.and_then(|at| time.split_at_checked(at)).unwrap_or((time, ""))
}

/// Where the offset of a time without one comes from.
#[derive(Clone, Debug)]
pub(crate) struct DefaultOffset<'z> {
    /// The offset of MSH-7, as FHIR writes it.
    pub(crate) message: Option<Ts>,
    /// The configured zone.
    pub(crate) zone: &'z TimeZone,
}

/// Why a TS has no place in FHIR, or lost something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TsProblem {
    /// Not a calendar value: the element is absent.
    Invalid,
    /// An hour without minutes: the date alone is used.
    HourDropped,
}

/// A TS/DTM as a FHIR date or dateTime, to the precision of `precision` (TS.2) if given.
pub(crate) fn from_ts(
    ts: &str,
    precision: Option<&str>,
    default: &DefaultOffset<'_>,
) -> Result<(String, Option<TsProblem>), TsProblem> {
    let ts = ts.trim();
    let (clock, offset) = match ts.find(['+', '-']) {
        Some(at) => ts.split_at(at),
        None => match ts.strip_suffix('Z') {
            Some(clock) => (clock, "+0000"),
            None => (ts, ""),
        },
    };
    let (digits, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    if !digits.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(TsProblem::Invalid);
    }
    let limit = match precision.map(str::trim) {
        Some("Y") => 4,
        Some("L") => 6,
        Some("D" | "H") => 8,
        Some("M") => 12,
        _ => 14,
    };
    let digits = digits.get(..limit).unwrap_or(digits);
    let fraction = if limit < 14 || digits.len() < 14 { "" } else { fraction };
    let number = |from: usize, to: usize| digits.get(from..to).and_then(|part| part.parse::<i16>().ok());
    let year = number(0, 4).filter(|year| *year > 0).ok_or(TsProblem::Invalid)?;
    let month = number(4, 6);
    let day = number(6, 8);
    let mut problem = None;
    let mut value = String::with_capacity(35);
    match digits.len() {
        4 => {}
        6 => {
            month.filter(|month| (1..=12).contains(month)).ok_or(TsProblem::Invalid)?;
        }
        8 | 10 | 12 | 14 => {
            if digits.len() == 10 {
                number(8, 10).filter(|hour| *hour < 24).ok_or(TsProblem::Invalid)?;
                problem = Some(TsProblem::HourDropped);
            }
            let (month, day) = month.zip(day).ok_or(TsProblem::Invalid)?;
            calendar(year, month, day).ok_or(TsProblem::Invalid)?;
        }
        _ => return Err(TsProblem::Invalid),
    }
    let mut push = |before: &str, from: usize| {
        if let Some(part) = digits.get(from..from + if from == 0 { 4 } else { 2 }) {
            value.push_str(before);
            value.push_str(part);
        }
    };
    push("", 0);
    push("-", 4);
    push("-", 6);
    if digits.len() < 12 {
        return Ok((value, problem));
    }
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14).or(Some(0)));
    let (Some(hour @ 0..=23), Some(minute @ 0..=59), Some(second @ 0..=60)) = (hour, minute, second) else {
        return Err(TsProblem::Invalid);
    };
    push("T", 8);
    push(":", 10);
    push(":", 12);
    if digits.len() == 12 {
        value.push_str(":00");
    }
    let offset = match offset {
        "" => {
            let date = civil::Date::new(year, to_i8(month), to_i8(day)).map_err(|_| TsProblem::Invalid)?;
            default.offset(date, hour, minute, second)
        }
        text => fhir_offset(text).ok_or(TsProblem::Invalid)?,
    };
    if !fraction.is_empty() {
        value.push('.');
        value.push_str(fraction);
    }
    value.push_str(&offset);
    Ok((value, problem))
}

fn to_i8(number: Option<i16>) -> i8 {
    number.and_then(|number| i8::try_from(number).ok()).unwrap_or(1)
}

/// The offset of a TS as FHIR writes it.
pub(crate) fn offset_of(ts: &str) -> Option<Ts> {
    fhir_offset(ts.find(['+', '-']).map(|at| ts.split_at(at).1)?)
}

/// `+0100` as `+01:00`; zero as `Z`.
fn fhir_offset(text: &str) -> Option<Ts> {
    let (sign, digits) = text.split_at_checked(1)?;
    if !is_clock_offset(digits.get(..2)?, digits.get(2..)?) {
        return None;
    }
    if digits == "0000" {
        return Ts::default().with(b"Z".iter().copied());
    }
    let (hours, minutes) = digits.split_at_checked(2)?;
    Ts::default().with(sign.bytes().chain(hours.bytes()).chain(*b":").chain(minutes.bytes()))
}

/// Two digits each, at most 14:00.
fn is_clock_offset(hours: &str, minutes: &str) -> bool {
    let number = |text: &str| {
        let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u8>().ok()).flatten()
    };
    matches!((number(hours), number(minutes)), (Some(0..=13), Some(0..=59)) | (Some(14), Some(0)))
}

impl DefaultOffset<'_> {
    fn offset(&self, date: civil::Date, hour: i16, minute: i16, second: i16) -> Ts {
        if let Some(offset) = self.message {
            return offset;
        }
        let number = |value: i16| i8::try_from(value).unwrap_or(0);
        let time = civil::Time::new(number(hour), number(minute), number(second.min(59)), 0);
        let zoned = time.ok().and_then(|time| self.zone.to_zoned(date.to_datetime(time)).ok());
        let offset = zoned.map_or(Offset::UTC, |zoned| zoned.offset());
        fhir_offset(&ts_offset(offset)).or_else(|| fhir_offset("+0000")).unwrap_or_default()
    }
}

/// The zone that a setting names: an IANA name or a fixed offset such as `+01:00`.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    if let Some((sign, rest)) = name.split_at_checked(1)
        && matches!(sign, "+" | "-")
    {
        let (hours, minutes) = rest.split_once(':')?;
        if !rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b':') {
            return None;
        }
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        if hours > 14 || minutes > 59 {
            return None;
        }
        let seconds = (hours * 3600 + minutes * 60) * if sign == "-" { -1 } else { 1 };
        return Offset::from_seconds(seconds).ok().map(TimeZone::fixed);
    }
    TimeZone::get(name).ok()
}

/// An instant in a zone as a TS with seconds.
pub(crate) fn instant_to_ts(instant: jiff::Timestamp, zone: &TimeZone) -> Ts {
    let (offset, time) = match zone == &TimeZone::UTC {
        true => (Offset::UTC, Offset::UTC.to_datetime(instant)),
        false => {
            let offset = zone.to_offset(instant);
            (offset, offset.to_datetime(instant))
        }
    };
    let digits = |number: i64, count: u32| {
        (0..count).rev().map(move |place| b'0' + u8::try_from(number / 10_i64.pow(place) % 10).unwrap_or(0))
    };
    let (sign, hours, minutes) = clock_offset(offset);
    let ts = Ts::default()
        .with(digits(time.year().into(), 4))
        .and_then(|ts| ts.with(digits(time.month().into(), 2)))
        .and_then(|ts| ts.with(digits(time.day().into(), 2)))
        .and_then(|ts| ts.with(digits(time.hour().into(), 2)))
        .and_then(|ts| ts.with(digits(time.minute().into(), 2)))
        .and_then(|ts| ts.with(digits(time.second().into(), 2)))
        .and_then(|ts| ts.with([sign].into_iter().chain(digits(hours, 2)).chain(digits(minutes, 2))));
    ts.unwrap_or_default()
}

/// Sign, hours and minutes of an offset.
fn clock_offset(offset: Offset) -> (u8, i64, i64) {
    let seconds = offset.seconds();
    let minutes = i64::from(seconds.abs() / 60);
    (if seconds < 0 { b'-' } else { b'+' }, minutes / 60, minutes % 60)
}

fn ts_offset(offset: Offset) -> String {
    let (sign, hours, minutes) = clock_offset(offset);
    format!("{}{hours:02}{minutes:02}", char::from(sign))
}

/// A FHIR date or dateTime as text that sorts by time: UTC with nine digits of fraction. A partial date stands for
/// its first moment in the zone of `default`.
pub(crate) fn sortable(value: &str, default: &DefaultOffset<'_>) -> Option<String> {
    let full = match value.len() {
        4 => format!("{value}-01-01T00:00:00Z"),
        7 => format!("{value}-01T00:00:00Z"),
        10 => format!("{value}T00:00:00Z"),
        _ => value.to_owned(),
    };
    let instant: jiff::Timestamp = if value.len() > 10 {
        full.parse().ok()?
    } else {
        let offset = default.offset(full.get(..10)?.parse().ok()?, 0, 0, 0);
        full.replace('Z', &offset).parse().ok()?
    };
    Some(instant.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string())
}

/// The date of a FHIR date or dateTime.
pub(crate) fn date_of(mut value: String) -> String {
    value.truncate(value.find('T').unwrap_or(value.len()));
    value
}

fn calendar(year: i16, month: i16, day: i16) -> Option<civil::Date> {
    civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// True for a FHIR date: `YYYY`, `YYYY-MM` or `YYYY-MM-DD` of the calendar.
pub(crate) fn is_date(text: &str) -> bool {
    let shape = |pattern: &str| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, pattern)| match pattern {
                b'9' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    let number = |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<i16>().ok());
    let year = number(0, 4).unwrap_or(0);
    let month = number(5, 7);
    match text.len() {
        4 => shape("9999") && year > 0,
        7 => shape("9999-99") && year > 0 && month.is_some_and(|month| (1..=12).contains(&month)),
        10 => {
            let day = number(8, 10);
            shape("9999-99-99")
                && year > 0
                && month.zip(day).is_some_and(|(month, day)| calendar(year, month, day).is_some())
        }
        _ => false,
    }
}

/// True for a FHIR dateTime: a date, or a full date, time and offset.
pub(crate) fn is_date_time(text: &str) -> bool {
    if is_date(text) { true } else { is_instant(text) }
}

/// True for a FHIR instant: date, time with seconds, offset.
pub(crate) fn is_instant(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    let (clock, offset) = split_offset(time);
    let (seconds, fraction) = clock.split_once('.').map_or((clock, None), |(s, f)| (s, Some(f)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let two = |text: Option<&str>, max: u8| {
        text.is_some_and(|t| t.len() == 2 && digits(t) && t.parse::<u8>().is_ok_and(|value| value <= max))
    };
    let mut parts = seconds.split(':');
    let clock_good = two(parts.next(), 23)
        && two(parts.next(), 59)
        && two(parts.next(), 60)
        && parts.next().is_none()
        && fraction.is_none_or(digits);
    let offset_good = offset == "Z"
        || offset
            .strip_prefix(['+', '-'])
            .and_then(|offset| offset.split_once(':'))
            .is_some_and(|(hours, minutes)| is_clock_offset(hours, minutes));
    date.len() == 10 && is_date(date) && clock_good && offset_good
}

/// A date or dateTime whose zero offset is written `Z` (B8).
pub(crate) fn with_z(text: &str) -> Option<String> {
    let zero =
        text.contains('T').then(|| text.strip_suffix("+00:00").or_else(|| text.strip_suffix("-00:00")));
    zero.flatten().map(|head| format!("{head}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ts: &str) -> Option<String> {
        read_with(ts, None)
    }

    fn read_with(ts: &str, precision: Option<&str>) -> Option<String> {
        let default = DefaultOffset { message: None, zone: &zone("America/New_York").unwrap() };
        from_ts(ts, precision, &default).ok().map(|(value, _)| value)
    }

    #[test]
    fn an_offset_is_digits_only() {
        for wrong in ["2020-03-20T00:00:00+03:+0", "2020-03-20T00:00:00++3:00", "2020-03-20T00:00:00+-1:00"] {
            assert!(!is_date_time(wrong), "{wrong}");
        }
        assert_eq!(read_with("20200320000000+03+0", None), None);
        assert!(zone("+-1:00").is_none() && zone("++1:00").is_none());
    }

    #[test]
    fn every_precision_goes_there_and_back() {
        for (fhir, ts) in [
            ("1974", "1974"),
            ("1980-05", "198005"),
            ("1974-12-25", "19741225"),
            ("2024-03-02T14:05:09.120-05:00", "20240302140509.120-0500"),
            ("2024-03-02T14:05:09Z", "20240302140509+0000"),
            ("2016-12-31T23:59:60Z", "20161231235960+0000"),
        ] {
            assert_eq!(to_ts(fhir).as_deref(), Some(ts));
            assert_eq!(read(ts).as_deref(), Some(fhir));
        }
    }

    #[test]
    fn a_fraction_is_cut_after_four_digits() {
        assert_eq!(to_ts("2024-03-02T14:05:09.123456+01:00").as_deref(), Some("20240302140509.1234+0100"));
    }

    #[test]
    fn a_dt_is_the_date_alone() {
        assert_eq!(to_dt("2024-03-02T14:05:09Z").as_deref(), Some("20240302"));
    }

    #[test]
    fn a_time_without_offset_takes_one() {
        assert_eq!(read("20240102030405").as_deref(), Some("2024-01-02T03:04:05-05:00"));
        assert_eq!(read("20240702030405").as_deref(), Some("2024-07-02T03:04:05-04:00"));
        let default = DefaultOffset { message: offset_of("+0200"), zone: &TimeZone::UTC };
        assert_eq!(from_ts("202407020304", None, &default).unwrap().0, "2024-07-02T03:04:00+02:00");
    }

    #[test]
    fn an_hour_alone_is_dropped_and_told() {
        let default = DefaultOffset { message: None, zone: &TimeZone::UTC };
        assert_eq!(
            from_ts("2024070203", None, &default),
            Ok(("2024-07-02".to_owned(), Some(TsProblem::HourDropped)))
        );
    }

    #[test]
    fn the_precision_component_shortens() {
        for (precision, expected) in
            [("Y", "2024"), ("L", "2024-07"), ("D", "2024-07-02"), ("M", "2024-07-02T03:04:00Z")]
        {
            assert_eq!(read_with("20240702030405+0000", Some(precision)).as_deref(), Some(expected));
        }
    }

    #[test]
    fn impossible_dates_are_absent() {
        for bad in
            ["20240230", "20241301", "0000", "00000000", "2024022", "2024ab", "", "20240101250000", "x"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn fhir_dates_are_checked_against_the_calendar() {
        for good in ["1974", "1974-02", "2024-02-29", "2015-02-07T13:28:17.239+02:00", "2015-02-07T13:28:17Z"]
        {
            assert!(is_date_time(good), "{good}");
        }
        for bad in [
            "74",
            "1974-2",
            "2023-02-29",
            "2015-02-07T13:28:17",
            "2015-02-07T13:28Z",
            "2015-02T13:28:17Z",
            "not a date",
            "1974-12-25Z",
            "2015-02-07T13:28:17.Z",
            "2015-02-07T13:28:17+14:30",
            "0000-01-01",
            "２０２４",
        ] {
            assert!(!is_date_time(bad), "{bad}");
        }
    }

    #[test]
    fn sortable_text_sorts_by_time() {
        let default = DefaultOffset { message: None, zone: &TimeZone::UTC };
        let a = sortable("2024-03-02T14:05:09.12-05:00", &default).unwrap();
        let b = sortable("2024-03-02T19:05:09.2Z", &default).unwrap();
        assert!(a < b, "{a} {b}");
        assert!(sortable("2024-03-02", &default).unwrap() < a);
    }
}
