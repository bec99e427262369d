//! What nodes say to the supervisors of routing domains, and their answers.

use super::command::{LandingForm, ReasonForm};
use super::refusal::RefusalForm;
use crate::conversation::command::Landing;
use crate::conversation::state::State;
use crate::ident::{AgentId, ChannelId, ConversationId, DomainId, GroupId, ShopId};
use crate::journal::stored;
use crate::refusal::Refusal;
use crate::routing::{Claim, Eta, Fact, Facts, GroupLoad, QueueRow, QueueStanding, Wanted};
use crate::supervisor::message::{Changed, Place, QueueView};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A conversation has changed hands or phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedForm {
    /// Whose supervisor is told. A node of before there were domains says nothing.
    #[serde(default = "DomainId::default_domain")]
    pub domain: DomainId,
    conversation: ConversationId,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requeued: Option<ReasonForm>,
}

impl ChangedForm {
    /// # Errors
    /// A sentence; no committed state has this.
    pub fn of(domain: &DomainId, changed: &Changed) -> Result<Self, String> {
        Ok(Self {
            domain: domain.clone(),
            conversation: changed.state.id,
            state: stored::state_text(&changed.state)?,
            requeued: changed.requeued.map(Into::into),
        })
    }

    /// # Errors
    /// A sentence: the state cannot be read here; the sweep reads it from the store.
    pub fn changed(self) -> Result<Changed, String> {
        let state: State = stored::state_from(self.conversation, &self.state)?;
        Ok(Changed { state: Box::new(state), requeued: self.requeued.map(Into::into) })
    }
}

/// Where does it belong?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceForm {
    group: Option<GroupId>,
    trusted: bool,
    returning: Option<(ConversationId, AgentId, u64, bool)>,
    shop: ShopId,
    channel: ChannelId,
    intent: Option<(Arc<str>, bool)>,
    tier: Option<Arc<str>>,
    attributes: Vec<(Arc<str>, Arc<str>, bool)>,
    is_returning: bool,
    sentiment: Option<i8>,
}

impl From<&Place> for PlaceForm {
    fn from(place: &Place) -> Self {
        let facts = place.facts.clone();
        Self {
            group: place.group.clone(),
            trusted: place.trusted,
            returning: place
                .returning
                .map(|(id, wanted)| (id, wanted.agent, wanted.hard_for_s, wanted.any_group)),
            shop: facts.shop,
            channel: facts.channel,
            intent: facts.intent.map(|claim| (claim.value, claim.trusted)),
            tier: facts.tier,
            attributes: facts
                .attributes
                .into_iter()
                .map(|fact| (fact.name, fact.value, fact.trusted))
                .collect(),
            is_returning: facts.returning,
            sentiment: facts.sentiment,
        }
    }
}

impl From<PlaceForm> for Place {
    fn from(form: PlaceForm) -> Self {
        let wanted = |(id, agent, hard_for_s, any_group)| (id, Wanted { agent, hard_for_s, any_group });
        let attributes = form.attributes.into_iter();
        Self {
            group: form.group,
            trusted: form.trusted,
            returning: form.returning.map(wanted),
            facts: Facts {
                shop: form.shop,
                channel: form.channel,
                intent: form.intent.map(|(value, trusted)| Claim { value, trusted }),
                tier: form.tier,
                attributes: attributes.map(|(name, value, trusted)| Fact { name, value, trusted }).collect(),
                returning: form.is_returning,
                sentiment: form.sentiment,
            },
        }
    }
}

/// It belongs there, or why nobody can say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlacedForm {
    Landing(LandingForm),
    Refused(RefusalForm),
}

impl From<&Result<Landing, Refusal>> for PlacedForm {
    fn from(placed: &Result<Landing, Refusal>) -> Self {
        match placed {
            Ok(landing) => Self::Landing(landing.into()),
            Err(refusal) => Self::Refused(refusal.into()),
        }
    }
}

impl From<PlacedForm> for Result<Landing, Refusal> {
    fn from(form: PlacedForm) -> Self {
        match form {
            PlacedForm::Landing(landing) => Ok(landing.into()),
            PlacedForm::Refused(refusal) => Err(refusal.into()),
        }
    }
}

/// One group's queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueForm {
    group: GroupId,
    waiting: usize,
    suspended: usize,
    oldest_waited_ms: u64,
    agents_online: u32,
    seats: u32,
    free_seats: u32,
    generation: u64,
    items: Vec<RowForm>,
    last: Option<RowForm>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RowForm {
    conversation: ConversationId,
    rank: usize,
    waiting: usize,
    eta: Option<(u64, u64)>,
    waited_ms: u64,
    head_start_ms: u64,
    held_by: Option<AgentId>,
}

impl From<&QueueView> for QueueForm {
    fn from(view: &QueueView) -> Self {
        let load = &view.load;
        Self {
            group: load.group.clone(),
            waiting: load.waiting,
            suspended: load.suspended,
            oldest_waited_ms: load.oldest_waited_ms,
            agents_online: load.agents_online,
            seats: load.seats,
            free_seats: load.free_seats,
            generation: load.generation,
            items: view.items.iter().map(row_form).collect(),
            last: view.last.as_ref().map(row_form),
        }
    }
}

impl From<QueueForm> for QueueView {
    fn from(form: QueueForm) -> Self {
        Self {
            load: GroupLoad {
                group: form.group,
                waiting: form.waiting,
                suspended: form.suspended,
                oldest_waited_ms: form.oldest_waited_ms,
                agents_online: form.agents_online,
                seats: form.seats,
                free_seats: form.free_seats,
                generation: form.generation,
            },
            items: form.items.into_iter().map(row).collect(),
            last: form.last.map(row),
        }
    }
}

fn row_form(row: &QueueRow) -> RowForm {
    RowForm {
        conversation: row.conversation,
        rank: row.standing.rank,
        waiting: row.standing.waiting,
        eta: row.standing.eta.map(|eta| (eta.p50_ms, eta.p90_ms)),
        waited_ms: row.waited_ms,
        head_start_ms: row.head_start_ms,
        held_by: row.held_by,
    }
}

fn row(form: RowForm) -> QueueRow {
    let eta = form.eta.map(|(p50_ms, p90_ms)| Eta { p50_ms, p90_ms });
    QueueRow {
        conversation: form.conversation,
        standing: QueueStanding { rank: form.rank, waiting: form.waiting, eta },
        waited_ms: form.waited_ms,
        head_start_ms: form.head_start_ms,
        held_by: form.held_by,
    }
}
