//! What an agent's connection has been told of their work: pure bookkeeping, so that what was lost on its way here from
//! another node is told again, and nothing else.
//!
//! Bounded by the agent's seats: whatever they hold or are offered takes some.

use crate::conversation::state::State;
use crate::ident::{AgentId, AssignSeq, ConversationId, OfferId};
use crate::wire::node::News;
use std::collections::BTreeMap;

/// Something the connection has not been told, or was told and is not so any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Untold<'a> {
    Assigned(&'a State),
    Offered(&'a State),
    Unassigned(ConversationId),
    Withdrawn(OfferId),
}

/// What one connection knows of its agent's work.
#[derive(Debug, Default)]
pub(super) struct Work {
    held: BTreeMap<ConversationId, AssignSeq>,
    offers: BTreeMap<OfferId, ConversationId>,
    /// Rises with everything that is told, so that an answer of the store from before it is recognised.
    version: u64,
}

impl Work {
    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn holds(&self, conversation: ConversationId) -> bool {
        self.held.contains_key(&conversation)
    }

    /// Whether this was told already. What was lost may be told again, so losses always count as new.
    pub(super) fn knows(&self, news: News) -> bool {
        match news {
            News::Assigned { conversation, assign_seq } => self.held.get(&conversation) == Some(&assign_seq),
            News::Offered { offer, .. } => self.offers.contains_key(&offer),
            News::Unassigned { .. } | News::Withdrawn { .. } => false,
        }
    }

    pub(super) fn note(&mut self, news: News) {
        self.version += 1;
        match news {
            News::Assigned { conversation, assign_seq } => {
                self.held.insert(conversation, assign_seq);
                self.offers.retain(|_, of| *of != conversation);
            }
            News::Unassigned { conversation } => {
                self.held.remove(&conversation);
            }
            News::Offered { offer, conversation } => {
                self.offers.insert(offer, conversation);
            }
            News::Withdrawn { offer } => {
                self.offers.remove(&offer);
            }
        }
    }

    /// Compares with what `agent` holds and is offered in truth.
    pub(super) fn untold<'a>(&self, agent: AgentId, live: &'a [State]) -> Vec<Untold<'a>> {
        let mut untold = Vec::new();
        let mut held = self.held.clone();
        let mut offers = self.offers.clone();
        for state in live {
            if let Some(open) = state.offer.as_ref().filter(|open| open.agent == agent) {
                if offers.remove(&open.offer).is_none() {
                    untold.push(Untold::Offered(state));
                }
            } else if state.assignee == Some(agent) && held.remove(&state.id) != Some(state.assign_seq) {
                untold.push(Untold::Assigned(state));
            }
        }
        untold.extend(held.into_keys().map(Untold::Unassigned));
        untold.extend(offers.into_keys().map(Untold::Withdrawn));
        untold
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::conversation::state::{OpenOffer, Phase};

    const AGENT: AgentId = AgentId::from_u128(7);

    fn id(number: u128) -> ConversationId {
        ConversationId::from_u128(number)
    }

    fn held(number: u128, assign_seq: AssignSeq) -> State {
        State { phase: Phase::Active, assignee: Some(AGENT), assign_seq, ..State::new(id(number)) }
    }

    fn offered(number: u128, offer: u128) -> State {
        let expires_at = Timestamp::default();
        let open = OpenOffer { offer: OfferId::from_u128(offer), agent: AGENT, expires_at };
        State { phase: Phase::Offered, offer: Some(open), ..State::new(id(number)) }
    }

    #[test]
    fn what_was_told_is_not_told_again() {
        let mut work = Work::default();
        work.note(News::Offered { offer: OfferId::from_u128(1), conversation: id(1) });
        work.note(News::Assigned { conversation: id(2), assign_seq: 3 });
        assert_eq!(work.untold(AGENT, &[offered(1, 1), held(2, 3)]), []);
        assert!(work.knows(News::Offered { offer: OfferId::from_u128(1), conversation: id(1) }));
        assert!(work.knows(News::Assigned { conversation: id(2), assign_seq: 3 }));
        assert!(!work.knows(News::Assigned { conversation: id(2), assign_seq: 5 }), "they got it back");
        work.note(News::Assigned { conversation: id(1), assign_seq: 1 });
        work.note(News::Unassigned { conversation: id(2) });
        assert_eq!(work.untold(AGENT, &[held(1, 1)]), [], "an offer that was accepted is closed with it");
    }

    #[test]
    fn what_is_missing_is_told_and_what_is_over_is_taken_back() {
        let mut work = Work::default();
        work.note(News::Offered { offer: OfferId::from_u128(1), conversation: id(1) });
        work.note(News::Assigned { conversation: id(2), assign_seq: 3 });
        let (offer, again) = (offered(3, 9), held(4, 1));
        let live = [offer.clone(), again.clone()];
        let untold = work.untold(AGENT, &live);
        let over = [Untold::Unassigned(id(2)), Untold::Withdrawn(OfferId::from_u128(1))];
        assert_eq!(untold[..2], [Untold::Offered(&offer), Untold::Assigned(&again)]);
        assert_eq!(untold[2..], over);
        let newer = [held(2, 5), offered(1, 1)];
        assert_eq!(work.untold(AGENT, &newer), [Untold::Assigned(&newer[0])], "it went away and came back");
    }
}
