//! What happens by itself: idle ends with a reminder, also over a kill; rest and waking; ceilings, hours, abandonment.

use crate::client::Client;
use crate::desk::Desk;
use serde_json::{Value, json};

async fn until_state(desk: &mut Desk, conversation: &str, state: &str) -> Value {
    let admin = desk.admin().await;
    let path = format!("/api/v1/conversations/{conversation}");
    for _ in 0..100 {
        let now = desk.must("GET", &path, &admin, None).await;
        if now["state"] == state {
            return now;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("{conversation} is never {state}: {:?}", desk.entries(conversation).await);
}

/// A desk that ends silent conversations after `idle_s`, and says so `reminder_s` before.
fn ending_after(idle_s: u32, reminder_s: u32) -> Desk {
    Desk::with(&[
        &format!("conversation.idle_end_s={idle_s}"),
        &format!("conversation.idle_end_promotion_s={idle_s}"),
        &format!("conversation.reminder_before_s={reminder_s}"),
    ])
}

/// An agent and a visitor in their conversation.
async fn served(desk: &mut Desk) -> (Client, Client, String) {
    let (_, agent_token) = desk.agent("ann", 1).await;
    let (_, token) = desk.visitor().await;
    let mut agent = Client::agent(desk, &agent_token).await;
    let mut visitor = Client::visitor(desk, &token).await;
    let conversation = visitor.open().await;
    agent.expect("assigned").await;
    (agent, visitor, conversation)
}

#[tokio::test]
async fn silence_is_reminded_of_and_ends_the_conversation() {
    let mut desk = ending_after(3, 2);
    let (mut agent, mut visitor, conversation) = served(&mut desk).await;
    agent.words(&conversation, "a1", "are you there?").await;
    let reminder = visitor.entry_of("idle_reminder").await;
    assert!(reminder["content"]["data"]["ends_at"].is_string(), "{reminder}");
    let closed = visitor.entry_of("closed").await;
    assert_eq!(closed["content"]["data"]["by"], "idle", "{closed}");
    agent.expect("unassigned").await;
    until_state(&mut desk, &conversation, "closed").await;
}

#[tokio::test]
async fn a_timer_outlives_the_process_that_set_it() {
    let mut desk = ending_after(2, 1);
    let (mut agent, _visitor, conversation) = served(&mut desk).await;
    agent.words(&conversation, "a1", "are you there?").await;
    desk.kill();
    desk.start_again();
    until_state(&mut desk, &conversation, "closed").await;
}

#[tokio::test]
async fn a_conversation_at_rest_is_woken_by_the_next_word() {
    let mut desk = Desk::with(&["conversation.passivate_after_s=1"]);
    let (mut agent, mut visitor, conversation) = served(&mut desk).await;
    visitor.words(&conversation, "m1", "one").await;
    for n in 0..100 {
        let metrics = desk.ask("GET", "/metrics", None, None).await.text();
        let rested =
            metrics.lines().find_map(|line| line.strip_prefix("rushdesk_conversations_passivated_total "));
        if rested.is_some_and(|count| count != "0") {
            break;
        }
        assert!(n < 99, "it never rests:\n{metrics}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let (one, two) =
        tokio::join!(visitor.words(&conversation, "m2", "two"), agent.words(&conversation, "a1", "three"),);
    assert_ne!(one["seq"], two["seq"]);
    agent.entry_saying("two").await;
    visitor.entry_saying("three").await;
    let seqs: Vec<_> = desk.entries(&conversation).await.iter().map(|entry| entry["seq"].as_u64()).collect();
    assert!(seqs.iter().zip(1..).all(|(seq, place)| *seq == Some(place)), "{seqs:?}");
}

#[tokio::test]
async fn beyond_the_ceiling_and_outside_the_hours_a_message_is_stored_instead_of_a_place() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let small = json!({"id": "small", "name": "Small", "queue_ceiling": 1});
    let night = json!({"id": "night", "name": "Closed", "overflow": {"when_closed": "leave_message"},
        "hours": {"zone": "Asia/Shanghai", "week": {}, "holidays": []}});
    for group in [small, night] {
        desk.must("POST", "/api/v1/groups", &admin, Some(group)).await;
    }
    let mut states = Vec::new();
    for group in ["small", "small", "night"] {
        let (_, token) = desk.visitor().await;
        let mut visitor = Client::visitor(&desk, &token).await;
        let opened = visitor.ask(json!({"type": "open", "group": group})).await;
        states.push(opened["state"].as_str().expect("a state").to_owned());
    }
    assert_eq!(states, ["queued", "message_left", "message_left"]);
}

#[tokio::test]
async fn a_visitor_who_left_keeps_the_place_and_is_offered_again_only_when_back() {
    let mut desk = Desk::with(&["conversation.abandon_s=1"]);
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    drop(visitor);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let (_, agent_token) = desk.agent("ann", 1).await;
    let mut agent = Client::agent(&desk, &agent_token).await;
    agent.never("a conversation without a visitor", |frame| frame["type"] == "assigned").await;
    let _back = Client::visitor(&desk, &token).await;
    assert_eq!(agent.expect("assigned").await["conversation"], json!(conversation));
}

#[tokio::test]
async fn a_returning_visitor_goes_to_the_agent_who_knows_them() {
    let mut desk = Desk::start();
    let (_, ann_token) = desk.agent("ann", 2).await;
    let (_, ben_token) = desk.agent("ben", 2).await;
    let (_, token) = desk.visitor().await;
    let mut ann = Client::agent(&desk, &ann_token).await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let first = visitor.open().await;
    ann.expect("assigned").await;
    ann.words(&first, "a1", "hello").await;
    let mut ben = Client::agent(&desk, &ben_token).await;
    ann.ack(json!({"type": "close", "conversation": first})).await;
    visitor.entry_of("closed").await;
    let second = visitor.open().await;
    assert_ne!(second, first);
    assert_eq!(ann.expect("assigned").await["conversation"], json!(second));
    ben.never("Ann's customer", |frame| frame["type"] == "assigned").await;
}

#[tokio::test]
async fn what_comes_to_an_agent_after_the_grace_goes_back_too() {
    let mut desk = Desk::with(&["conversation.presence_grace_s=1"]);
    let admin = desk.admin().await;
    let group = json!({"id": "pickers", "name": "Pickers", "accept": "manual", "pick": true});
    desk.must("POST", "/api/v1/groups", &admin, Some(group)).await;
    let (_, agent_token) = desk.hire("ann", "agent", &["pickers"], 1).await;
    drop(Client::agent(&desk, &agent_token).await);
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let opened = visitor.ask(json!({"type": "open", "group": "pickers"})).await;
    let conversation = opened["conversation"].as_str().expect("an id").to_owned();
    let pick = format!("/api/v1/conversations/{conversation}/pick");
    desk.must("POST", &pick, &agent_token, None).await;
    until_state(&mut desk, &conversation, "queued").await;
    let log = desk.entries(&conversation).await;
    let requeued = log.iter().find(|entry| entry["content"]["event"] == "requeued").expect("requeued");
    assert_eq!(requeued["content"]["data"]["reason"], "agent_lost");
}
