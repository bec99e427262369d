//! The client rules as tables of frames: what is said and taken, over holes, repeats, refusals and lost connections.

use super::*;
use crate::refusal::Code;
use serde_json::{Value, json};

const CONVERSATION: &str = "01900000-0000-7000-8000-000000000001";

fn conversation() -> ConversationId {
    CONVERSATION.parse().expect("a uuid")
}

fn visitor() -> Memory {
    Memory::new(Device { party: Party::Visitor("v".into()), number: 1 }, Sight::Visitor, "v")
}

fn welcome(conversations: Value) -> String {
    json!({"type": "welcome", "re": "v-1", "session": CONVERSATION, "node": "n", "durability": "local",
        "heartbeat_s": 25, "conversations": conversations, "limits": {"frame_bytes": 65536, "text_bytes": 8192,
        "frames_per_s": 20, "frames_burst": 40, "sends_in_flight": 16}})
    .to_string()
}

fn entry(seq: u64, prev: u64) -> String {
    json!({"type": "entry", "conversation": CONVERSATION, "seq": seq, "prev": prev, "at": "2025-11-19T16:00:00.007Z",
        "from": {"kind": "visitor", "id": "v", "name": ""}, "content": {"kind": "text", "text": format!("m{seq}")}})
    .to_string()
}

fn error(re: &str, code: &str, retry_after_ms: u64) -> String {
    json!({"type": "error", "re": re, "code": code, "message": "…", "retry_after_ms": retry_after_ms})
        .to_string()
}

fn ack(re: &str, seq: u64) -> String {
    json!({"type": "ack", "re": re, "conversation": CONVERSATION, "seq": seq, "at": "2025-11-19T16:00:00.007Z"})
        .to_string()
}

fn said(memory: &mut Memory) -> Vec<Value> {
    memory.take().say.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect()
}

/// Signed in, with the connection's first frames taken away.
fn signed_in() -> Memory {
    let mut memory = visitor();
    memory.hello("token");
    memory.hear(&welcome(json!([])), 0);
    memory.take();
    memory
}

#[test]
fn entries_are_taken_once_in_order_and_a_hole_is_fetched_once() {
    let mut memory = signed_in();
    for (seq, prev, cursor) in [(1, 0, 1), (1, 0, 1), (2, 1, 2), (5, 4, 2), (6, 5, 2)] {
        memory.hear(&entry(seq, prev), 0);
        assert_eq!(memory.cursor(conversation()), cursor, "after entry {seq}");
    }
    let fetches = said(&mut memory);
    assert_eq!(fetches.len(), 1, "one fetch at a time");
    assert_eq!((&fetches[0]["type"], &fetches[0]["after"]), (&json!("fetch"), &json!(2)));

    for (seq, prev) in [(4, 2), (5, 4)] {
        memory.hear(&entry(seq, prev), 0);
    }
    let re = fetches[0]["id"].as_str().expect("an id");
    let caught_up = |upto, head| {
        json!({"type": "caught_up", "re": re, "conversation": CONVERSATION, "upto": upto, "head": head})
            .to_string()
    };
    memory.hear(&caught_up(5, 6), 0);
    assert_eq!(said(&mut memory)[0]["after"], 5, "while upto < head, fetch again");
}

#[test]
fn a_visitor_takes_over_what_is_not_for_visitors() {
    let mut memory = signed_in();
    memory.hear(&entry(1, 0), 0);
    memory.hear(&entry(4, 1), 0);
    assert_eq!(memory.cursor(conversation()), 4);
    assert!(said(&mut memory).is_empty());
}

#[test]
fn what_was_not_answered_is_repeated_on_the_next_connection_in_order_under_its_id() {
    let mut memory = signed_in();
    let first = memory.send(conversation(), Content::text("one"), 0);
    let second = memory.send(conversation(), Content::text("two"), 0);
    let third = memory.send(conversation(), Content::text("three"), 0);
    memory.pump(0);
    assert_eq!(said(&mut memory).len(), 3);
    memory.hear(&ack(&first, 1), 0);
    memory.hear(&entry(1, 0), 0);
    memory.lost();
    memory.pump(0);
    assert!(said(&mut memory).is_empty(), "nothing is said before the welcome");

    let hello: Value = serde_json::from_str(&memory.hello("token")).expect("JSON");
    assert_eq!(hello["resume"], json!([{"conversation": CONVERSATION, "after": 1}]));
    memory.hear(&welcome(json!([])), 0);
    let ids: Vec<Value> = said(&mut memory).iter().map(|frame| frame["id"].clone()).collect();
    assert_eq!(ids, [json!(&*second), json!(&*third)]);
    assert!(!memory.is_quiet());
    memory.hear(&ack(&second, 2), 0);
    memory.hear(&ack(&third, 3), 0);
    assert!(memory.is_quiet());
}

#[test]
fn what_was_refused_for_now_goes_again_at_its_time_and_what_was_refused_for_good_never() {
    let mut memory = signed_in();
    let later = memory.send(conversation(), Content::text("one"), 0);
    let never = memory.send(conversation(), Content::text("two"), 0);
    memory.pump(0);
    memory.take();
    memory.hear(&error(&later, "rate_limited", 50), 1_000);
    memory.hear(&error(&never, "closed", 0), 1_000);
    let told: Vec<Heard> = memory.take().heard;
    assert!(matches!(&told[0], Heard::Refused { again: true, code: Code::RateLimited, .. }), "{told:?}");
    assert!(matches!(&told[1], Heard::Refused { again: false, code: Code::Closed, .. }), "{told:?}");
    assert_eq!((memory.unanswered(), memory.next_due_us()), (1, Some(51_000)));
    memory.pump(50_999);
    assert!(said(&mut memory).is_empty());
    memory.pump(51_000);
    assert_eq!(said(&mut memory)[0]["id"], json!(&*later));
}

#[test]
fn no_more_than_the_window_is_on_the_wire() {
    let mut memory = signed_in();
    let ids: Vec<_> =
        (0..12).map(|n| memory.send(conversation(), Content::text(format!("{n}")), 0)).collect();
    memory.pump(0);
    assert_eq!(said(&mut memory).len(), 8);
    memory.hear(&ack(&ids[0], 1), 0);
    assert_eq!(said(&mut memory).len(), 1);
}

#[test]
fn the_checker_is_told_of_a_call_before_it_is_said_and_of_each_entry_once() {
    let mut memory = signed_in();
    let id = memory.send(conversation(), Content::text("one"), 0);
    memory.pump(0);
    memory.hear(&entry(1, 0), 0);
    memory.hear(&entry(1, 0), 0);
    memory.hear(&ack(&id, 1), 0);
    let observed: Vec<Observation> = memory.take().observed.into_iter().map(|o| o.what).collect();
    let client_id = id;
    assert!(matches!(&observed[0], Observation::Called { client_id: called, .. } if *called == client_id));
    assert!(matches!(&observed[1], Observation::Took { seq: 1, .. }));
    assert!(matches!(&observed[2], Observation::Acked { seq: 1, .. }));
    assert_eq!(observed.len(), 3);
}

#[test]
fn an_agent_reads_what_was_said_before_and_speaks_under_the_assignment() {
    let agent = Party::Agent(crate::ident::AgentId::from_u128(1));
    let mut memory = Memory::new(Device { party: agent, number: 1 }, Sight::Desk, "a");
    memory.hello("token");
    memory.hear(&welcome(json!([])), 0);
    let summary = json!({"visitor": {"id": "v"}, "channel": "web", "priority": 0, "waited_ms": 7, "intent": null,
        "sentiment": null, "bot_transcript_head": null});
    let frame =
        json!({"type": "assigned", "conversation": CONVERSATION, "assign_seq": 3, "summary": summary});
    memory.hear(&frame.to_string(), 0);
    assert_eq!(said(&mut memory)[0]["type"], "fetch");
    memory.send(conversation(), Content::text("hello"), 0);
    memory.pump(0);
    assert_eq!(said(&mut memory)[0]["assign_seq"], 3);

    let over = json!({"type": "unassigned", "conversation": CONVERSATION, "reason": "transferred"});
    memory.hear(&over.to_string(), 0);
    assert_eq!(memory.positions().count(), 0, "no longer this agent's to read");
}

#[test]
fn a_frame_that_nobody_can_read_is_reported() {
    let mut memory = signed_in();
    memory.hear(r#"{"type":"nonsense"}"#, 0);
    memory.hear(&ack("never-asked", 1), 0);
    let heard = memory.take().heard;
    assert!(matches!(&heard[..], [Heard::Unreadable(_), Heard::Unreadable(_)]), "{heard:?}");
}
