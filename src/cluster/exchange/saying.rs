//! The forms of what goes out. Refuses to send.

use super::{Question, Request};
use crate::agent::actor::AgentWord;
use crate::conversation::delivery::{Deliver, Parcel};
use crate::conversation::registry::Start;
use crate::ident::DomainId;
use crate::supervisor::message::{AskExplanation, Availability, Heard, VisitorConnection};
use crate::wire::node::{AgentWordForm, AskForm, ChangedForm, CommandItem, Item};

/// Between what a question holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// See `Item::until_ms`.
    pub(super) until_ms: Option<u64>,
    /// See `CommandItem::after`.
    pub(super) after: Option<Request>,
}

/// `None` where it cannot be written; that is logged.
pub(super) fn question(request: Request, bounds: Bounds, question: &Question) -> Option<Item> {
    let until_ms = bounds.until_ms;
    Some(match question {
        Question::Command(parcel) => Item::Command(Box::new(command(request, bounds, parcel)?)),
        Question::Place(domain, asked) => {
            Item::AskPlace { request, until_ms, place: (&*asked.wish).into(), domain: domain.clone() }
        }
        Question::Queues(domain, asked) => Item::AskQueues {
            request,
            until_ms,
            items_per_group: asked.items_per_group,
            domain: domain.clone(),
        },
        Question::Explanation(AskExplanation { conversation, domain, .. }) => {
            Item::AskExplanation { request, until_ms, conversation: *conversation, domain: domain.clone() }
        }
        Question::Presence(agent, wish) => Item::SetPresence {
            request,
            until_ms,
            agent: *agent,
            presence: wish.presence.into(),
            reason: wish.reason.clone(),
            after_current: wish.after_current,
        },
    })
}

fn command(request: Request, bounds: Bounds, parcel: &Parcel) -> Option<CommandItem> {
    let Parcel { conversation, start, deliver: Deliver { ask, client, origin, .. } } = parcel;
    let ask = AskForm::of(ask).map_err(|error| tracing::error!(%error, "a command could not be written"));
    Some(CommandItem {
        request,
        until_ms: bounds.until_ms,
        after: bounds.after,
        conversation: *conversation,
        fresh: *start == Start::Fresh,
        ask: ask.ok()?,
        client: client.map(|client| ((client.key >> 64) as u64, client.key as u64, client.digest)),
        origin: origin.as_ref().map(|origin| (origin.session, origin.re.clone())),
    })
}

/// What the supervisor is told and need not answer; `None` for questions, and for what cannot be written.
pub(super) fn news(domain: &DomainId, heard: &Heard) -> Option<Item> {
    let domain = domain.clone();
    match heard {
        Heard::Changed(changed) => match ChangedForm::of(&domain, changed) {
            Ok(form) => Some(Item::Changed(form)),
            Err(error) => {
                tracing::error!(%error, "a changed conversation could not be written");
                None
            }
        },
        Heard::Availability(Availability { agent, available }) => {
            Some(Item::Available { agent: *agent, available: *available, domain })
        }
        Heard::VisitorConnection(VisitorConnection { visitor, connected }) => {
            Some(Item::Visitor { visitor: visitor.clone(), connected: *connected, domain })
        }
        Heard::AskPlace(_) | Heard::AskQueues(_) | Heard::AskExplanation(_) => None,
    }
}

/// What an agent's actor is told from elsewhere; `None` for what only its own node says.
pub(super) const fn word(word: &AgentWord) -> Option<AgentWordForm> {
    match word {
        AgentWord::ConnectionsChanged => Some(AgentWordForm::ConnectionsChanged),
        AgentWord::Freed => Some(AgentWordForm::Freed),
        AgentWord::Holding => Some(AgentWordForm::Holding),
        AgentWord::SetPresence(_) | AgentWord::TellAvailability | AgentWord::Written | AgentWord::Retire => {
            None
        }
    }
}
