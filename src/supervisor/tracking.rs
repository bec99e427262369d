//! Which inputs a changed conversation is to the engine: the difference between what routing was told and what is.
//!
//! Pure. A conversation may be told twice or late; the same state told again gives no input.

use super::facts::{Stickiness, arrival};
use crate::conversation::event::RequeueReason;
use crate::conversation::state::{Phase, State};
use crate::ident::{AgentId, AssignSeq, ConversationId, GroupId, OfferId, Seq, VisitorId};
use crate::routing::{Input, OfferEnd};
use smallvec::SmallVec;

/// Phases in which routing knows a conversation, beside those that the store lists as waiting: the sweep asks for them.
pub const HELD_OR_CALLED_BACK: [Phase; 4] =
    [Phase::Active, Phase::WaitingVisitor, Phase::WrapUp, Phase::MessageLeft];

/// What routing was last told of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The last entry of the conversation as it was told.
    pub head: Seq,
    pub visitor: Option<VisitorId>,
    pub group: Option<GroupId>,
    pub waiting: bool,
    /// The `assign_seq` under which routing took it into its queue: what it decides holds under that one only. `None`
    /// where it is to be taken in anew.
    pub arrived_under: Option<AssignSeq>,
    /// A call-back needs no connection.
    pub call_back: bool,
    pub offer: Option<(OfferId, AgentId)>,
    pub held_by: Option<AgentId>,
    pub suspended: bool,
    /// The rank that the visitor was last shown.
    pub shown_rank: usize,
}

impl Told {
    /// What routing will have been told once it knows `state`; `None` where nothing is left to know.
    pub fn of(state: &State, before: Option<&Self>) -> Option<Self> {
        let waiting = waits(state);
        let held_by = state.assignee.filter(|_| state.phase.is_assigned());
        (waiting || held_by.is_some()).then(|| Self {
            head: state.head,
            visitor: state.visitor.clone(),
            group: state.group.clone(),
            waiting,
            arrived_under: waiting.then_some(state.assign_seq),
            call_back: state.call_back,
            offer: state.offer.as_ref().map(|open| (open.offer, open.agent)),
            held_by,
            suspended: waiting && before.is_some_and(|told| told.suspended),
            shown_rank: before.filter(|told| told.waiting && waiting).map_or(0, |told| told.shown_rank),
        })
    }

    /// What the sweep brings next is told as an arrival, whatever was told before.
    pub fn forget_arrival(&mut self) {
        self.head = 0;
        self.arrived_under = None;
    }
}

/// Whether `state` is of a later entry than what routing was told. Hints and the sweep cross on their way: what is older
/// must not be told after what is newer.
pub fn is_news(told: Option<&Told>, state: &State) -> bool {
    told.is_none_or(|told| state.head > told.head)
}

/// What the engine has to hear. `requeued` is why the last offer or assignment ended, `seats` the channel's weight.
pub fn inputs(
    told: Option<&Told>,
    state: &State,
    requeued: Option<RequeueReason>,
    seats: u32,
    sticky: Stickiness,
) -> SmallVec<[Input; 2]> {
    let mut inputs = SmallVec::new();
    let conversation = state.id;
    let held_before = told.and_then(|told| told.held_by);
    let held_now = state.assignee.filter(|_| state.phase.is_assigned());
    let waited = told.is_some_and(|told| told.waiting);
    if let Some(agent) = held_before.filter(|_| held_before != held_now) {
        inputs.push(Input::Freed { agent, conversation });
    }
    if let (Some(agent), Some(group)) = (held_now.filter(|_| held_before != held_now), state.group.clone()) {
        inputs.push(Input::Held { agent, conversation, seats: state.seats, group });
        return inputs;
    }
    if !waits(state) {
        if waited {
            inputs.push(Input::Left { conversation });
        }
        return inputs;
    }
    let same_wait = waited
        && told.is_some_and(|told| told.group == state.group && told.arrived_under == Some(state.assign_seq));
    if !same_wait {
        let suspended = told.is_some_and(|told| told.suspended);
        inputs.extend(
            arrival(state, seats, sticky, suspended).map(|arrival| Input::Arrived(Box::new(arrival))),
        );
        return inputs;
    }
    if let Some((_, agent)) = told.and_then(|told| told.offer).filter(|_| state.offer.is_none()) {
        inputs.push(Input::OfferEnded { conversation, agent, how: offer_end(requeued) });
    }
    inputs
}

/// What the engine has to hear of a conversation that is another routing domain's now.
pub fn parting(told: &Told, conversation: ConversationId) -> SmallVec<[Input; 2]> {
    let freed = told.held_by.map(|agent| Input::Freed { agent, conversation });
    freed.into_iter().chain(told.waiting.then_some(Input::Left { conversation })).collect()
}

/// It waits for an agent, with or without its visitor.
fn waits(state: &State) -> bool {
    state.phase.is_waiting() || (state.phase == Phase::MessageLeft && state.enqueued_at.is_some())
}

const fn offer_end(requeued: Option<RequeueReason>) -> OfferEnd {
    match requeued {
        Some(RequeueReason::Declined) => OfferEnd::Declined,
        Some(RequeueReason::OfferExpired) => OfferEnd::Expired,
        Some(
            RequeueReason::OfferWithdrawn
            | RequeueReason::Released
            | RequeueReason::AgentOffline
            | RequeueReason::AgentLost
            | RequeueReason::Overflow,
        )
        | None => OfferEnd::Withdrawn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::conversation::state::OpenOffer;

    const STICKY: Stickiness = Stickiness { hard_for_s: 30, hard_within_ms: 1_000, soft_within_ms: 3_000 };
    const AGENT: AgentId = AgentId::from_u128(7);

    fn queued(group: &str) -> State {
        let mut state = State::new(ConversationId::from_u128(1));
        state.phase = Phase::Queued;
        state.group = GroupId::new(group).ok();
        state.enqueued_at = Some(Timestamp::from_millis(5));
        state
    }

    fn names(inputs: &[Input]) -> Vec<&'static str> {
        inputs
            .iter()
            .map(|input| match input {
                Input::Arrived(_) => "arrived",
                Input::Held { .. } => "held",
                Input::Freed { .. } => "freed",
                Input::Left { .. } => "left",
                Input::OfferEnded { how: OfferEnd::Declined, .. } => "declined",
                Input::OfferEnded { how: OfferEnd::Withdrawn, .. } => "withdrawn",
                _ => "other",
            })
            .collect()
    }

    fn check(before: Option<&State>, after: &State, requeued: Option<RequeueReason>, expect: &[&str]) {
        let told = before.and_then(|before| Told::of(before, None));
        assert_eq!(names(&inputs(told.as_ref(), after, requeued, 1, STICKY)), expect);
    }

    fn offered(group: &str) -> State {
        let mut state = queued(group);
        state.phase = Phase::Offered;
        state.offer = Some(OpenOffer {
            offer: OfferId::from_u128(3),
            agent: AGENT,
            expires_at: Timestamp::from_millis(9),
        });
        state
    }

    fn held(group: &str) -> State {
        let mut state = queued(group);
        state.phase = Phase::Active;
        state.enqueued_at = None;
        state.assignee = Some(AGENT);
        state.seats = 1;
        state
    }

    #[test]
    fn each_change_is_told_once_and_in_the_engines_words() {
        check(None, &queued("a"), None, &["arrived"]);
        check(Some(&queued("a")), &queued("a"), None, &[]);
        check(Some(&queued("a")), &queued("b"), None, &["arrived"]);
        check(Some(&queued("a")), &held("a"), None, &["held"]);
        check(Some(&held("a")), &held("a"), None, &[]);
        check(Some(&held("a")), &queued("b"), None, &["freed", "arrived"]);
        let mut closed = held("a");
        closed.phase = Phase::Closed;
        check(Some(&held("a")), &closed, None, &["freed"]);
        check(Some(&queued("a")), &closed, None, &["left"]);
        check(None, &closed, None, &[]);
    }

    #[test]
    fn a_transfer_within_the_group_is_a_new_arrival_because_decisions_are_checked_under_its_number() {
        let moved = State { assign_seq: 1, wanted_agent: Some(AGENT), ..queued("a") };
        check(Some(&queued("a")), &moved, None, &["arrived"]);
        let mut told = Told::of(&moved, None).unwrap();
        assert_eq!(names(&inputs(Some(&told), &moved, None, 1, STICKY)), Vec::<&str>::new());
        told.forget_arrival();
        assert!(is_news(Some(&told), &State { head: 1, ..moved.clone() }));
        assert_eq!(names(&inputs(Some(&told), &moved, None, 1, STICKY)), ["arrived"]);
    }

    #[test]
    fn the_end_of_an_offer_says_how_it_ended() {
        check(Some(&queued("a")), &offered("a"), None, &[]);
        check(Some(&offered("a")), &queued("a"), Some(RequeueReason::Declined), &["declined"]);
        check(Some(&offered("a")), &queued("a"), None, &["withdrawn"]);
        check(Some(&offered("a")), &held("a"), None, &["held"]);
    }

    #[test]
    fn a_returning_visitor_is_kept_for_the_agent_of_before_then_preferred_then_anybodys() {
        let mut last = held("a");
        last.phase = Phase::Closed;
        last.last_agent = Some(AGENT);
        last.closed_at = Some(Timestamp::from_millis(10_000));
        let hard = |at| {
            let wanted = super::super::facts::known_agent(&last, STICKY, Timestamp::from_millis(at));
            wanted.map(|wanted| (wanted.agent, wanted.hard_for_s))
        };
        assert_eq!(hard(11_000), Some((AGENT, 30)));
        assert_eq!(hard(13_000), Some((AGENT, 0)));
        assert_eq!(hard(13_001), None);
    }

    #[test]
    fn what_goes_to_another_domain_leaves_the_queue_or_frees_its_agent() {
        for (state, expect) in [(queued("a"), "left"), (offered("a"), "left"), (held("a"), "freed")] {
            let told = Told::of(&state, None).unwrap();
            assert_eq!(names(&parting(&told, state.id)), [expect]);
        }
    }

    #[test]
    fn a_call_back_waits_without_its_visitor() {
        let mut left = queued("a");
        left.phase = Phase::MessageLeft;
        left.call_back = true;
        check(None, &left, None, &["arrived"]);
        assert_eq!(Told::of(&left, None).map(|told| told.call_back), Some(true));
    }

    #[test]
    fn what_is_older_than_what_was_told_is_no_news() {
        let mut state = queued("a");
        state.head = 7;
        let told = Told::of(&state, None);
        let is_told = |head| is_news(told.as_ref(), &State { head, ..state.clone() });
        assert_eq!([6, 7, 8].map(is_told), [false, false, true]);
        assert!(is_news(None, &state));
    }
}
