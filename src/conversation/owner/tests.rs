//! The orders in which answers and commands may meet, one by one: what no test of a whole desk can arrange.

use super::{Change, Errand, Owner, Rim};
use crate::clock::Timestamp;
use crate::conversation::command::{Ask, Command, Policy, Verdict, Who};
use crate::conversation::content::Content;
use crate::conversation::decide::decide;
use crate::conversation::delivery::Reply;
use crate::conversation::state::State;
use crate::conversation::tests::stage::{CONVERSATION, assign, by_agent, by_visitor, open};
use crate::ident::{GroupId, Seq};
use crate::journal::{ClientKey, Done, Guard, Op, Outcome};
use crate::refusal::{Code, Refusal};

const NOW: Timestamp = Timestamp::from_millis(1_000);
const POLICY: Policy =
    Policy { idle_end_ms: 60_000, reminder_before_ms: 0, recall_ms: 0, reopen_ms: 60_000, wrap_up_ms: 0 };

/// Writes down what it is asked for. Callers are numbers.
#[derive(Default)]
struct Desk {
    is_full: bool,
    submitted: Vec<Op>,
    answers: Vec<(u8, Option<Code>)>,
    ends: usize,
}

impl Rim for Desk {
    type Caller = u8;

    fn policy(&self, _group: Option<&GroupId>) -> Policy {
        POLICY
    }
    fn submit(&mut self, op: Op) -> bool {
        if !self.is_full {
            self.submitted.push(op);
        }
        !self.is_full
    }
    fn read_entry(&mut self, _seq: Seq, _errand: Errand<u8>) {}
    fn read_untold(&mut self, _after: Seq, _state: Box<State>) -> bool {
        true
    }
    fn answer(&mut self, caller: u8, reply: Reply) {
        let refused = match reply {
            Reply::Refused(refusal) => Some(refusal.code),
            Reply::Done(_) | Reply::Exists(_) => None,
        };
        self.answers.push((caller, refused));
    }
    fn tell(&mut self, _change: &Change<'_>, _caller: Option<&u8>) {}
    fn sight_lost(&mut self, _reason: &str) {}
    fn pause(&mut self, _reason: &str) {}
    fn give_up(&mut self, _reason: &str) {
        self.ends += 1;
    }
}

fn queued() -> State {
    let mut state = State::new(CONVERSATION);
    let ask = Ask { who: by_visitor(), under: None, command: open() };
    for (author, event) in decide(&state, &ask, &Verdict::Pass, &POLICY, NOW).unwrap() {
        state.apply(NOW, &author, &event);
    }
    state
}

fn errand(caller: u8, who: Who, command: Command) -> Errand<u8> {
    let key = u128::from(caller);
    let client = matches!(command, Command::Say(_) | Command::LeaveMessage { .. });
    let client = client.then_some(ClientKey { key, digest: 0 });
    Errand { ask: Ask { who, under: None, command }, client, caller }
}

fn words(caller: u8) -> Errand<u8> {
    errand(caller, by_visitor(), Command::Say(Content::text("hello")))
}

fn call_back(caller: u8) -> Errand<u8> {
    errand(caller, by_visitor(), Command::LeaveMessage { content: Content::text("call me"), contact: None })
}

/// A conversation in its queue; a pick by caller 1 and what is left by caller 2 are under way; the pick is refused, and
/// caller 3 speaks.
fn after_a_refused_pick() -> (Owner<u8>, Desk) {
    let (mut owner, mut desk) = (Owner::new(CONVERSATION, 1, 8, false), Desk::default());
    owner.start(&mut desk);
    owner.journaled(Done::Claimed { state: Some(Box::new(queued())) }, NOW, &mut desk);
    owner.deliver(errand(1, by_agent(), assign()), NOW, &mut desk);
    owner.deliver(call_back(2), NOW, &mut desk);
    let refused = Outcome::Refused(Refusal::at_capacity("all seats are taken"));
    owner.journaled(Done::Write(refused), NOW, &mut desk);
    owner.deliver(words(3), NOW, &mut desk);
    assert_eq!(desk.answers, [(1, Some(Code::AtCapacity))]);
    assert_eq!(desk.submitted.len(), 3, "caller 3 waits for the answer to caller 2");
    (owner, desk)
}

/// The callers' keys in the writes after the first `count` operations.
fn keys_after(desk: &Desk, count: usize) -> Vec<u128> {
    let writes = desk.submitted.iter().skip(count).filter_map(|op| match op {
        Op::Write(write) => write.client,
        Op::Claim { .. } | Op::Agent { .. } | Op::Reschedule { .. } => None,
    });
    writes.map(|client| client.key).collect()
}

#[test]
fn what_is_decided_again_goes_before_what_came_later() {
    let (mut owner, mut desk) = after_a_refused_pick();
    owner.journaled(Done::Write(Outcome::Unknown), NOW, &mut desk);
    assert_eq!(keys_after(&desk, 3), [2, 3]);
    assert_eq!(desk.answers.len(), 1);
}

#[test]
fn a_stale_owner_writes_nothing_more_and_answers_everybody() {
    let (mut owner, mut desk) = after_a_refused_pick();
    owner.journaled(Done::Write(Outcome::Stale { fence: 9 }), NOW, &mut desk);
    assert_eq!((desk.submitted.len(), desk.ends), (3, 1));
    assert_eq!(desk.answers[1..], [(2, Some(Code::Unavailable)), (3, Some(Code::Unavailable))]);
    owner.deliver(words(4), NOW, &mut desk);
    assert_eq!(desk.submitted.len(), 3, "it is at its end");
}

#[test]
fn after_a_failure_nothing_is_decided_before_the_conversation_is_read() {
    let (mut owner, mut desk) = after_a_refused_pick();
    owner.journaled(Done::Write(Outcome::Failed { reason: "disk".into() }), NOW, &mut desk);
    assert_eq!(desk.submitted[3..], [Op::Claim { conversation: CONVERSATION, epoch: 1 }]);
    owner.journaled(Done::Claimed { state: Some(Box::new(queued())) }, NOW, &mut desk);
    assert_eq!(keys_after(&desk, 4), [3]);
}

#[test]
fn a_decision_that_never_holds_is_given_up() {
    let (mut owner, mut desk) = (Owner::new(CONVERSATION, 1, 8, false), Desk::default());
    owner.start(&mut desk);
    owner.journaled(Done::Claimed { state: Some(Box::new(queued())) }, NOW, &mut desk);
    owner.deliver(errand(1, Who::System, assign()), NOW, &mut desk);
    for _ in 0..3 {
        assert_eq!(desk.answers, []);
        owner.journaled(Done::Write(Outcome::Reload { head: 2 }), NOW, &mut desk);
    }
    owner.journaled(Done::Write(Outcome::Reload { head: 2 }), NOW, &mut desk);
    assert_eq!(desk.answers, [(1, Some(Code::Unavailable))]);
}

#[test]
fn what_a_full_journal_did_not_take_leaves_no_trace() {
    let (mut owner, mut desk) = (Owner::new(CONVERSATION, 1, 8, false), Desk::default());
    owner.start(&mut desk);
    owner.journaled(Done::Claimed { state: Some(Box::new(queued())) }, NOW, &mut desk);
    desk.is_full = true;
    owner.deliver(errand(1, by_agent(), assign()), NOW, &mut desk);
    desk.is_full = false;
    owner.deliver(errand(2, by_agent(), assign()), NOW, &mut desk);
    assert_eq!(desk.answers, [(1, Some(Code::Overloaded))]);
    let Some(Op::Write(write)) = desk.submitted.last() else { panic!("caller 2 was not heard") };
    assert_eq!(write.guard, Guard::Head(2));
}

#[test]
fn who_finds_the_parking_full_is_told_to_repeat() {
    let (mut owner, mut desk) = (Owner::new(CONVERSATION, 1, 1, false), Desk::default());
    owner.start(&mut desk);
    owner.deliver(words(1), NOW, &mut desk);
    owner.deliver(words(2), NOW, &mut desk);
    assert_eq!(desk.answers, [(2, Some(Code::Overloaded))]);
    owner.journaled(Done::Claimed { state: Some(Box::new(queued())) }, NOW, &mut desk);
    assert_eq!(keys_after(&desk, 1), [1]);
}

/// A conversation in its queue with an owner who is asked to end an offer that it knows nothing of.
fn after_a_refusal() -> (Owner<u8>, Desk) {
    let (mut owner, mut desk) = (Owner::new(CONVERSATION, 1, 8, false), Desk::default());
    owner.start(&mut desk);
    owner.journaled(Done::Claimed { state: Some(Box::new(queued())) }, NOW, &mut desk);
    owner.deliver(errand(1, by_agent(), Command::Release), NOW, &mut desk);
    let Some(Op::Write(probe)) = desk.submitted.last() else { panic!("it refused by what it remembers") };
    assert_eq!((probe.guard, probe.events.len(), desk.answers.len()), (Guard::Head(2), 0, 0));
    (owner, desk)
}

#[test]
fn a_refusal_is_given_when_the_log_stands_as_it_was_remembered() {
    let (mut owner, mut desk) = after_a_refusal();
    owner.journaled(Done::Write(Outcome::Unknown), NOW, &mut desk);
    assert!(matches!(desk.answers[..], [(1, Some(_))]), "{:?}", desk.answers);
}

#[test]
fn what_was_refused_by_a_memory_out_of_date_is_decided_again() {
    let (mut owner, mut desk) = after_a_refusal();
    let mut assigned = queued();
    let ask = Ask { who: Who::System, under: None, command: assign() };
    for (author, event) in decide(&assigned, &ask, &Verdict::Pass, &POLICY, NOW).unwrap() {
        assigned.apply(NOW, &author, &event);
    }
    owner.journaled(Done::Write(Outcome::Reload { head: assigned.head }), NOW, &mut desk);
    assert_eq!(desk.submitted.last(), Some(&Op::Claim { conversation: CONVERSATION, epoch: 1 }));
    owner.journaled(Done::Claimed { state: Some(Box::new(assigned.clone())) }, NOW, &mut desk);
    owner.untold_read(Box::new(assigned.clone()), Some(Vec::new()), NOW, &mut desk);
    let Some(Op::Write(write)) = desk.submitted.last() else { panic!("nothing was decided") };
    assert_eq!((write.guard, desk.answers.len()), (Guard::Head(assigned.head), 0));
    assert!(!write.events.is_empty(), "the agent has it by now and gives it back");
}

#[test]
fn a_wake_up_that_somebody_else_has_set_stays_and_the_log_is_read_again() {
    let (mut owner, mut desk) = (Owner::new(CONVERSATION, 1, 8, false), Desk::default());
    owner.start(&mut desk);
    owner.journaled(Done::Claimed { state: Some(Box::new(queued())) }, NOW, &mut desk);
    owner.deliver(errand(1, Who::System, Command::Wake { visitor_gone_since: None }), NOW, &mut desk);
    let Some(Op::Reschedule { epoch: 1, head: 2, .. }) = desk.submitted.last() else {
        panic!("{:?}", desk.submitted.last())
    };
    owner.journaled(Done::NotRescheduled { head: 3 }, NOW, &mut desk);
    assert_eq!(desk.submitted.last(), Some(&Op::Claim { conversation: CONVERSATION, epoch: 1 }));
}

#[test]
fn a_rescheduling_that_failed_costs_nobody_their_answer() {
    let (mut owner, mut desk) = (Owner::new(CONVERSATION, 1, 8, false), Desk::default());
    owner.start(&mut desk);
    owner.journaled(Done::Claimed { state: Some(Box::new(queued())) }, NOW, &mut desk);
    owner.deliver(errand(1, Who::System, Command::Wake { visitor_gone_since: None }), NOW, &mut desk);
    owner.deliver(words(2), NOW, &mut desk);
    owner.journaled(Done::Failed { reason: "disk".into() }, NOW, &mut desk);
    assert_eq!((desk.ends, desk.answers.len()), (0, 1), "the words are still under way");
}
