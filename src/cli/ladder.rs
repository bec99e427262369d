//! `rushdesk ladder`: the burst ladder without the web.

use super::office::Office;
use super::{Context, Failure, answer, answer_json};
use crate::admission::ladder::Level;
use crate::wire::rest::{LadderLevel, LadderMode, LadderPatch, LadderStanding};
use clap::{Subcommand, ValueEnum};
use serde_json::json;

/// What `rushdesk ladder` can be asked.
#[derive(Debug, Subcommand)]
pub enum LadderCommand {
    /// Show where it stands, and who moves it
    Show,
    /// Hold a level by hand; a running desk follows within a second
    Set {
        #[arg(value_enum)]
        level: Rung,
    },
    /// Let it move by itself, from where it stands
    Auto,
}

/// A level; each does what those before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Rung {
    /// As on any day
    Normal,
    /// The bot keeps longer what it would hand over
    BotFirst,
    /// Each agent takes ladder.extra_seats conversations more
    MoreSeats,
    /// Who would wait longer than ladder.promise_s is called back instead
    CallBack,
    /// Each new conversation is told of the rush
    Notice,
}

impl From<Rung> for LadderLevel {
    fn from(rung: Rung) -> Self {
        match rung {
            Rung::Normal => Self::Normal,
            Rung::BotFirst => Self::BotFirst,
            Rung::MoreSeats => Self::MoreSeats,
            Rung::CallBack => Self::CallBack,
            Rung::Notice => Self::Notice,
        }
    }
}

/// Does what `rushdesk ladder` was asked.
///
/// # Errors
/// The settings are wrong, or the store refuses.
pub fn run(command: LadderCommand, context: &Context) -> Result<(), Failure> {
    let office = Office::open(context)?;
    let patch = match command {
        LadderCommand::Show => return told(office.administration.ladder()?, context),
        LadderCommand::Set { level } => LadderPatch { mode: None, level: Some(level.into()) },
        LadderCommand::Auto => LadderPatch { mode: Some(LadderMode::Auto), level: None },
    };
    told(office.administration.set_ladder(patch, office.editor())?, context)
}

fn told(stands: LadderStanding, context: &Context) -> Result<(), Failure> {
    if context.json() {
        return answer_json(&json!(stands));
    }
    let level = Level::from(stands.level).name();
    answer(&match stands.mode {
        LadderMode::Auto => format!("{level} since {}, moves by itself", stands.since),
        LadderMode::Hand => format!("{level} since {}, held by hand", stands.since),
    })
}
