//! What routing looks at in a conversation.

use crate::clock::Timestamp;
use crate::conversation::event::{Attribute, Opening};
use crate::conversation::state::{Phase, State};
use crate::ident::AgentId;
use crate::routing::{Arrival, Claim, Fact, Facts, OpenOffer, Wanted};

/// The attribute by which a shop's token, or the desk, says that the visitor was here before.
const RETURNING: &str = "returning";

/// The desk's own word that the visitor was here before; a shop that has signed otherwise knows better.
pub fn note_returning(attributes: &mut Vec<Attribute>) {
    if attributes.iter().any(|attribute| attribute.trusted && &*attribute.name == RETURNING) {
        return;
    }
    attributes.retain(|attribute| &*attribute.name != RETURNING);
    let at = attributes.partition_point(|attribute| &*attribute.name < RETURNING);
    attributes.insert(at, Attribute { name: RETURNING.into(), value: "true".into(), trusted: true });
}

/// The facts of a conversation about to be opened.
pub fn of_opening(opening: &Opening) -> Facts {
    Facts {
        shop: opening.shop.clone(),
        channel: opening.channel.clone(),
        intent: opening.intent.as_ref().map(|intent| Claim { value: intent.clone(), trusted: false }),
        tier: opening.tier.clone(),
        attributes: facts(&opening.attributes),
        returning: returning(&opening.attributes),
        sentiment: None,
    }
}

/// The facts of a conversation as it stands.
pub fn of_state(state: &State) -> Facts {
    Facts {
        shop: state.shop.clone(),
        channel: state.channel.clone(),
        intent: state.intent.as_ref().map(|intent| Claim { value: intent.clone(), trusted: false }),
        tier: state.tier.clone(),
        attributes: facts(&state.attributes),
        returning: state.last_agent.is_some() || returning(&state.attributes),
        sentiment: None,
    }
}

/// How a transfer or a return names its agent to routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stickiness {
    /// How long nobody else is tried while that agent is online, in seconds.
    pub hard_for_s: u64,
    /// A visitor who comes back within this time is kept for the agent of before, for `hard_for_s`.
    pub hard_within_ms: u64,
    /// Within this time the agent of before is preferred when free.
    pub soft_within_ms: u64,
}

/// The agent whom a visitor knows from their last conversation, if that is not too long ago at `now`.
pub fn known_agent(last: &State, sticky: Stickiness, now: Timestamp) -> Option<Wanted> {
    let since_ms = now.since_millis(last.closed_at?);
    let agent = last.last_agent.filter(|_| since_ms <= sticky.soft_within_ms)?;
    let hard_for_s = if since_ms <= sticky.hard_within_ms { sticky.hard_for_s } else { 0 };
    Some(Wanted { agent, hard_for_s, any_group: false })
}

/// A waiting conversation as routing takes it; `None` for one that does not wait.
pub fn arrival(state: &State, seats: u32, sticky: Stickiness, suspended: bool) -> Option<Arrival> {
    let enqueued_at = state.enqueued_at?;
    let waits = state.phase.is_waiting() || state.phase == Phase::MessageLeft;
    let group = state.group.clone().filter(|_| waits)?;
    Some(Arrival {
        conversation: state.id,
        group,
        facts: Box::new(of_state(state)),
        enqueued_at,
        waited_before_ms: state.waited_before_ms,
        seats,
        wanted: state.wanted_agent.map(|agent| wanted(agent, sticky)),
        declined: state.declined.to_vec(),
        assign_seq: state.assign_seq,
        suspended,
        offered: state
            .offer
            .as_ref()
            .map(|open| OpenOffer { agent: open.agent, expires_at: open.expires_at }),
    })
}

const fn wanted(agent: AgentId, sticky: Stickiness) -> Wanted {
    Wanted { agent, hard_for_s: sticky.hard_for_s, any_group: true }
}

/// When the visitor's absence counts as abandonment of a queue place that began (or was left) at `since`.
pub const fn absent_from(since: Timestamp, abandon_ms: u64) -> Timestamp {
    since.plus_millis(abandon_ms)
}

fn facts(attributes: &[Attribute]) -> Vec<Fact> {
    attributes
        .iter()
        .map(|attribute| Fact {
            name: attribute.name.clone(),
            value: attribute.value.clone(),
            trusted: attribute.trusted,
        })
        .collect()
}

fn returning(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.trusted && &*attribute.name == RETURNING && &*attribute.value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desk_notes_who_comes_back_over_a_claim_and_never_over_the_shops_word() {
        let said = |value: &str, trusted| Attribute { name: RETURNING.into(), value: value.into(), trusted };
        let other = |name: &str| Attribute { name: name.into(), value: "x".into(), trusted: false };
        for (before, returns) in [
            (vec![], true),
            (vec![said("false", false)], true),
            (vec![said("false", true)], false),
            (vec![other("a"), other("z")], true),
        ] {
            let mut attributes = before.clone();
            note_returning(&mut attributes);
            assert_eq!(returning(&attributes), returns, "{before:?}");
            assert!(attributes.is_sorted_by_key(|attribute| attribute.name.clone()), "{attributes:?}");
            assert_eq!(attributes.iter().filter(|attribute| &*attribute.name == RETURNING).count(), 1);
        }
    }
}
