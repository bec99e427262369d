//! Promises about twins, assignments and seats.

use super::harness::*;
use crate::conversation::event::{Author, Event, RequeueReason, TransferTarget};
use crate::ident::AgentId;
use crate::journal::{AgentChange, Done, Op, Outcome, Presence, Write};
use crate::refusal::Code;

fn try_commit(desk: &Harness, number: u128, event: Event) -> Outcome {
    desk.write(Write { events: vec![(Author::System, event)], ..plain(conversation(number)) })
}

fn try_open(desk: &Harness, number: u128, visitor: &str) -> Outcome {
    let events = [opened(visitor), queued()].map(|event| (Author::System, event)).to_vec();
    desk.write(Write { events, ..plain(conversation(number)) })
}

fn code(outcome: Outcome) -> Code {
    match outcome {
        Outcome::Refused(refusal) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}

pub(super) fn check_there_is_one_live_conversation_per_visitor_and_channel(make: impl Fn() -> Harness) {
    let mut desk = make();
    let first = desk.open_for(1, "same");
    desk.step();
    assert_eq!(try_open(&desk, 2, "same"), Outcome::Exists { conversation: first });
    assert!(is_refused(&try_open(&desk, 1, "same")), "opened twice");
    assert!(is_refused(&try_commit(&desk, 4, opened("leads nowhere"))));
    desk.open_for(3, "other");
    desk.commit(first, vec![closed()]);
    desk.step();
    let second = desk.open_for(2, "same");
    let reopen = vec![(Author::System, Event::Reopened), (Author::System, queued())];
    let outcome = desk.write(Write { events: reopen, ..plain(first) });
    assert_eq!(outcome, Outcome::Exists { conversation: second });
    let late = vec![
        (Author::System, Event::Rated { score: 1, comment: None }),
        (Author::System, Event::Reopened),
        (Author::System, queued()),
    ];
    assert_eq!(desk.write(Write { events: late, ..plain(first) }), Outcome::Exists { conversation: second });
}

pub(super) fn check_nobody_is_assigned_twice(make: impl Fn() -> Harness) {
    let mut desk = make();
    let (one, two) = (desk.agent(1, 5), desk.agent(2, 5));
    let id = desk.queue(1);
    desk.commit(id, vec![assigned(one, 1, 1)]);
    desk.step();
    assert_eq!(code(try_commit(&desk, 1, assigned(two, 2, 1))), Code::Reassigned);
    assert_eq!(code(try_commit(&desk, 1, assigned(two, 1, 1))), Code::Reassigned);
    assert_eq!(desk.state(id).assignee, Some(one));
    assert_eq!((desk.load_of(one), desk.load_of(two)), (1, 0));
}

pub(super) fn check_assign_seq_rises_by_one(make: impl Fn() -> Harness) {
    let mut desk = make();
    let agent = desk.agent(1, 5);
    desk.queue(1);
    assert_eq!(code(try_commit(&desk, 1, assigned(agent, 2, 1))), Code::Reassigned);
    assert_eq!(code(try_commit(&desk, 1, assigned(agent, 0, 1))), Code::Reassigned);
    desk.commit(conversation(1), vec![assigned(agent, 1, 1)]);
    desk.step();
    let transfer = |assign_seq| Event::Transferred {
        from: Some(agent),
        to: TransferTarget::Group(group()),
        group: group(),
        assign_seq,
    };
    assert_eq!(code(try_commit(&desk, 1, transfer(3))), Code::Reassigned);
    desk.commit(conversation(1), vec![transfer(2)]);
    assert_eq!(desk.state(conversation(1)).assign_seq, 2);
}

pub(super) fn check_no_load_passes_the_capacity(make: impl Fn() -> Harness) {
    let mut desk = make();
    let agent = desk.agent(1, 2);
    for number in 1..=3 {
        desk.queue(number);
    }
    desk.commit(conversation(1), vec![assigned(agent, 1, 1)]);
    desk.step();
    assert_eq!(code(try_commit(&desk, 2, assigned(agent, 1, 2))), Code::AtCapacity);
    desk.commit(conversation(2), vec![assigned(agent, 1, 1)]);
    assert_eq!(code(try_commit(&desk, 3, assigned(agent, 1, 1))), Code::AtCapacity);
    let row = desk.change(agent, AgentChange::Capacity(1));
    assert_eq!((row.load, row.capacity), (2, 1), "lowered below the load");
    desk.step();
    desk.commit(conversation(1), vec![closed()]);
    assert_eq!(desk.load_of(agent), 1);
    assert_eq!(code(try_commit(&desk, 3, assigned(agent, 1, 1))), Code::AtCapacity);
    desk.commit(conversation(2), vec![closed()]);
    desk.change(agent, AgentChange::Presence { presence: Presence::Away, reason: "lunch".into() });
    desk.step();
    assert_eq!(code(try_commit(&desk, 3, assigned(agent, 1, 1))), Code::Expired);
    assert_eq!(code(try_commit(&desk, 3, assigned(AgentId::from_u128(404), 1, 1))), Code::NotFound);
    assert_eq!(desk.load_of(agent), 0);
}

pub(super) fn check_an_offer_holds_its_seats(make: impl Fn() -> Harness) {
    let mut desk = make();
    let (one, two) = (desk.agent(1, 1), desk.agent(2, 1));
    desk.queue(1);
    desk.queue(2);
    desk.commit(conversation(1), vec![offered(one, 1)]);
    desk.step();
    assert_eq!(desk.load_of(one), 1);
    assert_eq!(code(try_commit(&desk, 2, offered(one, 1))), Code::AtCapacity);
    assert_eq!(code(try_commit(&desk, 1, offered(two, 1))), Code::Reassigned, "one offer at a time");
    assert_eq!(code(try_commit(&desk, 1, assigned(two, 1, 1))), Code::Reassigned, "offered to another");
    desk.commit(conversation(1), vec![assigned(one, 1, 1)]);
    assert_eq!(desk.load_of(one), 1, "the offer's seat became the assignment's");
    desk.commit(conversation(2), vec![offered(two, 1)]);
    let reason = RequeueReason::Declined;
    desk.commit(
        conversation(2),
        vec![Event::Requeued { agent: Some(two), reason, group: group(), assign_seq: 0 }],
    );
    desk.step();
    assert_eq!((desk.load_of(one), desk.load_of(two)), (1, 0));
    assert_eq!(desk.state(conversation(2)).declined.as_slice(), [two]);
}

pub(super) fn check_a_transfer_frees_the_seats(make: impl Fn() -> Harness) {
    let mut desk = make();
    let (one, two) = (desk.agent(1, 3), desk.agent(2, 3));
    let id = desk.queue(1);
    desk.commit(id, vec![assigned(one, 1, 2)]);
    assert_eq!(desk.load_of(one), 2);
    desk.step();
    let to = TransferTarget::Agent(two);
    let transferred = Event::Transferred { from: Some(one), to, group: group(), assign_seq: 2 };
    desk.commit(id, vec![transferred, assigned(two, 3, 2)]);
    desk.step();
    assert_eq!((desk.load_of(one), desk.load_of(two)), (0, 2));
    assert_eq!(desk.state(id).assignee, Some(two));
}

pub(super) fn check_agents_are_journaled_with_versions(make: impl Fn() -> Harness) {
    let mut desk = make();
    let agent = AgentId::from_u128(1);
    let online = || AgentChange::Presence { presence: Presence::Online, reason: "shift".into() };
    assert_eq!(desk.perform(Op::Agent { agent, change: online() }), Done::NoAgent);
    let row = desk.change(agent, AgentChange::Capacity(4));
    assert_eq!((row.presence, row.capacity, row.load, row.version), (Presence::Offline, 4, 0, 1));
    desk.step();
    let row = desk.change(agent, online());
    assert_eq!((row.presence, row.capacity, row.load, row.version), (Presence::Online, 4, 0, 2));
    desk.step();
    assert_eq!(desk.change(agent, AgentChange::Capacity(5)).version, 3);
}
