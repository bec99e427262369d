//! Questions: where an arrival belongs, how long it will wait, and why it waits.

use super::desk::{
    Desk, agent, agent_id, arrival, at, conversation, facts, group_id, intent, rule, skill, step,
};
use jiff::tz::TimeZone;
use rushdesk::clock::Timestamp;
use rushdesk::routing::{
    Arrival, Elsewhere, Group, GroupFact, Hours, Input, MAX_SIGNATURES, NoQueue, OverflowAtLength, Placement,
    Question, Refusal, Rule, Span, Verdict, WaitReason, Wanted, WhenClosed,
};

/// Hours of UTC, the same every day.
fn hours(from_h: u16, to_h: u16) -> Option<Hours> {
    let span = Span { from_minute: from_h * 60, to_minute: to_h * 60 };
    Some(Hours::new(TimeZone::UTC, std::array::from_fn(|_| vec![span]), Vec::new()).unwrap())
}

fn group(name: &str) -> Group {
    Group::new(group_id(name))
}

fn asked(desk: &Desk, name: &str, trusted: bool, intent: Option<&str>) -> Placement {
    let group = group_id(name);
    let facts = facts(intent, None);
    let question = Question { facts: &facts, asked: Some(GroupFact { group: &group, trusted }) };
    desk.engine.place(&question, desk.now).unwrap()
}

fn queue(name: &str, overflowed_from: Option<&str>) -> Placement {
    Placement::Queue {
        group: group_id(name),
        head_start_ms: 0,
        overflowed_from: overflowed_from.map(group_id),
    }
}

/// A Tuesday night, 22:13:20 UTC: `night` works, `day` does not.
fn desk_at_night() -> Desk {
    let mut day = Group { hours: hours(9, 18), ..group("day") };
    day.overflow.when_closed = WhenClosed::Group(group_id("night"));
    let mut day_queue = Group { hours: hours(9, 18), ..group("patient") };
    day_queue.overflow.when_closed = WhenClosed::Queue;
    let message = Group { hours: hours(9, 18), ..group("message") };
    let night = Group { hours: hours(20, 30), ..group("night") };
    Desk::new(&[day, day_queue, message, night, group("general"), Group { public: false, ..group("vip") }])
}

#[test]
fn hours_decide_before_queueing() {
    let desk = desk_at_night();
    let opens_at: Timestamp = "2023-11-15T09:00:00Z".parse().unwrap();
    let closed = NoQueue::Closed { opens_at: Some(opens_at) };
    assert_eq!(asked(&desk, "night", false, None), queue("night", None));
    assert_eq!(asked(&desk, "day", false, None), queue("night", Some("day")));
    assert_eq!(asked(&desk, "patient", false, None), queue("patient", None));
    let message = Placement::LeaveMessage { group: group_id("message"), reason: closed };
    assert_eq!(asked(&desk, "message", false, None), message);
}

#[test]
fn a_wish_is_heard_where_the_group_is_public_and_a_rule_is_heard_first() {
    let mut desk = desk_at_night();
    assert_eq!(asked(&desk, "vip", false, None), queue("general", None), "closed to claims");
    assert_eq!(asked(&desk, "vip", true, None), queue("vip", None), "the desk itself asks");
    assert_eq!(asked(&desk, "nowhere", false, None), queue("general", None));
    let to_vip = Rule { group: Some(group_id("vip")), ..rule("pay", intent("pay"), 600, Vec::new()) };
    let to_nowhere = Rule { group: Some(group_id("gone")), ..rule("odd", intent("odd"), 0, Vec::new()) };
    desk.tell(Input::RulesReplaced(vec![to_vip, to_nowhere]));
    let vip = Placement::Queue { group: group_id("vip"), head_start_ms: 600_000, overflowed_from: None };
    assert_eq!(asked(&desk, "night", false, Some("pay")), vip);
    assert_eq!(
        asked(&desk, "night", false, Some("odd")),
        queue("night", None),
        "a rule for a group that is gone"
    );
}

#[test]
fn length_and_ceiling_decide_before_queueing() {
    let over = |waiting, to| Some(OverflowAtLength { waiting, to });
    let mut long = group("long");
    long.overflow.at_length = over(1, Elsewhere::Group(group_id("short")));
    let mut short = Group { queue_ceiling: 1, ..group("short") };
    short.overflow.at_length = over(5, Elsewhere::LeaveMessage);
    let mut ring = group("ring");
    ring.overflow.at_length = over(0, Elsewhere::Group(group_id("ring-back")));
    let mut ring_back = group("ring-back");
    ring_back.overflow.at_length = over(0, Elsewhere::Group(group_id("ring")));
    let mut desk = Desk::new(&[long, short, ring, ring_back, group("general")]);
    assert_eq!(asked(&desk, "long", false, None), queue("long", None));
    desk.arrive(arrival(1, "long", 0));
    assert_eq!(asked(&desk, "long", false, None), queue("short", Some("long")));
    desk.arrive(Arrival { suspended: true, ..arrival(2, "short", 0) });
    let full =
        |name, waiting| Placement::LeaveMessage { group: group_id(name), reason: NoQueue::Full { waiting } };
    assert_eq!(asked(&desk, "long", false, None), full("long", 1));
    assert_eq!(asked(&desk, "short", false, None), full("short", 1), "absent visitors keep their places too");
    assert_eq!(asked(&desk, "ring", false, None), full("ring", 0), "no overflow goes round and round");
}

#[test]
fn a_promise_is_kept_or_broken() {
    let mut desk = Desk::new(&[group("general")]);
    desk.online(agent(1, &["general"], &[], 1));
    let first = desk.arrive(arrival(1, "general", 0));
    desk.confirm(&first);
    for (number, served_by) in [(2, at(30)), (3, at(50))] {
        desk.arrive(arrival(number, "general", 0));
        desk.tell(Input::Promised { conversation: conversation(number), served_by });
    }
    for (second, gone) in [(30, 1), (60, 2)] {
        desk.now = at(second);
        let next = desk.tell(Input::Freed { agent: agent_id(1), conversation: conversation(gone) });
        desk.confirm(&next);
    }
    let counters = desk.engine.counters();
    assert_eq!((counters.promises_kept, counters.promises_broken), (1, 1));
}

#[test]
fn the_expected_wait_needs_somebody_to_serve() {
    let mut desk = Desk::new(&[group("general")]);
    desk.arrive(arrival(1, "general", 0));
    assert_eq!(desk.engine.estimate(&conversation(1), desk.now).unwrap().eta, None);
    let first = desk.online(agent(1, &["general"], &[], 1));
    desk.confirm(&first);
    desk.arrive(arrival(2, "general", 0));
    let eta = desk.engine.estimate(&conversation(2), desk.now).unwrap().eta.unwrap();
    // One seat that is held for the assumed 300 s: median 208 s, p90 691 s.
    assert!((200_000..215_000).contains(&eta.p50_ms) && (670_000..710_000).contains(&eta.p90_ms), "{eta:?}");
}

#[test]
fn an_explanation_says_why_each_agent_was_not_taken() {
    let mut desk = Desk::new(&[group("general"), group("vip")]);
    let steps = vec![step(skill("billing", 3), &[], Some(600))];
    desk.tell(Input::RulesReplaced(vec![
        rule("pay", intent("pay"), 600, steps),
        rule("again", intent("pay"), 500, Vec::new()),
    ]));
    desk.online(agent(1, &["general"], &[("billing", 1)], 5));
    desk.online(agent(2, &["general"], &[("billing", 5)], 0));
    desk.tell(Input::AgentUpserted(Box::new(agent(3, &["general"], &[("billing", 4)], 5))));
    desk.online(agent(4, &["vip"], &[("billing", 5)], 5));
    desk.arrive(Arrival { facts: facts(Some("pay"), None), ..arrival(1, "general", 0) });
    desk.now = at(7);
    let told = desk.engine.explain(&conversation(1), desk.now).unwrap();
    let parts: Vec<_> = told.head_start_parts.iter().map(|(rule, s)| (rule.as_str(), *s)).collect();
    assert_eq!(parts, [("pay", 600), ("again", 500)]);
    assert_eq!((told.head_start_ms, told.waited_ms, told.step), (900_000, 7_000, Some(0)));
    assert_eq!((told.reason, told.needs), (WaitReason::AllSeatsTaken, skill("billing", 3)));
    let verdicts: Vec<_> = told.candidates.iter().map(|view| (view.agent.as_u128(), view.verdict)).collect();
    assert_eq!(verdicts, [(1, Verdict::LacksNeeds), (2, Verdict::NoSeat { free: 0 }), (3, Verdict::Away)]);
}

#[test]
fn every_state_has_its_reason() {
    let reason = |desk: &Desk| desk.engine.explain(&conversation(1), desk.now).unwrap().reason;
    let mut desk = Desk::new(&[group("general")]);
    desk.arrive(Arrival {
        wanted: Some(Wanted { agent: agent_id(1), hard_for_s: 60, any_group: false }),
        ..arrival(1, "general", 0)
    });
    assert_eq!(reason(&desk), WaitReason::NobodyQualifies);
    desk.tell(Input::AgentUpserted(Box::new(agent(1, &["general"], &[], 1))));
    assert_eq!(reason(&desk), WaitReason::NobodyOnline);
    desk.tell(Input::Suspended { conversation: conversation(1) });
    assert_eq!(reason(&desk), WaitReason::VisitorAbsent);
    desk.tell(Input::Resumed { conversation: conversation(1) });
    desk.tell(Input::AgentAvailable { agent: agent_id(1), available: true });
    assert_eq!(reason(&desk), WaitReason::BeingAssigned { agent: agent_id(1) });
    let refused = |reason| Input::Refused { conversation: conversation(1), agent: agent_id(1), reason };
    desk.tell(refused(Refusal::Stale));
    assert_eq!(reason(&desk), WaitReason::AwaitingNews);
}

/// Past the bound on signatures a conversation waits for anyone of its group, which is counted.
#[test]
fn signatures_are_bounded() {
    let mut desk = Desk::new(&[group("general"), group("vip")]);
    let list = (0..255).map(|number| {
        let name = format!("s{number}");
        rule(&name, intent(&name), 0, vec![step(skill(&name, 1), &[], None)])
    });
    desk.tell(Input::RulesReplaced(list.collect()));
    let mut number = 0;
    for group in ["general", "vip"] {
        for seats in 1..=10 {
            for skill in 0..255 {
                number += 1;
                let facts = facts(Some(&format!("s{skill}")), None);
                desk.arrive(Arrival { seats, facts, ..arrival(number, group, 0) });
            }
        }
    }
    let given_up = desk.engine.counters().needs_given_up as usize;
    assert_eq!(given_up, 5_100 - MAX_SIGNATURES);
    let last = conversation(number);
    assert_eq!(desk.engine.explain(&last, desk.now).unwrap().needs, skill("s254", 1), "what it would need");
    let served = desk.online(agent(1, &["vip"], &[], 10));
    assert_eq!(super::desk::pairs(&served), [(4_097, 1)], "the first in order of those who wait for anyone");
    for number in 1..=2_550 {
        desk.tell(Input::Left { conversation: conversation(number) });
    }
    let facts = facts(Some("s7"), None);
    desk.arrive(Arrival { seats: 16, facts, ..arrival(9_999, "general", 0) });
    assert_eq!(desk.engine.counters().needs_given_up as usize, given_up, "unused ones made room");
}
