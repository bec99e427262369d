//! Business hours and holidays of a group, in its own time zone.
//!
//! Pure: the zone is handed in as a value (whoever loads settings finds it by its IANA name), the moment is an
//! argument. A day's hours are civil times, so they move with daylight saving as people expect. Refuses to decide
//! what happens outside the hours: that is the group's overflow (`group.rs`).

use crate::clock::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;
/// How far ahead the next opening is looked for, in days.
const LOOK_AHEAD_DAYS: i64 = 370;

/// A stretch of civil time, in minutes after midnight of the day it belongs to. An end beyond 1440 runs into the
/// next day (22:00 to 06:00 is 1320 to 1800).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from_minute: u16,
    pub to_minute: u16,
}

/// A date with hours of its own; none means closed all day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    pub date: Date,
    pub open: Vec<Span>,
}

/// Hours that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "hours from minute {from_minute} to {to_minute} cannot be kept: \
     begin before minute 1440 and end after the begin, at most a day later"
)]
pub struct HoursError {
    pub from_minute: u16,
    pub to_minute: u16,
}

/// When a group works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    zone: TimeZone,
    /// Monday first.
    week: [Vec<Span>; 7],
    /// Sorted by date.
    holidays: Vec<Holiday>,
}

impl Hours {
    /// Hours of a week (Monday first) in `zone`, with dates that differ. Refuses spans that begin after their day,
    /// end before they begin, or last longer than a day.
    pub fn new(zone: TimeZone, week: [Vec<Span>; 7], mut holidays: Vec<Holiday>) -> Result<Self, HoursError> {
        let spans = week.iter().flatten().chain(holidays.iter().flat_map(|holiday| &holiday.open));
        for &Span { from_minute, to_minute } in spans {
            let possible = from_minute < DAY_MINUTES
                && to_minute > from_minute
                && to_minute - from_minute <= DAY_MINUTES;
            if !possible {
                return Err(HoursError { from_minute, to_minute });
            }
        }
        holidays.sort_by_key(|holiday| holiday.date);
        Ok(Self { zone, week, holidays })
    }

    /// Whether the group works at `at`.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let Some(today) = self.date_of(at) else { return false };
        // A span of yesterday may run into today.
        [today.yesterday().ok(), Some(today)].into_iter().flatten().any(|date| {
            self.spans_of(date)
                .iter()
                .any(|span| self.instants(date, *span).is_some_and(|(from, to)| from <= at && at < to))
        })
    }

    /// The next moment at which the group works: `at` itself while open, `None` where no opening comes within a
    /// year.
    pub fn opens_at(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) {
            return Some(at);
        }
        let today = self.date_of(at)?;
        (0..LOOK_AHEAD_DAYS).find_map(|ahead| {
            let date = today.checked_add(ahead.days()).ok()?;
            let begins = self.spans_of(date).iter().filter_map(|span| Some(self.instants(date, *span)?.0));
            begins.filter(|begin| *begin > at).min()
        })
    }

    fn date_of(&self, at: Timestamp) -> Option<Date> {
        let instant = jiff::Timestamp::from_millisecond(i64::try_from(at.millis()).ok()?).ok()?;
        Some(self.zone.to_datetime(instant).date())
    }

    fn spans_of(&self, date: Date) -> &[Span] {
        if let Ok(at) = self.holidays.binary_search_by_key(&date, |holiday| holiday.date) {
            return self.holidays.get(at).map_or(&[], |holiday| &holiday.open);
        }
        let weekday = usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0);
        self.week.get(weekday).map_or(&[], Vec::as_slice)
    }

    fn instants(&self, date: Date, span: Span) -> Option<(Timestamp, Timestamp)> {
        let instant = |minute: u16| {
            let civil = date.to_datetime(Time::midnight()).checked_add(i64::from(minute).minutes()).ok()?;
            let instant = self.zone.to_ambiguous_timestamp(civil).compatible().ok()?;
            u64::try_from(instant.as_millisecond()).ok().map(Timestamp::from_millis)
        };
        Some((instant(span.from_minute)?, instant(span.to_minute)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn span(from_h: u16, to_h: u16) -> Span {
        Span { from_minute: from_h * 60, to_minute: to_h * 60 }
    }

    fn office() -> [Vec<Span>; 7] {
        let day = || vec![span(9, 12), span(13, 18)];
        [day(), day(), day(), day(), vec![span(22, 30)], Vec::new(), Vec::new()]
    }

    fn shanghai() -> TimeZone {
        TimeZone::posix("CST-8").unwrap()
    }

    fn new_york() -> TimeZone {
        TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn hours_are_kept_in_the_zone_of_the_group() {
        let closed_day = Holiday { date: jiff::civil::date(2025, 11, 11), open: Vec::new() };
        let long_day = Holiday { date: jiff::civil::date(2025, 11, 12), open: vec![span(0, 24)] };
        let hours = Hours::new(shanghai(), office(), vec![long_day, closed_day]).unwrap();
        let expected = [
            // Monday 10 November 2025 in Shanghai
            ("2025-11-10T00:59:59.999Z", false),
            ("2025-11-10T01:00:00Z", true),
            ("2025-11-10T03:59:59.999Z", true),
            ("2025-11-10T04:00:00Z", false),
            ("2025-11-10T05:00:00Z", true),
            ("2025-11-10T10:00:00Z", false),
            // a holiday, and one that is open round the clock
            ("2025-11-11T02:00:00Z", false),
            ("2025-11-11T15:59:59Z", false),
            ("2025-11-11T16:00:00Z", true),
            ("2025-11-12T15:59:59Z", true),
            ("2025-11-12T16:00:00Z", false),
            // Friday night into Saturday
            ("2025-11-14T13:59:59Z", false),
            ("2025-11-14T14:00:00Z", true),
            ("2025-11-14T21:59:59Z", true),
            ("2025-11-14T22:00:00Z", false),
        ];
        for (moment, open) in expected {
            assert_eq!(hours.is_open(at(moment)), open, "{moment}");
        }
    }

    #[test]
    fn hours_move_with_daylight_saving() {
        let hours = Hours::new(new_york(), std::array::from_fn(|_| vec![span(9, 17)]), Vec::new()).unwrap();
        assert!(!hours.is_open(at("2025-01-15T13:30:00Z")), "08:30 in winter");
        assert!(hours.is_open(at("2025-07-15T13:30:00Z")), "09:30 in summer");
    }

    #[test]
    fn the_next_opening_passes_over_closed_days() {
        let holidays = vec![Holiday { date: jiff::civil::date(2025, 11, 17), open: Vec::new() }];
        let hours = Hours::new(shanghai(), office(), holidays).unwrap();
        let expected = [
            ("2025-11-10T02:00:00Z", "2025-11-10T02:00:00Z"),
            ("2025-11-10T04:30:00Z", "2025-11-10T05:00:00Z"),
            ("2025-11-14T22:00:00Z", "2025-11-18T01:00:00Z"),
        ];
        for (moment, opening) in expected {
            assert_eq!(hours.opens_at(at(moment)), Some(at(opening)), "{moment}");
        }
        let never = Hours::new(shanghai(), std::array::from_fn(|_| Vec::new()), Vec::new()).unwrap();
        assert_eq!(never.opens_at(at("2025-11-10T02:00:00Z")), None);
    }

    #[test]
    fn hours_that_cannot_be_kept_are_refused() {
        for wrong in [span(24, 25), span(9, 9), span(10, 9), span(1, 26)] {
            let week = std::array::from_fn(|_| vec![wrong]);
            assert!(Hours::new(shanghai(), week, Vec::new()).is_err(), "{wrong:?}");
        }
    }
}
