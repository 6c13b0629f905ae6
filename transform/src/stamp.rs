//! Instants to the millisecond: `meta.lastUpdated`, EVN-2 and the order of a patient's writes.

use std::fmt;

use clock::Clock;
use jiff::{SignedDuration, Timestamp};
use message_store::{InvalidKey, OrderingKey};

/// An instant in UTC, whole milliseconds. Its text has one width, so it sorts as it compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(Timestamp);

impl Stamp {
    /// The present, by the wall clock.
    pub(crate) fn now(clock: &Clock) -> Self {
        Self::of(Timestamp::try_from(clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    pub(crate) fn of(instant: Timestamp) -> Self {
        Self(Timestamp::from_millisecond(instant.as_millisecond()).unwrap_or(instant))
    }

    /// This instant, or the first one after `before`: the writes of one patient have rising stamps, whatever the
    /// clock does.
    pub(crate) fn after(self, before: Option<Self>) -> Self {
        let next = |before: Self| before.0.saturating_add(SignedDuration::from_millis(1)).unwrap_or(before.0);
        before.map_or(self, |before| self.max(Self(next(before))))
    }

    pub(crate) fn instant(self) -> Timestamp {
        self.0
    }

    /// Reads a key that [`Stamp::order`] wrote.
    pub(crate) fn from_order(key: &OrderingKey) -> Option<Self> {
        key.as_str().parse().ok().map(Self)
    }

    pub(crate) fn order(self) -> Result<OrderingKey, InvalidKey> {
        OrderingKey::new(self.to_string())
    }

    /// RFC 9110 §5.6.7, for `Last-Modified`.
    pub(crate) fn http_date(self) -> String {
        self.0.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_one_width_and_reads_back() {
        for text in ["2024-03-01T09:30:15Z", "2024-03-01T09:30:15.5Z", "2024-03-01T09:30:15.1239Z"] {
            let stamp = Stamp::of(text.parse().unwrap());
            assert_eq!(stamp.to_string().len(), "2024-03-01T09:30:15.123Z".len(), "{stamp}");
            assert_eq!(Stamp::from_order(&stamp.order().unwrap()), Some(stamp));
        }
    }

    #[test]
    fn rises_even_when_the_clock_does_not() {
        let now = Stamp::of("2024-03-01T09:30:15.007Z".parse().unwrap());
        assert_eq!(now.after(None), now);
        assert_eq!(now.after(Some(now)).to_string(), "2024-03-01T09:30:15.008Z");
        let ahead = Stamp::of("2030-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(now.after(Some(ahead)).to_string(), "2030-01-01T00:00:00.001Z");
        assert_eq!(now.http_date(), "Fri, 01 Mar 2024 09:30:15 GMT");
    }
}
