//! What holds after any sequence of commands, allowed or not, at any pace.

use super::people::*;
use super::talk::Talk;
use crate::conversation::command::{Command, Landing, RecallTarget, Verdict, Who};
use crate::conversation::content::Content;
use crate::conversation::event::{Event, RequeueReason, TransferTarget, View};
use crate::conversation::state::{Phase, State};
use crate::ident::{AgentId, AssignSeq, GroupId};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Move {
    pause_ms: u64,
    who: u8,
    under: Option<AssignSeq>,
    what: u8,
    agent: u8,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let pause_ms = prop_oneof![3 => 0_u64..30_000, 1 => 0_u64..900_000];
    let under = prop_oneof![3 => Just(None), 1 => (0_u64..6).prop_map(Some)];
    let one = (pause_ms, 0_u8..8, under, 0_u8..24, 0_u8..3)
        .prop_map(|(pause_ms, who, under, what, agent)| Move { pause_ms, who, under, what, agent });
    prop::collection::vec(one, 1..80)
}

fn one_of(agent: u8) -> AgentId {
    [HOLDER, COLLEAGUE, BOSS][usize::from(agent) % 3]
}

fn who(number: u8) -> Who {
    match number {
        0 | 1 => visitor(),
        2 => stranger(),
        3 => agent(HOLDER),
        4 => agent(COLLEAGUE),
        5 => agent(BOSS),
        _ => Who::System,
    }
}

fn command(talk: &Talk, step: &Move) -> Command {
    let agent = one_of(step.agent);
    let shop_group = group(["general", "payment", "vip"][usize::from(step.agent) % 3]);
    let target = RecallTarget { author: visitor().author(), at: talk.now, recallable: true };
    match step.what {
        0 => open(queue()),
        1 => open(Landing::CallBack(shop_group)),
        2 | 3 => say("words"),
        4 => Command::Say(note()),
        5 => close(),
        6 => Command::Reopen { landing: queue() },
        7 => leave(Content::text("call me")),
        8 => Command::Rate { score: step.agent + 1, comment: None },
        9 | 10 => offer_to(agent, talk.now),
        11 => Command::Accept { offer: OFFER },
        12 => Command::Decline { offer: OFFER },
        13 => Command::EndOffer { offer: OFFER, reason: RequeueReason::OfferExpired },
        14 | 15 => assign(agent),
        16 => Command::Transfer {
            to: TransferTarget::Agent(agent),
            group: shop_group,
            note: Some("see".into()),
        },
        17 => transfer(shop_group.as_str()),
        18 => Command::Release,
        19 => lost(agent),
        20 => Command::Overflow { to: shop_group },
        21 => Command::Done,
        22 => Command::Recall { seq: 1, target: Some(target) },
        _ => Command::Wake { visitor_gone_since: (step.agent > 0).then_some(START) },
    }
}

/// What an outsider folds from the log alone.
#[derive(Default)]
struct Seen {
    closed: bool,
    assignee: Option<AgentId>,
    group: Option<GroupId>,
    assign_seq: AssignSeq,
}

impl Seen {
    fn takes(&mut self, event: &Event) {
        match event {
            Event::Closed { .. } => self.closed = true,
            Event::Reopened => {
                self.closed = false;
                self.assign_seq += u64::from(self.assignee.take().is_some());
            }
            Event::Message(_) => assert!(!self.closed, "CV-2: a closed conversation took a message"),
            Event::Queued { group } | Event::MessageLeft { group, .. } => self.group = Some(group.clone()),
            Event::Assigned { agent, group, assign_seq, .. } => {
                assert_eq!(self.assignee, None, "CV-4: assigned twice");
                self.moves(Some(*agent), group, *assign_seq);
            }
            Event::Transferred { group, assign_seq, .. } => self.moves(None, group, *assign_seq),
            Event::Requeued { group, assign_seq, .. } => {
                let stays = self.assignee.is_none() && self.group.as_ref() == Some(group);
                if stays && *assign_seq == self.assign_seq {
                    return;
                }
                self.moves(None, group, *assign_seq);
            }
            _ => {}
        }
    }

    fn moves(&mut self, agent: Option<AgentId>, group: &GroupId, assign_seq: AssignSeq) {
        assert_eq!(assign_seq, self.assign_seq + 1, "CV-4: assign_seq is contiguous");
        self.assignee = agent;
        self.group = Some(group.clone());
        self.assign_seq = assign_seq;
    }
}

fn agrees(state: &State, seen: &Seen, log: &[Event]) {
    assert_eq!(state.head, log.len() as u64, "CV-1: the head counts the entries");
    let last_visible = log.iter().rposition(|event| event.visible_to(View::Visitor)).map_or(0, |at| at + 1);
    assert_eq!(state.visitor_head, last_visible as u64);
    assert_eq!((state.assign_seq, state.group.as_ref()), (seen.assign_seq, seen.group.as_ref()));
    assert_eq!(state.assignee, seen.assignee);
    assert_eq!(state.phase == Phase::Closed, seen.closed);
    assert_eq!(
        state.offer.is_some(),
        state.phase == Phase::Offered,
        "an offer is open exactly while offered"
    );
    let hold = state.seat_hold().map(|hold| hold.agent);
    let held = state.offer.as_ref().map(|open| open.agent);
    assert_eq!(hold, held.or(state.assignee.filter(|_| state.phase.is_assigned())));
    assert_eq!(state.seat_hold().is_some(), state.seats > 0, "seats are held by somebody or by nobody");
    let waits = state.phase.is_waiting() || state.phase == Phase::MessageLeft;
    assert_eq!(state.enqueued_at.is_some(), waits, "who waits has a moment since when");
    if state.phase == Phase::MessageLeft {
        assert!(state.call_back);
    }
}

fn plays(steps: &[Move]) -> Talk {
    let mut talk = Talk::new();
    let mut seen = Seen::default();
    talk.does(visitor(), open(queue()));
    talk.log.iter().for_each(|event| seen.takes(event));
    for step in steps {
        let (waited, at) = (talk.state.waited_ms(talk.now), talk.log.len());
        talk.now = talk.now.plus_millis(step.pause_ms);
        talk.policy.wrap_up_ms = u64::from(step.agent) * 20_000;
        let before = talk.state.clone();
        let command = command(&talk, step);
        // That an opening is the first entry is the ledger's rule.
        if matches!(command, Command::Open { .. }) {
            continue;
        }
        if talk.asks(who(step.who), step.under, command, &Verdict::Pass).is_err() {
            assert_eq!(talk.state, before, "a refusal changes nothing");
        }
        let news = &talk.log[at..];
        news.iter().for_each(|event| seen.takes(event));
        agrees(&talk.state, &seen, &talk.log);
        let reopened = news.iter().any(|event| matches!(event, Event::Reopened));
        assert!(reopened || talk.state.waited_ms(talk.now) >= waited, "waiting time was lost by {news:?}");
    }
    talk
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, max_shrink_iters: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_commands_keeps_the_invariants(steps in moves()) {
        plays(&steps);
    }

    #[test]
    fn the_same_commands_lead_to_the_same_state(steps in moves()) {
        let (once, again) = (plays(&steps), plays(&steps));
        prop_assert_eq!(once.state, again.state);
        prop_assert_eq!(once.log, again.log);
    }
}

/// Random play reaches what it is meant to judge; a generator that only collects refusals proves nothing.
#[test]
fn the_moves_reach_every_phase() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut reached = [false; Phase::ALL.len()];
    for _ in 0..300 {
        let steps = moves().new_tree(&mut runner).unwrap().current();
        for length in 1..=steps.len() {
            let phase = plays(&steps[..length]).state.phase;
            let at = Phase::ALL.iter().position(|known| *known == phase).unwrap();
            reached[at] = true;
        }
    }
    for phase in
        [Phase::Queued, Phase::Offered, Phase::Active, Phase::WaitingVisitor, Phase::WrapUp, Phase::Closed]
    {
        let at = Phase::ALL.iter().position(|known| *known == phase).unwrap();
        assert!(reached[at], "{} was never reached", phase.name());
    }
    assert!(reached[7], "no message was ever left");
}
