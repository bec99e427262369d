//! The burst ladder: how far the desk has gone, and who moves it.

use crate::admission::ladder::Level;
use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who moves the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LadderMode {
    /// It moves by itself.
    Auto,
    /// It stands where somebody has put it.
    Hand,
}

/// A level of the ladder; each does what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LadderLevel {
    Normal,
    BotFirst,
    MoreSeats,
    CallBack,
    Notice,
}

impl From<Level> for LadderLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Normal => Self::Normal,
            Level::BotFirst => Self::BotFirst,
            Level::MoreSeats => Self::MoreSeats,
            Level::CallBack => Self::CallBack,
            Level::Notice => Self::Notice,
        }
    }
}

impl From<LadderLevel> for Level {
    fn from(level: LadderLevel) -> Self {
        match level {
            LadderLevel::Normal => Self::Normal,
            LadderLevel::BotFirst => Self::BotFirst,
            LadderLevel::MoreSeats => Self::MoreSeats,
            LadderLevel::CallBack => Self::CallBack,
            LadderLevel::Notice => Self::Notice,
        }
    }
}

/// Where the ladder stands; as the store keeps it, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LadderStanding {
    pub mode: LadderMode,
    pub level: LadderLevel,
    /// When the level was entered.
    pub since: Timestamp,
    /// Seats lent to each agent from `more_seats` on.
    pub extra_seats: u32,
}

/// `GET /overload/ladder`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LadderResource {
    #[serde(flatten)]
    pub standing: LadderStanding,
    /// Conversations that wait, those to be called back included; `null` while routing does not answer.
    pub waiting: Option<u64>,
    /// Seats of the agents who are there, without those that are lent.
    pub seats: Option<u64>,
    /// Conversations that wait for each hundred seats; `null` also where nobody is there to serve them.
    pub pressure_percent: Option<u64>,
}

/// `PATCH /overload/ladder`: a level, which is then held by hand; or who moves it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LadderPatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<LadderMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<LadderLevel>,
}
