//! Promises about the log: positions, repeats, fences, recalls, pages.

use super::harness::*;
use crate::clock::Clock;
use crate::conversation::content::Content;
use crate::conversation::event::{Author, Event};
use crate::ident::{AgentId, GUEST};
use crate::journal::{Answer, Done, Footing, Guard, Op, Outcome, Query, Write};
use crate::refusal::Code;
use std::sync::mpsc::channel;

pub(super) fn check_entries_have_consecutive_positions(make: impl Fn() -> Harness) {
    let mut desk = make();
    let (one, two) = (desk.open_for(1, "a"), desk.open_for(2, "b"));
    for round in 0..5 {
        desk.step();
        assert_eq!(desk.say(one, "hello").seq, 3 + round);
        assert_eq!(desk.say(two, "hello").seq, 3 + round);
    }
    let several = desk.commit(one, vec![queued(), Event::BotJoined, Event::BotLeft]);
    assert_eq!(several.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [8, 9, 10]);
    desk.step();
    let page = desk.page(one, 0, 100);
    assert_eq!(page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(page.head, 10);
    assert_eq!(desk.state(two).head, 7);
}

pub(super) fn check_a_repeat_is_a_duplicate_for_ever(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    let first = committed(desk.write(said(id, "once", key(10, 1)))).remove(0);
    let repeated = |desk: &Harness| desk.write(said(id, "once", key(10, 1)));
    assert_eq!(repeated(&desk), Outcome::Duplicate { seq: 3, at: first.at });
    desk.clock.advance_millis(5_000);
    desk.step();
    desk.say(id, "something else");
    assert_eq!(repeated(&desk), Outcome::Duplicate { seq: 3, at: first.at });
    let agent = desk.agent(1, 1);
    desk.commit(id, vec![queued(), assigned(agent, 1, 1)]);
    desk.commit(id, vec![closed()]);
    desk.step();
    assert_eq!(repeated(&desk), Outcome::Duplicate { seq: 3, at: first.at });
    let stale = Write { epoch: 0, ..said(id, "once", key(10, 1)) };
    assert_eq!(desk.write(stale), Outcome::Duplicate { seq: 3, at: first.at });
    let other = desk.open_for(2, "somebody");
    assert!(matches!(desk.write(said(other, "once", key(10, 1))), Outcome::Committed { .. }));
}

pub(super) fn check_a_key_with_other_content_is_a_conflict(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    committed(desk.write(said(id, "this", key(10, 1))));
    desk.step();
    assert_eq!(desk.write(said(id, "that", key(10, 2))), Outcome::Conflict { seq: 3 });
    assert_eq!(desk.state(id).head, 3);
}

pub(super) fn check_a_probe_appends_nothing(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    let probe = |desk: &Harness| desk.write(Write { client: Some(key(10, 1)), ..plain(id) });
    assert_eq!(probe(&desk), Outcome::Unknown);
    let entry = committed(desk.write(said(id, "x", key(10, 1)))).remove(0);
    desk.step();
    assert_eq!(probe(&desk), Outcome::Duplicate { seq: 3, at: entry.at });
    assert_eq!(desk.state(id).head, 3);
    assert_eq!(desk.write(plain(conversation(99))), Outcome::Unknown);
}

pub(super) fn check_a_probe_rests_on_epoch_and_head(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    let entry = committed(desk.write(said(id, "x", key(10, 1)))).remove(0);
    let probe = |desk: &Harness, epoch, head| {
        desk.write(Write { epoch, guard: Guard::Head(head), client: Some(key(11, 1)), ..plain(id) })
    };
    assert_eq!(probe(&desk, EPOCH, 3), Outcome::Unknown);
    assert_eq!(probe(&desk, EPOCH, 2), Outcome::Reload { head: 3 });
    desk.step();
    let claim = Op::Claim { conversation: id, epoch: 9 };
    assert!(matches!(desk.perform(claim), Done::Claimed { state: Some(_) }));
    desk.step();
    assert_eq!(probe(&desk, EPOCH, 3), Outcome::Stale { fence: 9 });
    assert_eq!(probe(&desk, 9, 4), Outcome::Reload { head: 3 });
    assert_eq!(probe(&desk, 9, 3), Outcome::Unknown);
    assert_eq!(probe(&desk, GUEST, 3), Outcome::Unknown);
    let repeated = Write { guard: Guard::Head(1), client: Some(key(10, 1)), ..plain(id) };
    assert_eq!(desk.write(repeated), Outcome::Duplicate { seq: 3, at: entry.at }, "whoever asks");
    assert_eq!(desk.state(id).head, 3);
}

pub(super) fn check_a_stale_epoch_cannot_write(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    let claim = |desk: &Harness, epoch| desk.perform(Op::Claim { conversation: id, epoch });
    let Done::Claimed { state: Some(state) } = claim(&desk, 9) else { panic!("not claimed") };
    assert_eq!(*state, desk.state(id));
    desk.step();
    assert_eq!(desk.write(said(id, "late", key(1, 1))), Outcome::Stale { fence: 9 });
    assert_eq!(claim(&desk, 8), Done::Stale { fence: 9 });
    desk.step();
    let current = Write { epoch: 9, ..said(id, "now", key(1, 1)) };
    assert_eq!(committed(desk.write(current)).len(), 1);
    assert_eq!(desk.write(said(id, "late", key(2, 1))), Outcome::Stale { fence: 9 });
}

pub(super) fn check_a_guest_passes_the_fence_and_leaves_it(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    let claim = |desk: &Harness, epoch| desk.perform(Op::Claim { conversation: id, epoch });
    assert!(matches!(claim(&desk, 9), Done::Claimed { state: Some(_) }));
    desk.step();
    let Done::Claimed { state: Some(state) } = claim(&desk, GUEST) else { panic!("a guest may read") };
    assert_eq!(*state, desk.state(id));
    let by_guest = Write { epoch: GUEST, ..said(id, "past the owner", key(1, 1)) };
    assert_eq!(committed(desk.write(by_guest))[0].seq, 3);
    desk.step();
    assert_eq!(desk.write(said(id, "late", key(2, 1))), Outcome::Stale { fence: 9 });
    let owner = Write { epoch: 9, ..said(id, "by the owner", key(3, 1)) };
    assert_eq!(committed(desk.write(owner))[0].seq, 4);
    let opening = vec![(Author::System, opened("v")), (Author::System, queued())];
    let by_guest = Write { epoch: GUEST, events: opening, ..plain(conversation(2)) };
    assert!(is_refused(&desk.write(by_guest)));
    assert_eq!(desk.ask(Query::State(conversation(2))), Answer::State(None));
}

pub(super) fn check_a_claim_of_nothing_leaves_no_trace(make: impl Fn() -> Harness) {
    let desk = make();
    let id = conversation(5);
    assert_eq!(desk.perform(Op::Claim { conversation: id, epoch: 50 }), Done::Claimed { state: None });
    assert_eq!(desk.ask(Query::State(id)), Answer::State(None));
    assert_eq!(desk.ask(Query::History { conversation: id, after: 0, limit: 5 }), Answer::History(None));
    assert!(is_refused(&desk.write(said(id, "to nobody", key(1, 1)))));
    assert_eq!(desk.open(5), id);
}

pub(super) fn check_a_decision_on_an_old_head_is_told_to_reload(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    desk.say(id, "in between");
    desk.step();
    let events = vec![(Author::System, closed())];
    let decide = |head| Write { guard: Guard::Head(head), events: events.clone(), ..plain(id) };
    assert_eq!(desk.write(decide(2)), Outcome::Reload { head: 3 });
    assert_eq!(desk.write(decide(4)), Outcome::Reload { head: 3 });
    let words = |assign_seq| Write { guard: Guard::Assignment(assign_seq), ..said(id, "mine", key(4, 4)) };
    assert_eq!(desk.write(words(1)), Outcome::Reload { head: 3 });
    assert_eq!(committed(desk.write(words(0))).len(), 1);
    assert_eq!(committed(desk.write(decide(4))).len(), 1);
}

/// What rests on a write that was refused may find its numbers all the same, reached by somebody else's entries (CV-4).
pub(super) fn check_the_same_numbers_under_another_holder_are_told_to_reload(make: impl Fn() -> Harness) {
    let desk = make();
    let (mine, theirs, id) = (desk.agent(1, 5), desk.agent(2, 5), desk.open(1));
    let Answer::State(Some(mut supposed)) = desk.ask(Query::State(id)) else { panic!("it was opened") };
    supposed.apply(desk.clock.now(), &Author::System, &assigned(mine, 1, 1));
    desk.commit(id, vec![assigned(theirs, 1, 1)]);
    let Answer::State(Some(stands)) = desk.ask(Query::State(id)) else { panic!("it was opened") };
    assert_eq!((stands.head, stands.assign_seq), (supposed.head, supposed.assign_seq));
    let words = |footing| Write { guard: Guard::Footing(footing), ..said(id, "mine", key(4, 4)) };
    let close = |footing| Write {
        guard: Guard::Footing(footing),
        events: vec![(Author::System, closed())],
        ..plain(id)
    };
    assert_eq!(desk.write(words(Footing::of_words(&supposed))), Outcome::Reload { head: stands.head });
    assert_eq!(desk.write(close(Footing::of_decision(&supposed))), Outcome::Reload { head: stands.head });
    assert_eq!(committed(desk.write(words(Footing::of_words(&stands)))).len(), 1);
    assert_eq!(desk.write(close(Footing::of_decision(&stands))), Outcome::Reload { head: stands.head + 1 });
}

pub(super) fn check_a_closed_conversation_takes_no_message(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    desk.commit(id, vec![closed()]);
    desk.step();
    let Outcome::Refused(refusal) = desk.write(said(id, "hello?", key(1, 1))) else { panic!("CV-2") };
    assert_eq!(refusal.code, Code::Closed);
    desk.commit(id, vec![Event::Rated { score: 5, comment: None }]);
    assert_eq!(desk.commit(id, vec![Event::Reopened, queued()]).len(), 2);
    desk.step();
    assert_eq!(desk.say(id, "again").seq, 7);
}

pub(super) fn check_a_write_is_all_or_nothing(make: impl Fn() -> Harness) {
    let desk = make();
    let id = desk.open(1);
    let unknown = AgentId::from_u128(404);
    let events = [queued(), assigned(unknown, 1, 1)].map(|event| (Author::System, event)).to_vec();
    assert!(is_refused(&desk.write(Write { events, client: Some(key(3, 3)), ..plain(id) })));
    assert_eq!(desk.state(id).head, 2);
    assert_eq!(desk.write(Write { client: Some(key(3, 3)), ..plain(id) }), Outcome::Unknown);
    assert_eq!(desk.say(id, "the neighbour is unharmed").seq, 3);
}

pub(super) fn check_a_recall_redacts_and_keeps_the_position(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    for text in ["one", "two", "three"] {
        desk.say(id, text);
    }
    let note = vec![(Author::Bot, Event::Message(Content::Note("for the desk".into())))];
    committed(desk.write(Write { events: note, ..plain(id) }));
    desk.step();
    desk.commit(id, vec![Event::Recalled { seq: 4 }, Event::Recalled { seq: 6 }, Event::Recalled { seq: 1 }]);
    desk.commit(id, vec![Event::Message(Content::text("gone at once")), Event::Recalled { seq: 10 }]);
    desk.step();
    let page = desk.page(id, 0, 100);
    let event = |seq: usize| &page.entries[seq - 1].event;
    assert_eq!(*event(3), Event::Message(Content::text("one")));
    assert_eq!(*event(4), Event::Message(Content::Redacted));
    assert_eq!(*event(5), Event::Message(Content::text("three")));
    assert_eq!(*event(6), Event::Message(Content::Note("".into())), "a note stays hidden from the visitor");
    assert_eq!(*event(7), Event::Recalled { seq: 4 });
    assert_eq!(*event(10), Event::Message(Content::Redacted));
    assert!(matches!(event(1), Event::Opened(_)), "only messages are taken back");
    assert_eq!(page.entries.len(), 11);
}

pub(super) fn check_visitor_prev_skips_what_the_visitor_does_not_see(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    desk.say(id, "three");
    desk.commit(
        id,
        vec![Event::Message(Content::Note("four".into())), Event::Escalated { reason: "x".into() }],
    );
    desk.step();
    desk.say(id, "six");
    desk.say(id, "seven");
    let page = desk.page(id, 0, 10);
    let prevs: Vec<_> = page.entries.iter().map(|entry| entry.visitor_prev).collect();
    assert_eq!(prevs, [0, 1, 2, 3, 3, 3, 6]);
    assert_eq!((page.head, page.visitor_head), (7, 7));
}

pub(super) fn check_history_pages_in_every_size(make: impl Fn() -> Harness) {
    let mut desk = make();
    for (number, length) in [(1, 2), (2, 500), (3, 5_000)] {
        let id = desk.open(number);
        for chunk in (3..=length).collect::<Vec<u64>>().chunks(100) {
            let events = chunk.iter().map(|seq| Event::Message(Content::text(&seq.to_string()))).collect();
            desk.commit(id, events);
        }
        desk.step();
        for (after, limit) in [(0, 1), (0, 100), (length / 2, 7), (length - 1, 10), (0, 10_000)] {
            let page = desk.page(id, after, limit);
            let expected: Vec<u64> = (after + 1..=length.min(after + u64::from(limit))).collect();
            assert_eq!(page.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>(), expected);
            assert_eq!(page.head, length);
            for entry in page.entries.iter().filter(|entry| entry.seq > 2) {
                assert_eq!(entry.event, Event::Message(Content::text(&entry.seq.to_string())));
            }
        }
        assert!(desk.page(id, length, 10).entries.is_empty());
        assert!(desk.page(id, u64::MAX, 10).entries.is_empty());
        assert!(desk.page(id, 0, 0).entries.is_empty());
    }
}

pub(super) fn check_replies_come_in_the_order_of_submission(make: impl Fn() -> Harness) {
    let desk = make();
    let id = desk.open(1);
    let (tell, told) = channel();
    for number in 0..1_000_u128 {
        let op = match number % 3 {
            0 => Op::Write(said(id, "hello", key(number, 0))),
            1 => Op::Claim { conversation: id, epoch: EPOCH },
            _ => Op::Write(said(id, "hello again", key(number - 2, 0))),
        };
        let tell = tell.clone();
        desk.journal().submit(op, Box::new(move |done| tell.send((number, done)).unwrap())).unwrap();
    }
    drop(tell);
    let answers: Vec<_> = told.iter().collect();
    assert_eq!(answers.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (0..1_000).collect::<Vec<_>>());
    let mut seq = 2;
    for (number, done) in answers {
        match (number % 3, done) {
            (0, Done::Write(Outcome::Committed { entries })) => {
                seq += 1;
                assert_eq!(entries[0].seq, seq);
            }
            (1, Done::Claimed { state: Some(state) }) => assert_eq!(state.head, seq),
            (2, Done::Write(Outcome::Duplicate { seq: known, .. })) => assert_eq!(known, seq),
            other => panic!("{other:?}"),
        }
    }
}
