//! Time and fresh identifiers, as values that are handed in.
//!
//! `SystemClock` is the only reader of the wall clock in the program; tests and the simulation hand in a
//! `ManualClock`. Pure code takes a `Timestamp` as an argument and never one of these.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

/// A moment in UTC, in whole milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

impl Timestamp {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }
    pub const fn millis(self) -> u64 {
        self.0
    }
    /// This moment plus `millis`; stays at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
    #[must_use]
    pub const fn plus_secs(self, secs: u64) -> Self {
        self.plus_millis(secs.saturating_mul(1_000))
    }
    /// Milliseconds from `earlier` to this moment; 0 where `earlier` lies later.
    pub const fn since_millis(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{millis} ms after 1970"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = String;
    /// Reads RFC 3339. Moments before 1970 are refused.
    fn from_str(text: &str) -> Result<Self, String> {
        let at: jiff::Timestamp =
            text.parse().map_err(|error| format!("`{text}` is no RFC 3339 time: {error}"))?;
        u64::try_from(at.as_millisecond()).map(Self).map_err(|_before| format!("`{text}` lies before 1970"))
    }
}

/// Tells the time. Implementations never go backwards within one process.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// The wall clock, held back from running backwards when the machine's clock is set.
#[derive(Debug, Default)]
pub struct SystemClock {
    latest_millis: AtomicU64,
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
    fn now(&self) -> Timestamp {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
        let before = self.latest_millis.fetch_max(wall, Ordering::Relaxed);
        Timestamp(before.max(wall))
    }
}

/// A clock that stands still until it is told otherwise.
#[derive(Debug, Default)]
pub struct ManualClock {
    millis: AtomicU64,
}

impl ManualClock {
    pub const fn at(start: Timestamp) -> Self {
        Self { millis: AtomicU64::new(start.0) }
    }
    pub fn advance_millis(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.millis.load(Ordering::Relaxed))
    }
}

/// Makes a fresh UUIDv7 (RFC 9562): the only place where identifiers come from chance.
#[expect(clippy::disallowed_methods, reason = "the one maker of identifiers")]
pub fn fresh_uuid() -> Uuid {
    Uuid::now_v7()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_rfc_3339_with_milliseconds_and_read_back() {
        let at = Timestamp::from_millis(1_763_568_000_007);
        assert_eq!(at.to_string(), "2025-11-19T16:00:00.007Z");
        assert_eq!("2025-11-19T16:00:00.007Z".parse(), Ok(at));
    }

    #[test]
    fn the_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::from_millis(5));
        assert_eq!(clock.now(), clock.now());
        clock.advance_millis(10);
        assert_eq!(clock.now().millis(), 15);
    }
}
