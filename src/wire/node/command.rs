//! A command on its way to the node that owns its conversation, and what came of it on the way back.
//!
//! The forms are read by nodes of the version before and after: unknown fields are passed over, and a command that is
//! not known here is refused by name, so that its sender can say so.

use super::refusal::RefusalForm;
use crate::clock::Timestamp;
use crate::conversation::command::{Ask, Command, Grant, Landing, Who};
use crate::conversation::delivery::{Receipt, Reply};
use crate::conversation::event::{HeadStartPart, RequeueReason, TransferTarget, Why};
use crate::conversation::state::Phase;
use crate::ident::{AgentId, AssignSeq, ConversationId, GroupId, OfferId, RuleId, Seq, VisitorId};
use crate::journal::stored;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A stored kind and body.
type Stored = (i64, String);

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhoForm {
    Visitor { id: VisitorId, name: Option<Arc<str>> },
    Agent { id: AgentId, name: Arc<str>, supervisor: bool },
    System,
}

impl From<&Who> for WhoForm {
    fn from(who: &Who) -> Self {
        match who.clone() {
            Who::Visitor { id, name } => Self::Visitor { id, name },
            Who::Agent { id, name, supervisor } => Self::Agent { id, name, supervisor },
            Who::System => Self::System,
        }
    }
}

impl From<WhoForm> for Who {
    fn from(form: WhoForm) -> Self {
        match form {
            WhoForm::Visitor { id, name } => Self::Visitor { id, name },
            WhoForm::Agent { id, name, supervisor } => Self::Agent { id, name, supervisor },
            WhoForm::System => Self::System,
        }
    }
}

/// Where a conversation lands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LandingForm {
    Queue(GroupId),
    CallBack(GroupId),
}

impl From<&Landing> for LandingForm {
    fn from(landing: &Landing) -> Self {
        match landing.clone() {
            Landing::Queue(group) => Self::Queue(group),
            Landing::CallBack(group) => Self::CallBack(group),
        }
    }
}

impl From<LandingForm> for Landing {
    fn from(form: LandingForm) -> Self {
        match form {
            LandingForm::Queue(group) => Self::Queue(group),
            LandingForm::CallBack(group) => Self::CallBack(group),
        }
    }
}

/// An ask: who, under which assignment, and what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskForm {
    who: WhoForm,
    #[serde(skip_serializing_if = "Option::is_none")]
    under: Option<AssignSeq>,
    command: CommandForm,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CommandForm {
    Open {
        opening: Stored,
        landing: LandingForm,
        content: Option<Stored>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contact: Option<Arc<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notice: Option<Arc<str>>,
    },
    Say(Stored),
    Recall(Seq),
    Close {
        reason: Option<Arc<str>>,
        disposition: Option<Arc<str>>,
        tags: Vec<Arc<str>>,
    },
    Reopen(LandingForm),
    LeaveMessage {
        content: Stored,
        contact: Option<Arc<str>>,
    },
    Rate {
        score: u8,
        comment: Option<Arc<str>>,
    },
    RequestAgent {
        landing: LandingForm,
        reason: Option<Arc<str>>,
    },
    Offer {
        offer: OfferId,
        agent: AgentId,
        seats: u32,
        head_start_s: u32,
        expires_ms: u64,
    },
    Accept(OfferId),
    Decline(OfferId),
    EndOffer {
        offer: OfferId,
        reason: ReasonForm,
    },
    Assign(GrantForm),
    Transfer {
        to: TargetForm,
        group: GroupId,
        note: Option<Arc<str>>,
    },
    Release,
    Requeue {
        agent: AgentId,
        reason: ReasonForm,
    },
    Overflow(GroupId),
    Done,
    Wake {
        gone_since_ms: Option<u64>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct GrantForm {
    agent: AgentId,
    agent_name: Arc<str>,
    seats: u32,
    head_start_s: u32,
    words: Arc<str>,
    parts: Vec<(RuleId, u64)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TargetForm {
    Group(GroupId),
    Agent(AgentId),
}

/// Why a conversation came back to its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonForm {
    Declined,
    OfferExpired,
    OfferWithdrawn,
    Released,
    AgentOffline,
    AgentLost,
    Overflow,
}

macro_rules! same_reasons {
    ($($name:ident),*) => {
        impl From<RequeueReason> for ReasonForm {
            fn from(reason: RequeueReason) -> Self {
                match reason { $(RequeueReason::$name => Self::$name,)* }
            }
        }
        impl From<ReasonForm> for RequeueReason {
            fn from(form: ReasonForm) -> Self {
                match form { $(ReasonForm::$name => Self::$name,)* }
            }
        }
    };
}
same_reasons!(Declined, OfferExpired, OfferWithdrawn, Released, AgentOffline, AgentLost, Overflow);

impl AskForm {
    /// # Errors
    /// A sentence; nothing that a client can ask has this.
    pub fn of(ask: &Ask) -> Result<Self, String> {
        Ok(Self { who: (&ask.who).into(), under: ask.under, command: command_form(&ask.command)? })
    }

    /// # Errors
    /// A sentence: what it carries cannot be read here.
    pub fn ask(self) -> Result<Ask, String> {
        Ok(Ask { who: self.who.into(), under: self.under, command: command(self.command)? })
    }
}

fn command_form(command: &Command) -> Result<CommandForm, String> {
    Ok(match command.clone() {
        Command::Open { opening, landing, content, contact, notice } => CommandForm::Open {
            opening: stored::opening_text(&opening)?,
            landing: (&landing).into(),
            content: content.as_ref().map(stored::content_text).transpose()?,
            contact,
            notice,
        },
        Command::Say(content) => CommandForm::Say(stored::content_text(&content)?),
        // The owner reads the entry itself.
        Command::Recall { seq, target: _ } => CommandForm::Recall(seq),
        Command::Close { reason, disposition, tags } => CommandForm::Close { reason, disposition, tags },
        Command::Reopen { landing } => CommandForm::Reopen((&landing).into()),
        Command::LeaveMessage { content, contact } => {
            CommandForm::LeaveMessage { content: stored::content_text(&content)?, contact }
        }
        Command::Rate { score, comment } => CommandForm::Rate { score, comment },
        Command::RequestAgent { landing, reason } => {
            CommandForm::RequestAgent { landing: (&landing).into(), reason }
        }
        Command::Offer { offer, agent, seats, head_start_s, expires_at } => {
            CommandForm::Offer { offer, agent, seats, head_start_s, expires_ms: expires_at.millis() }
        }
        Command::Accept { offer } => CommandForm::Accept(offer),
        Command::Decline { offer } => CommandForm::Decline(offer),
        Command::EndOffer { offer, reason } => CommandForm::EndOffer { offer, reason: reason.into() },
        Command::Assign(grant) => CommandForm::Assign(grant_form(grant)),
        Command::Transfer { to, group, note } => {
            let to = match to {
                TransferTarget::Group(group) => TargetForm::Group(group),
                TransferTarget::Agent(agent) => TargetForm::Agent(agent),
            };
            CommandForm::Transfer { to, group, note }
        }
        Command::Release => CommandForm::Release,
        Command::Requeue { agent, reason } => CommandForm::Requeue { agent, reason: reason.into() },
        Command::Overflow { to } => CommandForm::Overflow(to),
        Command::Done => CommandForm::Done,
        Command::Wake { visitor_gone_since } => {
            CommandForm::Wake { gone_since_ms: visitor_gone_since.map(Timestamp::millis) }
        }
    })
}

fn command(form: CommandForm) -> Result<Command, String> {
    let content = |(kind, body): Stored| stored::content_from(kind, &body);
    Ok(match form {
        CommandForm::Open { opening: (kind, body), landing, content: said, contact, notice } => {
            Command::Open {
                opening: stored::opening_from(kind, &body)?,
                landing: landing.into(),
                content: said.map(content).transpose()?,
                contact,
                notice,
            }
        }
        CommandForm::Say(said) => Command::Say(content(said)?),
        CommandForm::Recall(seq) => Command::Recall { seq, target: None },
        CommandForm::Close { reason, disposition, tags } => Command::Close { reason, disposition, tags },
        CommandForm::Reopen(landing) => Command::Reopen { landing: landing.into() },
        CommandForm::LeaveMessage { content: said, contact } => {
            Command::LeaveMessage { content: content(said)?, contact }
        }
        CommandForm::Rate { score, comment } => Command::Rate { score, comment },
        CommandForm::RequestAgent { landing, reason } => {
            Command::RequestAgent { landing: landing.into(), reason }
        }
        CommandForm::Offer { offer, agent, seats, head_start_s, expires_ms } => Command::Offer {
            offer,
            agent,
            seats,
            head_start_s,
            expires_at: Timestamp::from_millis(expires_ms),
        },
        CommandForm::Accept(offer) => Command::Accept { offer },
        CommandForm::Decline(offer) => Command::Decline { offer },
        CommandForm::EndOffer { offer, reason } => Command::EndOffer { offer, reason: reason.into() },
        CommandForm::Assign(form) => Command::Assign(grant(form)),
        CommandForm::Transfer { to, group, note } => {
            let to = match to {
                TargetForm::Group(group) => TransferTarget::Group(group),
                TargetForm::Agent(agent) => TransferTarget::Agent(agent),
            };
            Command::Transfer { to, group, note }
        }
        CommandForm::Release => Command::Release,
        CommandForm::Requeue { agent, reason } => Command::Requeue { agent, reason: reason.into() },
        CommandForm::Overflow(to) => Command::Overflow { to },
        CommandForm::Done => Command::Done,
        CommandForm::Wake { gone_since_ms } => {
            Command::Wake { visitor_gone_since: gone_since_ms.map(Timestamp::from_millis) }
        }
    })
}

fn grant_form(grant: Grant) -> GrantForm {
    let Grant { agent, agent_name, seats, head_start_s, reason } = grant;
    let parts = reason.head_start_parts.into_iter().map(|part| (part.rule, part.head_start_s)).collect();
    GrantForm { agent, agent_name, seats, head_start_s, words: reason.words, parts }
}

fn grant(form: GrantForm) -> Grant {
    let GrantForm { agent, agent_name, seats, head_start_s, words, parts } = form;
    let parts = parts.into_iter().map(|(rule, head_start_s)| HeadStartPart { rule, head_start_s });
    let reason = Why { words, head_start_parts: parts.collect() };
    Grant { agent, agent_name, seats, head_start_s, reason }
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyForm {
    Done { conversation: ConversationId, seq: Option<Seq>, at_ms: u64, state: String },
    Exists(ConversationId),
    Refused(RefusalForm),
}

impl From<&Reply> for ReplyForm {
    fn from(reply: &Reply) -> Self {
        match reply {
            Reply::Done(Receipt { conversation, seq, at, state }) => Self::Done {
                conversation: *conversation,
                seq: *seq,
                at_ms: at.millis(),
                state: state.name().to_owned(),
            },
            Reply::Exists(conversation) => Self::Exists(*conversation),
            Reply::Refused(refusal) => Self::Refused(refusal.into()),
        }
    }
}

impl From<ReplyForm> for Reply {
    fn from(form: ReplyForm) -> Self {
        match form {
            ReplyForm::Done { conversation, seq, at_ms, state } => Self::Done(Receipt {
                conversation,
                seq,
                at: Timestamp::from_millis(at_ms),
                // A state that a later version has added is none that this one could act on.
                state: Phase::from_name(&state).unwrap_or(Phase::Active),
            }),
            ReplyForm::Exists(conversation) => Self::Exists(conversation),
            ReplyForm::Refused(refusal) => Self::Refused(refusal.into()),
        }
    }
}
