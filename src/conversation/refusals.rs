//! The sentences in which a conversation says no more than once.

use super::state::State;
use crate::refusal::Refusal;

pub(super) fn closed() -> Refusal {
    Refusal::closed("this conversation is closed; reopen it or open a new one")
}

pub(super) fn reassigned(state: &State) -> Refusal {
    Refusal::reassigned(format!(
        "the assignment has changed since (assign_seq is {} now, state {})",
        state.assign_seq,
        state.phase.name()
    ))
}

pub(super) fn offer_gone() -> Refusal {
    Refusal::expired("this offer is over: it was taken, withdrawn, or its time ran out")
}

pub(super) fn not_assigned() -> Refusal {
    Refusal::reassigned("nobody holds this conversation")
}

pub(super) fn no_group() -> Refusal {
    Refusal::conflict("this conversation is in no group yet")
}
