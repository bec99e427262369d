//! CV-4 at the ledger's own door: whatever is asked for in whatever order, `assign_seq` rises by exactly one with each
//! change of assignee or group. No desk asks so wrongly (its decisions are guarded by the head they saw), so the ledger is
//! asked directly here, without an adapter.

use super::harness::{assigned, closed, conversation, group, offered, opened, plain, queued};
use crate::clock::Timestamp;
use crate::conversation::event::{Author, Event, RequeueReason, TransferTarget};
use crate::conversation::state::State;
use crate::ident::{AgentId, AssignSeq, ConversationId};
use crate::journal::ledger::{Known, Rows, admit};
use crate::journal::{AgentSeats, ClientKey, Outcome, Presence, Write};
use proptest::prelude::*;

/// Agents with seats for everybody, so that only the numbers can be wrong.
struct Roomy;

impl Rows for Roomy {
    fn known(&self, _: &ClientKey) -> Option<Known> {
        None
    }
    fn seats(&self, agent: AgentId) -> Option<AgentSeats> {
        Some(AgentSeats { agent, presence: Presence::Online, capacity: 100, load: 0, version: 1 })
    }
    fn live_twin(&self, _: &State) -> Option<ConversationId> {
        None
    }
}

#[derive(Debug, Clone, Copy)]
enum Ask {
    Assign,
    Offer,
    Transfer,
    Requeue,
    Close,
    Reopen,
}

fn events(ask: Ask, agent: AgentId, assign_seq: AssignSeq) -> Vec<Event> {
    match ask {
        Ask::Assign => vec![assigned(agent, assign_seq, 1)],
        Ask::Offer => vec![offered(agent, 1)],
        Ask::Transfer => {
            let to = TransferTarget::Group(group());
            vec![Event::Transferred { from: Some(agent), to, group: group(), assign_seq }]
        }
        Ask::Requeue => {
            let reason = RequeueReason::Released;
            vec![Event::Requeued { agent: Some(agent), reason, group: group(), assign_seq }]
        }
        Ask::Close => vec![closed()],
        Ask::Reopen => vec![Event::Reopened, queued()],
    }
}

fn asks() -> impl Strategy<Value = Vec<(Ask, u128, i64)>> {
    let ask = prop_oneof![
        4 => Just(Ask::Assign),
        1 => Just(Ask::Offer),
        2 => Just(Ask::Transfer),
        3 => Just(Ask::Requeue),
        1 => Just(Ask::Close),
        1 => Just(Ask::Reopen),
    ];
    // Mostly the number that is due, so that much is admitted; else one that is stale, repeated or ahead.
    let off = prop_oneof![4 => Just(0_i64), 1 => -2..4_i64];
    proptest::collection::vec((ask, 1..3_u128, off), 1..60)
}

fn write(state: &State, events: Vec<Event>) -> Write {
    let events = events.into_iter().map(|event| (Author::System, event)).collect();
    Write { events, ..plain(state.id) }
}

proptest! {
    #[test]
    fn no_order_of_asking_bends_the_numbers(asks in asks()) {
        let at = Timestamp::from_millis(1_000);
        let mut state = State::new(conversation(1));
        let opening = write(&state, vec![opened("visitor-1"), queued()]);
        state = admit(&opening, &state, 0, &Roomy, at).expect("an opening").state;
        let (mut number, mut held) = (0, false);
        for (ask, agent, off) in asks {
            let due = i64::try_from(number).expect("small") + 1;
            let given = AssignSeq::try_from((due + off).max(0)).expect("not negative");
            let ended_offer = state.offer.is_some() && given == number;
            let asked = write(&state, events(ask, AgentId::from_u128(agent), given));
            match admit(&asked, &state, 0, &Roomy, at) {
                Ok(admitted) => {
                    let moves = matches!(ask, Ask::Assign | Ask::Transfer)
                        || matches!(ask, Ask::Requeue) && !ended_offer;
                    if moves {
                        prop_assert_eq!(given, number + 1, "{:?} was admitted", ask);
                        number = given;
                        held = matches!(ask, Ask::Assign);
                    } else if matches!(ask, Ask::Reopen) {
                        // Who had it before the close has it no more: that too is a change of assignee.
                        number += u64::from(std::mem::take(&mut held));
                    }
                    prop_assert_eq!(admitted.state.assign_seq, number);
                    state = admitted.state;
                }
                Err(Outcome::Refused(_)) => {
                    let due_here = matches!(ask, Ask::Assign) && off == 0;
                    let is_free = state.phase.is_waiting() && state.offer.is_none();
                    prop_assert!(!(due_here && is_free), "the due number of a free conversation was refused");
                }
                Err(other) => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
