//! What all players share: where the desk is, when the play began, the meters, the record for the checker, the end.

use super::history::Observed;
use super::meters::Meters;
use super::target::Target;
use crate::ident::{AgentId, ConversationId};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Notes on their way to the judge; players wait where it is full, so that nothing goes unjudged.
const NOTES: usize = 65_536;
/// Conversations whose opening or assignment waits for its counterpart; beyond it the time is not measured.
const BIRTHS: usize = 100_000;

/// Something for the history checker.
#[derive(Debug)]
pub enum Note {
    Saw(Observed),
    Capacity { agent: AgentId, since_ms: u64, seats: u32 },
}

/// Where players write down what they did and saw; a play without a judge writes nothing.
#[derive(Debug, Clone)]
pub struct Record(Option<mpsc::Sender<Note>>);

impl Record {
    /// A record and the end at which a judge reads it.
    pub fn kept() -> (Self, mpsc::Receiver<Note>) {
        let (to, from) = mpsc::channel(NOTES);
        (Self(Some(to)), from)
    }

    pub const fn not_kept() -> Self {
        Self(None)
    }

    /// Comes back once the note has its place in the order of events.
    pub async fn note(&self, note: Note) {
        if let Some(to) = &self.0 {
            // A judge that is gone has already failed its own run.
            drop(to.send(note).await);
        }
    }
}

/// How far the play is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    Playing,
    /// Visitors come to an end: no new words, close what is open.
    Closing,
    /// Everybody has said what there was to say; agents come to rest and leave.
    Resting,
}

#[derive(Debug, Clone, Copy)]
enum Birth {
    Opened(Instant),
    Assigned(Instant),
}

/// Shared by all players of one play.
#[derive(Debug)]
pub struct Stage {
    pub target: Target,
    pub meters: Meters,
    pub record: Record,
    started: Instant,
    act: watch::Sender<Act>,
    births: Mutex<BTreeMap<ConversationId, Birth>>,
}

impl Stage {
    pub fn new(target: Target, record: Record) -> Self {
        Self {
            target,
            meters: Meters::default(),
            record,
            started: Instant::now(),
            act: watch::Sender::new(Act::Playing),
            births: Mutex::default(),
        }
    }

    /// Microseconds since the play began: the players' clock.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub fn at(&self, us: u64) -> Instant {
        self.started + Duration::from_micros(us)
    }

    pub fn act(&self) -> Act {
        *self.act.borrow()
    }

    /// Comes back when the play has reached `act` or gone past it.
    pub async fn reached(&self, act: Act) {
        // The sender lives in `self`: the wait can only end by the act.
        drop(self.act.subscribe().wait_for(|now| *now >= act).await);
    }

    /// Goes on to `act`; never back.
    pub fn go_to(&self, act: Act) {
        self.act.send_if_modified(|now| {
            let later = act > *now;
            *now = act.max(*now);
            later
        });
    }

    /// The visitor asked for it at `intended_us`.
    pub fn opened(&self, conversation: ConversationId, intended_us: u64) {
        self.born(conversation, Birth::Opened(self.at(intended_us)));
    }

    /// The agent's socket has told of it just now.
    pub fn assigned(&self, conversation: ConversationId) {
        self.born(conversation, Birth::Assigned(Instant::now()));
    }

    /// The two tellings come over different sockets, in either order.
    fn born(&self, conversation: ConversationId, birth: Birth) {
        let mut births = self.births.lock();
        match (births.remove(&conversation), birth) {
            (Some(Birth::Opened(opened)), Birth::Assigned(assigned))
            | (Some(Birth::Assigned(assigned)), Birth::Opened(opened)) => {
                self.meters.assignment.record(assigned.saturating_duration_since(opened));
            }
            (Some(first), _) => {
                births.insert(conversation, first);
            }
            (None, birth) if births.len() < BIRTHS => {
                births.insert(conversation, birth);
            }
            (None, _) => {}
        }
    }
}
