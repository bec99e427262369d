//! What can happen in a cluster, and which node has to be awake for it.

use super::bus::Parcel;
use super::node::Question;
use crate::owner::{Flight, Place, Reply};
use rushdesk::conversation::event::Entry;
use rushdesk::conversation::state::State;
use rushdesk::ident::{ConversationId, Seq};
use rushdesk::journal::Done;

pub(crate) enum Happens {
    Tick {
        n: usize,
        incarnation: u64,
    },
    /// The oldest write of a node reaches the store.
    Commit {
        n: usize,
        incarnation: u64,
        guest: bool,
    },
    /// The store's answer reaches the node.
    Settled {
        n: usize,
        incarnation: u64,
        guest: bool,
        flight: Flight,
        done: Box<Done>,
        timeline: u64,
    },
    /// A write of a process that is gone reaches the store.
    Zombie {
        timeline: u64,
        flight: Flight,
    },
    ReadUntold {
        n: usize,
        incarnation: u64,
        guest: bool,
        place: Place,
        after: Seq,
        state: Box<State>,
    },
    ReadAgain {
        n: usize,
        incarnation: u64,
        guest: bool,
        place: Place,
    },
    Arrives(Box<Parcel>),
    Frame {
        n: usize,
        incarnation: u64,
        client: usize,
        line: u64,
        question: Box<Question>,
    },
    Hello {
        n: usize,
        incarnation: u64,
        client: usize,
        line: u64,
    },
    Pulled {
        n: usize,
        incarnation: u64,
        client: usize,
        line: u64,
    },
    Answered {
        client: usize,
        line: u64,
        id: u64,
        conversation: ConversationId,
        reply: Reply,
    },
    Pushed {
        client: usize,
        line: u64,
        conversation: ConversationId,
        entry: Box<Entry>,
    },
    Reset {
        client: usize,
        line: u64,
        conversation: ConversationId,
    },
    Acts(usize),
    Trouble,
    Start(usize),
}

impl Happens {
    /// The start of a node that it belongs to: with that it ends.
    pub(crate) const fn start(&self) -> Option<(usize, u64)> {
        match self {
            Self::Tick { n, incarnation }
            | Self::Commit { n, incarnation, .. }
            | Self::Settled { n, incarnation, .. }
            | Self::ReadUntold { n, incarnation, .. }
            | Self::ReadAgain { n, incarnation, .. }
            | Self::Frame { n, incarnation, .. }
            | Self::Hello { n, incarnation, .. }
            | Self::Pulled { n, incarnation, .. } => Some((*n, *incarnation)),
            _ => None,
        }
    }

    /// The client's connection that it belongs to: with that it ends.
    pub(crate) const fn line(&self) -> Option<(usize, u64)> {
        match self {
            Self::Frame { client, line, .. }
            | Self::Hello { client, line, .. }
            | Self::Pulled { client, line, .. }
            | Self::Answered { client, line, .. }
            | Self::Pushed { client, line, .. }
            | Self::Reset { client, line, .. } => Some((*client, *line)),
            _ => None,
        }
    }

    /// The node that has to be awake for it; a write that is on the wire needs nobody.
    pub(crate) fn who_is_awake(&self) -> Option<usize> {
        match self {
            Self::Arrives(parcel) => Some(parcel.to),
            Self::Commit { .. } => None,
            _ => self.start().map(|(n, _)| n),
        }
    }
}
