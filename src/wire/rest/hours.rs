//! When a group works, in civil time of its own zone.

use super::words::Word;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A stretch of civil time, as `09:00-18:00`. An end at or before the begin lies on the next day; `24:00` is midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OpenSpan {
    /// Minutes after midnight, below 1440.
    pub from_minute: u16,
    /// Minutes after the same midnight, beyond 1440 where it runs into the next day.
    pub to_minute: u16,
}

const DAY_MINUTES: u16 = 24 * 60;

impl FromStr for OpenSpan {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let minutes = |clock: &str| {
            let (hours, minutes) = clock.split_once(':')?;
            let digits = |part: &str| (part.len() == 2).then(|| part.parse::<u16>().ok()).flatten();
            let minute = digits(hours)? * 60 + digits(minutes).filter(|minutes| *minutes < 60)?;
            (minute <= DAY_MINUTES).then_some(minute)
        };
        let span = text.split_once('-').and_then(|(from, to)| Some((minutes(from)?, minutes(to)?)));
        match span {
            Some((from_minute, to)) if from_minute < DAY_MINUTES => {
                let to_minute = if to > from_minute { to } else { to + DAY_MINUTES };
                Ok(Self { from_minute, to_minute })
            }
            _ => Err(format!(
                "`{}` is no opening: write as 09:00-18:00",
                text.chars().take(40).collect::<String>()
            )),
        }
    }
}

impl fmt::Display for OpenSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = if self.to_minute > DAY_MINUTES { self.to_minute - DAY_MINUTES } else { self.to_minute };
        write!(f, "{:02}:{:02}-{:02}:{:02}", self.from_minute / 60, self.from_minute % 60, to / 60, to % 60)
    }
}

impl TryFrom<String> for OpenSpan {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<OpenSpan> for String {
    fn from(span: OpenSpan) -> Self {
        span.to_string()
    }
}

impl PartialSchema for OpenSpan {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .pattern(Some("^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$"))
            .description(Some("09:00-18:00; an end at or before the begin lies on the next day"))
            .into()
    }
}

impl ToSchema for OpenSpan {}

/// Openings by weekday; a day that is left out is closed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Week {
    pub mon: Vec<OpenSpan>,
    pub tue: Vec<OpenSpan>,
    pub wed: Vec<OpenSpan>,
    pub thu: Vec<OpenSpan>,
    pub fri: Vec<OpenSpan>,
    pub sat: Vec<OpenSpan>,
    pub sun: Vec<OpenSpan>,
}

/// A date with openings of its own; none means closed all day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// As `2026-11-11`.
    pub date: String,
    #[serde(default)]
    pub open: Vec<OpenSpan>,
}

/// When a group works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpeningHours {
    /// An IANA time zone, as `Asia/Shanghai`.
    pub zone: Word,
    pub week: Week,
    #[serde(default)]
    pub holidays: Vec<Holiday>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_are_read_and_written_across_midnight() {
        for (text, from_minute, to_minute) in [
            ("09:00-18:00", 540, 1_080),
            ("22:00-06:00", 1_320, 1_800),
            ("00:00-24:00", 0, 1_440),
            ("18:30-24:00", 1_110, 1_440),
        ] {
            assert_eq!(text.parse(), Ok(OpenSpan { from_minute, to_minute }));
            assert_eq!(OpenSpan { from_minute, to_minute }.to_string(), text);
        }
        for wrong in ["", "9-5", "09:00", "24:00-06:00", "09:60-10:00", "25:00-26:00", "09:00-18:00h"] {
            assert!(wrong.parse::<OpenSpan>().is_err(), "{wrong}");
        }
    }
}
