//! Every frame of agents, and what comes back.

use crate::client::Client;
use crate::desk::Desk;
use serde_json::json;

async fn shopper(desk: &Desk) -> (Client, String) {
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(desk, &token).await;
    let conversation = visitor.open().await;
    (visitor, conversation)
}

#[tokio::test]
async fn no_agent_gets_more_than_the_seats_and_a_freed_seat_is_filled_by_the_first_in_line() {
    let mut desk = Desk::start();
    let (_, token) = desk.agent("ann", 2).await;
    let mut agent = Client::agent(&desk, &token).await;
    let (_one, first) = shopper(&desk).await;
    let (_two, second) = shopper(&desk).await;
    let (_three, third) = shopper(&desk).await;
    let (_four, _) = shopper(&desk).await;
    for conversation in [&first, &second] {
        assert_eq!(agent.expect("assigned").await["conversation"], json!(conversation));
    }
    agent.never("a third conversation for two seats", |frame| frame["type"] == "assigned").await;
    agent.ack(json!({"type": "close", "conversation": first})).await;
    assert_eq!(agent.expect("assigned").await["conversation"], json!(third));
}

#[tokio::test]
async fn an_offer_is_accepted_declined_or_runs_out() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let group = json!({"id": "by-hand", "name": "By hand", "accept": "manual", "offer_s": 2});
    desk.must("POST", "/api/v1/groups", &admin, Some(group)).await;
    let (_, token) = desk.hire("ann", "agent", &["by-hand"], 2).await;
    let mut agent = Client::agent(&desk, &token).await;
    let (_, visitor_token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let opened = visitor.ask(json!({"type": "open", "group": "by-hand"})).await;
    let offer = agent.expect("offer").await;
    assert_eq!(offer["conversation"], opened["conversation"]);
    assert!(offer["expires_ms"].as_u64().is_some_and(|ms| ms > 0 && ms <= 2_000), "{offer}");
    agent.ack(json!({"type": "decline", "offer": offer["offer"], "reason": "lunch"})).await;
    let again = agent.expect("offer").await;
    assert_ne!(again["offer"], offer["offer"], "nobody else can: it comes back");
    agent.find("its end", |f| f["type"] == "offer_withdrawn" && f["offer"] == again["offer"]).await;
    agent.refused(json!({"type": "accept", "offer": again["offer"]}), "expired").await;
    let third = agent.find("another offer", |f| f["type"] == "offer" && f["offer"] != again["offer"]).await;
    agent.ack(json!({"type": "accept", "offer": third["offer"]})).await;
    let assigned = agent.expect("assigned").await;
    assert_eq!(assigned["conversation"], opened["conversation"]);
    visitor.entry_of("assigned").await;
}

#[tokio::test]
async fn transfer_and_release_move_the_conversation_and_the_old_assignment_is_stale() {
    let mut desk = Desk::start();
    let (ann_id, ann_token) = desk.agent("ann", 2).await;
    let (ben_id, ben_token) = desk.agent("ben", 2).await;
    let mut ann = Client::agent(&desk, &ann_token).await;
    let (mut visitor, conversation) = shopper(&desk).await;
    let first = ann.expect("assigned").await["assign_seq"].as_u64().expect("a number");
    let mut ben = Client::agent(&desk, &ben_token).await;
    let to = json!({"agent": ben_id});
    ann.ack(json!({"type": "transfer", "conversation": conversation, "to": to, "note": "she knows"})).await;
    assert_eq!(ann.expect("unassigned").await["conversation"], json!(conversation));
    let second = ben.expect("assigned").await["assign_seq"].as_u64().expect("a number");
    assert!(second > first);
    visitor.entry_of("transferred").await;

    let content = json!({"kind": "text", "text": "still me?"});
    let stale =
        json!({"type": "send", "conversation": conversation, "content": content, "assign_seq": first});
    ann.refused(stale.clone(), "reassigned").await;
    for kind in ["close", "release"] {
        ann.refused(json!({"type": kind, "conversation": conversation, "assign_seq": first}), "reassigned")
            .await;
    }
    ben.refused(stale, "reassigned").await;
    ben.ack(json!({"type": "release", "conversation": conversation})).await;
    ben.expect("unassigned").await;
    let third = ann.expect("assigned").await;
    assert_eq!(third["conversation"], json!(conversation), "not to the same agent while others can");
    assert!(third["assign_seq"].as_u64().expect("a number") > second);
    let log = desk.entries(&conversation).await;
    let held: Vec<_> = log
        .iter()
        .filter(|entry| entry["content"]["event"] == "assigned")
        .map(|entry| entry["content"]["data"]["agent"].clone())
        .collect();
    assert_eq!(held, [json!(ann_id), json!(ben_id), json!(ann_id)]);
}

#[tokio::test]
async fn presence_decides_who_gets_work_and_offline_gives_it_back() {
    let mut desk = Desk::start();
    let (_, ann_token) = desk.agent("ann", 2).await;
    let (_, ben_token) = desk.agent("ben", 2).await;
    let mut ann = Client::agent(&desk, &ann_token).await;
    let (_visitor, conversation) = shopper(&desk).await;
    ann.expect("assigned").await;
    ann.presence("away").await;
    let (_second_visitor, second) = shopper(&desk).await;
    ann.never("work while away", |frame| frame["type"] == "assigned").await;
    let mut ben = Client::agent(&desk, &ben_token).await;
    assert_eq!(ben.expect("assigned").await["conversation"], json!(second));
    ann.presence("offline").await;
    ann.expect("unassigned").await;
    assert_eq!(
        ben.expect("assigned").await["conversation"],
        json!(conversation),
        "offline queues again at once"
    );
    ann.refused(json!({"type": "presence", "status": "asleep"}), "bad_frame").await;
}

#[tokio::test]
async fn a_conversation_can_be_picked_by_hand_once() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let group = json!({"id": "pickers", "name": "Pickers", "accept": "manual", "pick": true});
    desk.must("POST", "/api/v1/groups", &admin, Some(group)).await;
    let (_, ann_token) = desk.hire("ann", "agent", &["pickers"], 1).await;
    let (_, ben_token) = desk.hire("ben", "agent", &["pickers"], 1).await;
    let (_, visitor_token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let opened = visitor.ask(json!({"type": "open", "group": "pickers"})).await;
    let mut ann = Client::agent(&desk, &ann_token).await;
    let mut ben = Client::agent(&desk, &ben_token).await;
    let pick = json!({"type": "pick", "conversation": opened["conversation"]});
    // One of them has it on offer already; that neither keeps the other from picking nor gives it to both.
    let (one, two) = tokio::join!(ann.ask(pick.clone()), ben.ask(pick));
    let kinds = [one["type"].as_str(), two["type"].as_str()];
    assert!(kinds.contains(&Some("ack")) && kinds.contains(&Some("error")), "{one} and {two}");
    let id = opened["conversation"].as_str().expect("an id");
    let log = desk.entries(id).await;
    assert_eq!(log.iter().filter(|entry| entry["content"]["event"] == "assigned").count(), 1);
}

#[tokio::test]
async fn an_agent_who_lost_the_connection_keeps_the_conversations_for_the_grace_only() {
    let mut desk = Desk::with(&["conversation.presence_grace_s=2"]);
    let (_, ann_token) = desk.agent("ann", 2).await;
    let (_, ben_token) = desk.agent("ben", 2).await;
    let mut ann = Client::agent(&desk, &ann_token).await;
    let (_visitor, conversation) = shopper(&desk).await;
    ann.expect("assigned").await;
    drop(ann);
    let mut ann = Client::sign_in(&desk, "/ws/agent", &ann_token, json!({})).await.0;
    assert_eq!(ann.expect("assigned").await["conversation"], json!(conversation), "back within the grace");
    let mut ben = Client::agent(&desk, &ben_token).await;
    drop(ann);
    let moved = ben.expect("assigned").await;
    assert_eq!(moved["conversation"], json!(conversation), "requeued after the grace");
    let log = desk.entries(&conversation).await;
    let requeued = log.iter().find(|entry| entry["content"]["event"] == "requeued").expect("requeued");
    assert_eq!(requeued["content"]["data"]["reason"], "agent_lost");
}

#[tokio::test]
async fn work_flows_again_without_a_word_after_a_reconnect() {
    let mut desk = Desk::start();
    let (_, token) = desk.agent("ann", 2).await;
    let ann = Client::agent(&desk, &token).await;
    drop(ann);
    let (mut ann, welcome) = Client::sign_in(&desk, "/ws/agent", &token, json!({})).await;
    assert_eq!(welcome["presence"], "online");
    let (_visitor, conversation) = shopper(&desk).await;
    assert_eq!(ann.expect("assigned").await["conversation"], json!(conversation));
}

#[tokio::test]
async fn wrap_up_holds_the_seat_until_done() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let group = json!({"id": "careful", "name": "Careful", "wrap_up_s": 60});
    desk.must("POST", "/api/v1/groups", &admin, Some(group)).await;
    let (_, token) = desk.hire("ann", "agent", &["careful"], 1).await;
    let mut ann = Client::agent(&desk, &token).await;
    let mut visitors = Vec::new();
    let mut opened = Vec::new();
    for _ in 0..2 {
        let (_, visitor_token) = desk.visitor().await;
        let mut visitor = Client::visitor(&desk, &visitor_token).await;
        opened.push(visitor.ask(json!({"type": "open", "group": "careful"})).await["conversation"].clone());
        visitors.push(visitor);
    }
    assert_eq!(ann.expect("assigned").await["conversation"], opened[0]);
    ann.ack(json!({"type": "close", "conversation": opened[0]})).await;
    ann.never("a second conversation during the wrap-up", |frame| frame["type"] == "assigned").await;
    ann.ack(json!({"type": "done", "conversation": opened[0]})).await;
    assert_eq!(ann.expect("assigned").await["conversation"], opened[1]);
}

#[tokio::test]
async fn leaving_after_the_present_conversations_takes_nothing_new_and_gives_nothing_back() {
    for status in ["away", "offline"] {
        let mut desk = Desk::start();
        let (id, token) = desk.agent("ann", 3).await;
        let mut ann = Client::agent(&desk, &token).await;
        let (mut visitor, held) = shopper(&desk).await;
        ann.expect("assigned").await;
        ann.ack(json!({"type": "presence", "status": status, "after_current": true})).await;
        let (_waiting, waiting) = shopper(&desk).await;
        ann.never("work for one who leaves, or work taken from one who has it", |frame| {
            frame["type"] == "assigned" || frame["type"] == "unassigned"
        })
        .await;
        ann.words(&held, "a1", "one moment").await;
        visitor.entry_saying("one moment").await;
        assert_eq!(welcomed(&desk, &token).await, "online", "it has not taken effect");
        ann.ack(json!({"type": "close", "conversation": held})).await;
        let mut presence = String::new();
        for _ in 0..100 {
            presence = welcomed(&desk, &token).await;
            if presence == status {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        assert_eq!(presence, status, "the last conversation has ended");
        let log = desk.entries(&waiting).await;
        assert!(!log.iter().any(|entry| entry["content"]["event"] == "assigned"), "{id}: {log:?}");
        ann.presence("online").await;
        assert_eq!(ann.expect("assigned").await["conversation"], json!(waiting));
    }
}

/// The presence that a further connection of the agent is told.
async fn welcomed(desk: &Desk, token: &str) -> String {
    let (_, welcome) = Client::sign_in(desk, "/ws/agent", token, json!({})).await;
    welcome["presence"].as_str().expect("a presence").to_owned()
}

#[tokio::test]
async fn an_offer_that_was_open_when_the_desk_died_can_be_taken_at_once() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let group = json!({"id": "by-hand", "name": "By hand", "accept": "manual", "offer_s": 120});
    desk.must("POST", "/api/v1/groups", &admin, Some(group)).await;
    let (_, token) = desk.hire("ann", "agent", &["by-hand"], 2).await;
    let mut agent = Client::agent(&desk, &token).await;
    let (_, visitor_token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let opened = visitor.ask(json!({"type": "open", "group": "by-hand"})).await;
    let offer = agent.expect("offer").await;
    desk.kill();
    desk.start_again();
    let (mut agent, _) = Client::sign_in(&desk, "/ws/agent", &token, json!({})).await;
    assert_eq!(agent.expect("offer").await["offer"], offer["offer"], "the journal still has it");
    agent.ack(json!({"type": "accept", "offer": offer["offer"]})).await;
    assert_eq!(agent.expect("assigned").await["conversation"], opened["conversation"]);
}
