//! Promises about questions: who waits, who is held, what is due, what is counted.

use super::harness::*;
use crate::clock::Timestamp;
use crate::cluster::slots::{Slot, SlotSet};
use crate::conversation::event::{Author, Event};
use crate::conversation::state::Phase;
use crate::ident::{ConversationId, ShopId, VisitorId};
use crate::journal::{Answer, Done, Filter, Head, Op, Query, Totals, Write};

pub(super) fn check_waiting_lists_in_order_and_in_pages(make: impl Fn() -> Harness) {
    let mut desk = make();
    let agent = desk.agent(1, 9);
    for number in [5, 3, 1, 4, 2] {
        desk.queue(number);
    }
    desk.open(6);
    desk.commit(conversation(3), vec![offered(agent, 1)]);
    desk.commit(conversation(4), vec![assigned(agent, 1, 1)]);
    desk.step();
    let page = |after, limit| desk.states(Query::Waiting { after, limit });
    let ids = |numbers: &[u128]| numbers.iter().copied().map(conversation).collect::<Vec<_>>();
    assert_eq!(page(None, 100), ids(&[1, 2, 3, 5]));
    assert_eq!(page(None, 2), ids(&[1, 2]));
    assert_eq!(page(Some(conversation(2)), 2), ids(&[3, 5]));
    assert_eq!(page(Some(conversation(5)), 2), []);
}

pub(super) fn check_held_and_live_are_found(make: impl Fn() -> Harness) {
    let mut desk = make();
    let (one, two) = (desk.agent(1, 9), desk.agent(2, 9));
    for number in [2, 1, 3] {
        desk.queue(number);
        desk.clock.advance_millis(10);
    }
    desk.commit(conversation(1), vec![assigned(one, 1, 1)]);
    desk.commit(conversation(2), vec![offered(one, 1)]);
    desk.commit(conversation(3), vec![assigned(two, 1, 1)]);
    desk.step();
    assert_eq!(desk.states(Query::HeldBy(one)), [conversation(2), conversation(1)], "oldest first");
    let live = |visitor: &str| {
        let visitor = VisitorId::new(visitor).unwrap();
        desk.states(Query::LiveOf { shop: ShopId::default_shop(), visitor })
    };
    assert_eq!(live("visitor-1"), [conversation(1)]);
    desk.commit(conversation(1), vec![closed()]);
    assert_eq!(live("visitor-1"), []);
    assert_eq!(desk.states(Query::HeldBy(one)), [conversation(2)]);
}

fn wake(desk: &Harness, id: ConversationId, event: Event, in_ms: Option<u64>) {
    let wake_at = in_ms.map(|ms| Timestamp::from_millis(START_MS + ms));
    committed(desk.write(Write { events: vec![(Author::Bot, event)], wake_at, ..plain(id) }));
}

pub(super) fn check_due_follows_the_last_write(make: impl Fn() -> Harness) {
    let mut desk = make();
    for number in 1..=4 {
        desk.open(number);
    }
    let say = || Event::Message(crate::conversation::content::Content::text("x"));
    wake(&desk, conversation(1), queued(), Some(100));
    wake(&desk, conversation(2), say(), Some(50));
    wake(&desk, conversation(3), queued(), Some(10));
    wake(&desk, conversation(3), say(), Some(300));
    wake(&desk, conversation(4), queued(), Some(20));
    wake(&desk, conversation(4), say(), None);
    assert_eq!(due(&desk, 49, 10), []);
    assert_eq!(due(&desk, 100, 10), [conversation(2), conversation(1)]);
    assert_eq!(due(&desk, 300, 2), [conversation(2), conversation(1)]);
    assert_eq!(due(&desk, 300, 10), [conversation(2), conversation(1), conversation(3)]);
    let later = Timestamp::from_millis(START_MS + 250);
    let reschedule = |number, head| {
        desk.perform(Op::Reschedule {
            conversation: conversation(number),
            epoch: EPOCH,
            head,
            wake_at: later,
        })
    };
    assert_eq!(reschedule(2, 3), Done::Rescheduled);
    assert_eq!(reschedule(9, 0), Done::Rescheduled, "there is nothing to be woken");
    desk.step();
    assert_eq!(due(&desk, 300, 10), [conversation(1), conversation(2), conversation(3)]);
}

/// What is due `ms` after the beginning.
fn due(desk: &Harness, ms: u64, limit: u32) -> Vec<ConversationId> {
    due_of(desk, ms, limit, SlotSet::all())
}

fn due_of(desk: &Harness, ms: u64, limit: u32, slots: SlotSet) -> Vec<ConversationId> {
    match desk.ask(Query::Due { now: Timestamp::from_millis(START_MS + ms), limit, slots }) {
        Answer::Due(ids) => ids,
        other => panic!("{other:?}"),
    }
}

pub(super) fn check_a_wake_up_is_moved_by_who_knows_the_log(make: impl Fn() -> Harness) {
    let mut desk = make();
    let id = desk.open(1);
    wake(&desk, id, queued(), Some(50));
    let later = Timestamp::from_millis(START_MS + 500);
    let reschedule = |desk: &Harness, epoch, head| {
        desk.perform(Op::Reschedule { conversation: id, epoch, head, wake_at: later })
    };
    desk.step();
    assert_eq!(reschedule(&desk, EPOCH, 2), Done::NotRescheduled { head: 3 });
    assert_eq!(reschedule(&desk, EPOCH, 4), Done::NotRescheduled { head: 3 });
    desk.perform(Op::Claim { conversation: id, epoch: 9 });
    desk.step();
    assert_eq!(reschedule(&desk, EPOCH, 3), Done::Stale { fence: 9 });
    assert_eq!(due(&desk, 100, 9), [id], "it is woken as the last write wished");
    assert_eq!(reschedule(&desk, 9, 3), Done::Rescheduled);
    desk.step();
    assert_eq!((due(&desk, 100, 9), due(&desk, 500, 9)), (vec![], vec![id]));
}

pub(super) fn check_due_is_read_by_slots(make: impl Fn() -> Harness) {
    let mut desk = make();
    for number in 1..=20 {
        wake(&desk, desk.open(number), queued(), Some(number as u64));
    }
    desk.step();
    let slot = |number| Slot::of_conversation(conversation(number));
    let own: SlotSet = [slot(18), slot(20)].into_iter().collect();
    assert_eq!(due_of(&desk, 100, 2, own.clone()), [conversation(18), conversation(20)]);
    assert_eq!(due_of(&desk, 100, 1, own.clone()), [conversation(18)]);
    assert_eq!(due_of(&desk, 19, 9, own), [conversation(18)]);
    assert_eq!(due_of(&desk, 100, 9, [].into_iter().collect()), []);
}

pub(super) fn check_heads_are_read_together(make: impl Fn() -> Harness) {
    let mut desk = make();
    let agent = desk.agent(1, 9);
    for number in 1..=3 {
        desk.queue(number);
    }
    desk.say(conversation(1), "x");
    desk.commit(conversation(2), vec![offered(agent, 1)]);
    desk.commit(conversation(3), vec![closed()]);
    desk.step();
    desk.say(conversation(1), "y");
    let heads = |numbers: &[u128]| {
        let wanted = numbers.iter().copied().map(conversation).collect();
        let Answer::Heads(mut heads) = desk.ask(Query::Heads(wanted)) else { panic!("no heads") };
        heads.sort_by_key(|head| head.conversation);
        let row = |head: &Head| (head.conversation.as_u128(), head.head, head.visitor_head, head.live);
        heads.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(heads(&[3, 1, 9]), [(1, 4, 4, true), (3, 3, 3, false)]);
    assert_eq!(heads(&[2]), [(2, 3, 2, true)], "an offer is not for the visitor");
    assert_eq!(heads(&[]), []);
}

pub(super) fn check_conversations_are_listed_newest_first_and_filtered(make: impl Fn() -> Harness) {
    let mut desk = make();
    let agent = desk.agent(1, 9);
    for number in 1..=5 {
        desk.queue(number);
        desk.clock.advance_millis(10);
    }
    desk.commit(conversation(2), vec![assigned(agent, 1, 1)]);
    desk.commit(conversation(3), vec![closed()]);
    desk.step();
    let list = |filter: Filter, before: Option<u128>, limit| {
        let before = before.map(conversation);
        let ids = desk.states(Query::Conversations { filter: Box::new(filter), before, limit });
        ids.into_iter().map(ConversationId::as_u128).collect::<Vec<_>>()
    };
    let every = Filter::default;
    assert_eq!(list(every(), None, 100), [5, 4, 3, 2, 1]);
    assert_eq!(list(every(), None, 2), [5, 4]);
    assert_eq!(list(every(), Some(4), 2), [3, 2]);
    assert_eq!(list(every(), None, 0), [] as [u128; 0]);
    assert_eq!(list(Filter { phases: vec![Phase::Closed], ..every() }, None, 9), [3]);
    assert_eq!(list(Filter { phases: vec![Phase::Queued], ..every() }, None, 9), [5, 4, 1]);
    assert_eq!(list(Filter { phases: vec![Phase::Active, Phase::Closed], ..every() }, None, 9), [3, 2]);
    assert_eq!(list(Filter { agent: Some(agent), ..every() }, None, 9), [2]);
    assert_eq!(list(Filter { group: Some(group()), ..every() }, None, 1), [5]);
    assert_eq!(list(Filter { visitor: VisitorId::new("visitor-4").ok(), ..every() }, None, 9), [4]);
    assert_eq!(list(Filter { text: Some("Visitor-1".into()), ..every() }, None, 9), [1]);
    assert_eq!(list(Filter { text: Some("PARCEL".into()), ..every() }, None, 9).len(), 5);
    assert_eq!(list(Filter { shop: ShopId::new("elsewhere").ok(), ..every() }, None, 9), [] as [u128; 0]);
    let at = |ms| Some(Timestamp::from_millis(START_MS + ms));
    assert_eq!(list(Filter { opened_from: at(10), opened_to: at(20), ..every() }, None, 9), [3, 2]);
}

pub(super) fn check_totals_count(make: impl Fn() -> Harness) {
    let mut desk = make();
    let totals = |desk: &Harness| desk.ask(Query::Totals);
    assert_eq!(totals(&desk), Answer::Totals(Totals::default()));
    desk.queue(1);
    desk.queue(2);
    desk.say(conversation(1), "x");
    desk.commit(conversation(2), vec![closed()]);
    assert!(is_refused(&desk.write(said(conversation(2), "refused", key(1, 1)))));
    desk.step();
    assert_eq!(totals(&desk), Answer::Totals(Totals { conversations: 2, live: 1, entries: 6 }));
}

pub(super) fn check_a_listed_state_has_the_latest_head(make: impl Fn() -> Harness) {
    let mut desk = make();
    let agent = desk.agent(1, 9);
    let id = desk.queue(1);
    desk.commit(id, vec![assigned(agent, 1, 1)]);
    desk.step();
    for head in 4..50 {
        let says = if head % 2 == 0 {
            (Author::Agent { id: agent, name: "Li".into() }, Phase::WaitingVisitor)
        } else {
            (visitor_author(), Phase::Active)
        };
        let event = Event::Message(crate::conversation::content::Content::text("x"));
        committed(desk.write(Write { events: vec![(says.0, event)], ..plain(id) }));
        let Answer::States(listed) = desk.ask(Query::HeldBy(agent)) else { panic!("no listing") };
        assert_eq!((listed[0].head, listed[0].phase), (head, says.1));
        let filter = Box::new(Filter { phases: vec![says.1], ..Filter::default() });
        assert_eq!(desk.states(Query::Conversations { filter, before: None, limit: 9 }), [id]);
    }
}

pub(super) fn check_pruning_forgets_only_what_was_closed_before(make: impl Fn() -> Harness) {
    let mut desk = make();
    for number in 1..=3 {
        desk.queue(number);
    }
    desk.commit(conversation(1), vec![closed()]);
    desk.clock.advance_millis(100);
    let limit = Timestamp::from_millis(START_MS + 50);
    desk.commit(conversation(2), vec![closed()]);
    desk.step();
    assert_eq!(desk.prune(limit), 1);
    assert_eq!(desk.prune(limit), 0);
    desk.step();
    assert_eq!(desk.ask(Query::State(conversation(1))), Answer::State(None));
    let history = Query::History { conversation: conversation(1), after: 0, limit: 9 };
    assert_eq!(desk.ask(history), Answer::History(None));
    assert_eq!(desk.page(conversation(2), 0, 9).entries.len(), 3);
    assert_eq!(desk.ask(Query::Totals), Answer::Totals(Totals { conversations: 2, live: 1, entries: 5 }));
    assert_eq!(desk.open(4), conversation(4));
    desk.step();
    assert_eq!(desk.ask(Query::Totals), Answer::Totals(Totals { conversations: 3, live: 2, entries: 7 }));
}
