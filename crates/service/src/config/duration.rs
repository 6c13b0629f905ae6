//! Durations as people write them: `"30s"`, `"500ms"`, `"5m"`, `"1h"`, `"14d"`.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! struct Limits {
//!     #[serde(with = "service::config::duration")]
//!     idle: std::time::Duration,
//! }
//! # let limits: Limits = serde_json::from_str(r#"{"idle":"10m"}"#).unwrap();
//! # assert_eq!(limits.idle.as_secs(), 600);
//! ```

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Reads a whole number followed by its unit.
///
/// # Errors
/// When the text is not of that form.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text)
        .ok_or_else(|| D::Error::custom("expected a duration such as \"30s\" (units: ms, s, m, h, d)"))
}

/// Writes the largest unit that divides the duration; parts of a millisecond are dropped.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let milliseconds = duration.as_millis();
    let (unit, size) = UNITS
        .into_iter()
        .filter(|(_, size)| milliseconds.is_multiple_of(u128::from(*size)))
        .max_by_key(|(_, size)| *size)
        .unwrap_or(("ms", 1));
    serializer.collect_str(&format_args!("{}{unit}", milliseconds / u128::from(size)))
}

pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit.trim_start())?;
    Some(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(size)?))
}

/// Name and length in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit() {
        for (text, milliseconds) in [("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2 h", 7_200_000)] {
            assert_eq!(parse(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn refuses_bare_numbers_and_unknown_units() {
        for text in ["30", "", "s", "-1s", "1.5s", "1w", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        #[derive(serde::Serialize)]
        struct Holder(#[serde(with = "super")] Duration);
        for text in ["500ms", "30s", "5m", "2h", "14d", "1500ms"] {
            let holder = Holder(parse(text).unwrap());
            assert_eq!(serde_json::to_string(&holder).unwrap(), format!("\"{text}\""));
        }
    }
}
