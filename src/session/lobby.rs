//! What the connections of a node share, and what travels between a session and the rooms behind it.

use super::heads::Heads;
use super::identity::Identities;
use super::meters::SessionMeters;
use super::pull::Pull;
use super::signin::SignIns;
use crate::desk::Desk;
use crate::fanout::outbox::Bounds;
use crate::ident::{ConversationId, NodeId};
use crate::journal::Answer as JournalAnswer;
use crate::refusal::Refusal;
use crate::wire::Limits;
use crate::wire::client::Position;
use crate::wire::server::ToldLimits;
use actix::Message;
use std::sync::Arc;

/// Which endpoint a connection came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    Visitor,
    Agent,
}

/// Limits and times of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    pub wire: Limits,
    pub told: ToldLimits,
    pub outbox: Bounds,
    pub hello_s: u64,
    pub heartbeat_s: u64,
    pub heartbeat_answer_s: u64,
    pub resume_max_behind: u64,
}

/// What every connection of a node shares.
pub struct Lobby {
    pub desk: Arc<Desk>,
    pub signins: Arc<SignIns>,
    pub identities: Arc<Identities>,
    pub node: NodeId,
    pub limits: SessionLimits,
    pub meters: Arc<SessionMeters>,
    /// What sessions compare with the store together.
    pub heads: Heads,
}

/// Something waits in the outbox.
pub(super) struct Drain;
impl Message for Drain {
    type Result = ();
}

/// The store's answer to a question of this session.
pub(super) struct Told {
    pub(super) answer: Result<JournalAnswer, Refusal>,
    pub(super) about: Question,
}
impl Message for Told {
    type Result = ();
}

/// What was asked of the store.
pub(super) enum Question {
    Welcome {
        re: Arc<str>,
        resume: Vec<Position>,
    },
    /// May this be read, and from where on?
    Open(Pull),
    Page(Pull),
    Heads {
        re: Arc<str>,
    },
    Watch {
        re: Arc<str>,
        conversation: ConversationId,
    },
    /// Did the live flow bring everything?
    Compare,
    /// What is live, or held? Asked when this `version` of an agent's work had been told.
    Look {
        version: u64,
    },
    /// Why is this not the agent's any more?
    Ended(ConversationId),
}
