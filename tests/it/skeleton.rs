//! The walking skeleton: open, send, commit, ack, deliver, kill, resume, assign.

use crate::client::Client;
use crate::desk::Desk;
use serde_json::{Value, json};

#[tokio::test]
async fn a_shopper_is_heard_assigned_answered_and_resumes_after_a_kill() {
    let mut desk = Desk::start();
    let (visitor_id, visitor_token) = desk.visitor().await;
    let (agent_id, agent_token) = desk.agent("ann", 2).await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let conversation = visitor.open().await;
    let ack = visitor.words(&conversation, "m1", "我的快递在哪里").await;
    let seq = ack["seq"].as_u64().expect("a seq");

    let mut agent = Client::agent(&desk, &agent_token).await;
    let assigned = agent.expect("assigned").await;
    assert_eq!(assigned["conversation"], json!(conversation));
    assert_eq!(assigned["summary"]["visitor"]["id"], json!(visitor_id));
    let told = visitor.entry_of("assigned").await;
    assert_eq!(told["content"]["data"], json!({"name": "Agent ann"}), "visitors get the name only");

    agent.say(&json!({"type": "fetch", "id": "f", "conversation": conversation, "after": 0})).await;
    let heard = agent.entry_saying("我的快递在哪里").await;
    assert_eq!((&heard["seq"], &heard["from"]["kind"]), (&json!(seq), &json!("visitor")));
    let caught_up = agent.answer("f").await;
    assert_eq!((&caught_up["type"], &caught_up["upto"]), (&json!("caught_up"), &caught_up["head"]));
    agent.words(&conversation, "a1", "让我看看").await;
    let answer = visitor.entry_saying("让我看看").await;
    assert_eq!(answer["from"]["id"], json!(agent_id));

    desk.kill();
    desk.start_again();
    let resume = json!({"resume": [{"conversation": conversation, "after": seq}]});
    let (mut visitor, welcome) = Client::sign_in(&desk, "/ws/visitor", &visitor_token, resume).await;
    let live = &welcome["conversations"][0];
    assert_eq!(live["conversation"], json!(conversation), "{welcome}");
    let again = visitor.entry_saying("让我看看").await;
    assert_eq!((&again["seq"], &again["at"]), (&answer["seq"], &answer["at"]), "the same entry");
    let caught_up = visitor.expect("caught_up").await;
    assert_eq!((&caught_up["re"], &caught_up["head"]), (&json!("hello"), &live["head"]));

    let (mut agent, welcome) = Client::sign_in(&desk, "/ws/agent", &agent_token, json!({})).await;
    assert_eq!(welcome["presence"], "online", "presence is durable: {welcome}");
    let still = agent.expect("assigned").await;
    assert_eq!(still["assign_seq"], assigned["assign_seq"], "the same assignment");
    agent.words(&conversation, "a2", "在路上了").await;
    visitor.entry_saying("在路上了").await;
}

#[tokio::test]
async fn welcome_tells_who_where_and_under_which_limits() {
    let mut desk = Desk::start();
    let (visitor_id, token) = desk.visitor().await;
    let (_, welcome) = Client::sign_in(&desk, "/ws/visitor", &token, json!({})).await;
    assert_eq!((&welcome["re"], &welcome["durability"]), (&json!("hello"), &json!("local")));
    assert_eq!(welcome["visitor"]["id"], json!(visitor_id));
    assert_eq!(welcome["conversations"], json!([]));
    assert_eq!(welcome["heartbeat_s"], 25);
    let limits = json!({"frame_bytes": 65536, "text_bytes": 8192, "frames_per_s": 20, "frames_burst": 40,
        "sends_in_flight": 16});
    assert_eq!(welcome["limits"], limits);
    for field in ["session", "node"] {
        assert!(welcome[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {welcome}");
    }
    let (agent_id, token) = desk.agent("ann", 3).await;
    let (_, welcome) = Client::sign_in(&desk, "/ws/agent", &token, json!({})).await;
    assert_eq!((&welcome["agent"]["id"], &welcome["capacity"]), (&json!(agent_id), &json!(3)), "{welcome}");
    assert_eq!((&welcome["groups"], &welcome["load"]), (&json!(["general"]), &json!(0)));
    assert_eq!(welcome["presence"], "offline");
}

#[tokio::test]
async fn the_subprotocol_is_spoken_and_an_origin_that_is_not_listed_is_refused() {
    let desk = Desk::with(&["server.allowed_origins=[\"https://shop.example\"]"]);
    let (_, response) =
        Client::shake_hands(&desk, "/ws/visitor", &[]).await.expect("no Origin: not a browser");
    let spoken = response.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
    assert_eq!(spoken, Some("rushdesk.v1"));
    let listed = [("origin", "https://shop.example")];
    assert!(Client::shake_hands(&desk, "/ws/visitor", &listed).await.is_ok());
    let foreign = [("origin", "https://evil.example")];
    assert!(Client::shake_hands(&desk, "/ws/visitor", &foreign).await.is_err());
}

/// Every entry of a log once, in order, each with the right `prev` for its reader.
fn assert_chain(entries: &[Value]) {
    let mut before = 0;
    for entry in entries {
        assert_eq!(entry["prev"], before, "{entry}");
        before = entry["seq"].as_u64().expect("a seq");
    }
}

#[tokio::test]
async fn logs_are_gap_free_for_the_desk_and_chained_for_the_visitor() {
    let mut desk = Desk::start();
    let (_, visitor_token) = desk.visitor().await;
    let (_, agent_token) = desk.agent("ann", 2).await;
    let mut agent = Client::agent(&desk, &agent_token).await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let conversation = visitor.open().await;
    agent.expect("assigned").await;
    visitor.words(&conversation, "m1", "one").await;
    let note = json!({"kind": "note", "text": "a difficult one"});
    agent.ack(json!({"type": "send", "conversation": conversation, "content": note})).await;
    agent.words(&conversation, "a1", "two").await;
    visitor.ack(json!({"type": "close", "conversation": conversation})).await;
    visitor.entry_of("closed").await;

    let desk_log = desk.entries(&conversation).await;
    assert_chain(&desk_log);
    let seqs: Vec<u64> = desk_log.iter().map(|entry| entry["seq"].as_u64().expect("a seq")).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert!(desk_log.iter().any(|entry| entry["content"]["kind"] == "note"));

    let path = format!("/api/v1/conversations/{conversation}/entries?limit=500");
    let page = desk.must("GET", &path, &visitor_token, None).await;
    let seen = page["items"].as_array().expect("items");
    assert_chain(seen);
    assert!(seen.len() < desk_log.len());
    assert!(!seen.iter().any(|entry| entry["content"]["kind"] == "note"), "{page}");
}
