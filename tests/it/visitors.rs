//! Every frame of visitors and of both sides, and what comes back.

use crate::client::Client;
use crate::desk::Desk;
use serde_json::json;

/// A desk with one agent online who has been given the visitor's conversation.
async fn talking() -> (Desk, Client, Client, String) {
    let mut desk = Desk::start();
    let (_, agent_token) = desk.agent("ann", 5).await;
    let (_, visitor_token) = desk.visitor().await;
    let mut agent = Client::agent(&desk, &agent_token).await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let conversation = visitor.open().await;
    agent.expect("assigned").await;
    (desk, visitor, agent, conversation)
}

#[tokio::test]
async fn opening_again_returns_the_conversation_that_lives_and_appends_content_once() {
    let mut desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let first = visitor.ask(json!({"type": "open", "subject": "包裹", "intent": "logistics"})).await;
    assert_eq!((&first["created"], &first["state"]), (&json!(true), &json!("queued")), "{first}");
    let content = json!({"kind": "text", "text": "hello"});
    let open = json!({"type": "open", "id": "o2", "content": content});
    let second = visitor.ask(open.clone()).await;
    assert_eq!((&second["conversation"], &second["created"]), (&first["conversation"], &json!(false)));
    assert!(second["seq"].is_u64(), "{second}");
    let repeated = visitor.ask(open).await;
    assert_eq!(repeated["seq"], second["seq"], "the open's id is the message's key");
    let conversation = first["conversation"].as_str().expect("an id").to_owned();
    let said = desk.entries(&conversation).await;
    assert_eq!(said.iter().filter(|entry| entry["content"]["text"] == "hello").count(), 1);
}

#[tokio::test]
async fn the_same_id_is_the_same_message_for_ever_and_other_content_is_a_conflict() {
    let (mut desk, mut visitor, _agent, conversation) = talking().await;
    let first = visitor.words(&conversation, "m1", "one").await;
    visitor.words(&conversation, "m2", "two").await;
    let again = visitor.words(&conversation, "m1", "one").await;
    assert_eq!((&again["seq"], &again["at"]), (&first["seq"], &first["at"]));
    let other = json!({"kind": "text", "text": "not one"});
    let send = json!({"type": "send", "id": "m1", "conversation": conversation, "content": other});
    visitor.refused(send, "conflict").await;
    visitor.ack(json!({"type": "close", "conversation": conversation})).await;
    let after = visitor.words(&conversation, "m1", "one").await;
    assert_eq!(after["seq"], first["seq"], "a repeat is a duplicate even after the close");
    desk.kill();
    desk.start_again();
    let log = desk.entries(&conversation).await;
    assert_eq!(log.iter().filter(|entry| entry["content"]["text"] == "one").count(), 1);
}

#[tokio::test]
async fn every_kind_of_content_reaches_the_agent_as_it_was_sent() {
    let (_desk, mut visitor, mut agent, conversation) = talking().await;
    let file = |kind: &str| json!({"kind": kind, "url": "https://shop.example/a.png", "name": "a", "size": 12, "mime": "image/png"});
    let card =
        |card: &str| json!({"kind": "card", "card": card, "data": {"id": "A-1", "lines": [1, {"a": null}]}});
    let mut kinds = vec![json!({"kind": "text", "text": "表情 🎁 \"quoted\" \\ and\nlines"})];
    kinds.extend(["image", "file", "voice"].map(file));
    kinds.extend(["order", "product", "logistics", "coupon", "form"].map(card));
    for content in kinds {
        let ack =
            visitor.ack(json!({"type": "send", "conversation": conversation, "content": content})).await;
        let seq = ack["seq"].clone();
        let heard = agent.find("the entry", |frame| frame["type"] == "entry" && frame["seq"] == seq).await;
        assert_eq!(heard["content"], content);
        let own =
            visitor.find("the own entry", |frame| frame["type"] == "entry" && frame["seq"] == seq).await;
        assert!(own["re"].is_string(), "the sender gets its own entry with re: {own}");
        assert!(heard["re"].is_null(), "re only on the connection that sent: {heard}");
    }
    let note = json!({"kind": "note", "text": "from a visitor"});
    visitor
        .refused(json!({"type": "send", "conversation": conversation, "content": note}), "forbidden")
        .await;
}

#[tokio::test]
async fn history_is_fetched_by_pages_up_to_the_head() {
    let (_desk, mut visitor, _agent, conversation) = talking().await;
    for n in 0..12 {
        visitor.words(&conversation, &format!("m{n}"), &format!("word {n}")).await;
    }
    let (mut after, mut words, mut pages) = (0, Vec::new(), 0);
    loop {
        let fetch = json!({"type": "fetch", "id": format!("f{pages}"), "conversation": conversation, "after": after,
            "limit": 5});
        visitor.say(&fetch).await;
        let re = format!("f{pages}");
        let caught_up = visitor.answer(&re).await;
        assert_eq!(caught_up["type"], "caught_up", "{caught_up}");
        pages += 1;
        after = caught_up["upto"].as_u64().expect("upto");
        words.push(after);
        if caught_up["upto"] == caught_up["head"] {
            break;
        }
        assert!(pages < 20, "fetching never ends: {words:?}");
    }
    assert!(pages >= 3, "{words:?}");
    let beyond = json!({"type": "fetch", "conversation": conversation, "after": 100_000});
    let caught_up = visitor.ask(beyond).await;
    assert_eq!(caught_up["type"], "caught_up", "{caught_up}");
}

#[tokio::test]
async fn typing_and_read_marks_reach_the_other_side_and_are_never_answered() {
    let (_desk, mut visitor, mut agent, conversation) = talking().await;
    let seq = visitor.words(&conversation, "m1", "one").await["seq"].clone();
    visitor.say(&json!({"type": "typing", "conversation": conversation, "preview": "wher"})).await;
    let typing = agent.expect("typing").await;
    assert_eq!((&typing["from"]["kind"], &typing["preview"]), (&json!("visitor"), &json!("wher")));
    agent.say(&json!({"type": "typing", "conversation": conversation})).await;
    assert_eq!(visitor.expect("typing").await["from"]["kind"], "agent");
    agent.say(&json!({"type": "read", "conversation": conversation, "seq": seq})).await;
    assert_eq!(visitor.expect("read").await["seq"], seq);
    visitor.still_serves().await;
}

#[tokio::test]
async fn a_recalled_message_is_gone_everywhere_and_its_place_stays() {
    let (mut desk, mut visitor, mut agent, conversation) = talking().await;
    let seq = visitor.words(&conversation, "m1", "my card number is 4000").await["seq"].clone();
    agent.entry_saying("my card number is 4000").await;
    visitor.ack(json!({"type": "recall", "conversation": conversation, "seq": seq})).await;
    let recalled = agent.entry_of("recalled").await;
    assert_eq!(recalled["content"]["data"]["seq"], seq);
    let log = desk.entries(&conversation).await;
    let place = log.iter().find(|entry| entry["seq"] == seq).expect("its place");
    assert_eq!(place["content"], json!({"kind": "redacted"}));
    let words = agent.words(&conversation, "a1", "fine").await["seq"].clone();
    visitor.refused(json!({"type": "recall", "conversation": conversation, "seq": words}), "forbidden").await;
    visitor.refused(json!({"type": "recall", "conversation": conversation, "seq": 9_999}), "not_found").await;
}

#[tokio::test]
async fn closing_invites_to_rate_refuses_words_and_reopening_brings_it_back() {
    let (_desk, mut visitor, mut agent, conversation) = talking().await;
    agent.words(&conversation, "a1", "done?").await;
    agent.ack(json!({"type": "close", "conversation": conversation, "disposition": "solved", "tags": ["parcel"]})).await;
    let closed = visitor.entry_of("closed").await;
    assert_eq!(closed["content"]["data"], json!({"by": "agent"}), "disposition and tags are the desk's own");
    visitor.expect("rate_invitation").await;
    let content = json!({"kind": "text", "text": "one more"});
    visitor
        .refused(json!({"type": "send", "conversation": conversation, "content": content}), "closed")
        .await;
    visitor.refused(json!({"type": "rate", "conversation": conversation, "score": 6}), "bad_frame").await;
    visitor.ack(json!({"type": "rate", "conversation": conversation, "score": 5, "comment": "谢谢"})).await;
    let rated = visitor.entry_of("rated").await;
    assert_eq!(rated["content"]["data"]["score"], 5);
    visitor.ack(json!({"type": "reopen", "conversation": conversation})).await;
    visitor.entry_of("reopened").await;
    let again = agent.expect("assigned").await;
    assert_eq!(again["conversation"], json!(conversation));
    visitor.words(&conversation, "m9", "one more").await;
    agent.entry_saying("one more").await;
}

#[tokio::test]
async fn waiting_visitors_know_their_place() {
    let desk = Desk::start();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let (_, token) = desk.visitor().await;
        let mut visitor = Client::visitor(&desk, &token).await;
        visitor.open().await;
        waiting.push(visitor);
    }
    for (rank, visitor) in (1..).zip(&mut waiting) {
        let place = visitor.expect("queue").await;
        assert_eq!(place["rank"], rank, "{place}");
        assert!(place["eta_s"].is_null() || place["eta_s"]["p90"].is_u64(), "{place}");
    }
}

#[tokio::test]
async fn a_visitor_speaks_from_several_devices_and_a_device_has_one_connection() {
    let desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let device = json!({"device": "laptop"});
    let (mut first, _) = Client::sign_in(&desk, "/ws/visitor", &token, device.clone()).await;
    let (mut phone, _) = Client::sign_in(&desk, "/ws/visitor", &token, json!({"device": "phone"})).await;
    let conversation = first.open().await;
    phone.words(&conversation, "p1", "hello from the phone").await;
    first.entry_saying("hello from the phone").await;
    let (mut second, _) = Client::sign_in(&desk, "/ws/visitor", &token, device).await;
    assert_eq!(first.ended().await.0, Some(4409));
    second.words(&conversation, "l1", "hello from the laptop").await;
    phone.entry_saying("hello from the laptop").await;
}

#[tokio::test]
async fn pong_brings_the_heads_of_live_conversations() {
    let (_desk, mut visitor, _agent, conversation) = talking().await;
    let seq = visitor.words(&conversation, "m1", "one").await["seq"].clone();
    let pong = visitor.ask(json!({"type": "ping"})).await;
    assert_eq!(pong["heads"][&conversation], seq, "{pong}");
}

#[tokio::test]
async fn a_message_can_be_left_while_nobody_is_there() {
    let mut desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    let content = json!({"kind": "text", "text": "please call back"});
    visitor
        .ack(json!({"type": "leave_message", "conversation": conversation, "content": content, "contact": "138…"}))
        .await;
    visitor.entry_of("message_left").await;
    let admin = desk.admin().await;
    let kept = desk.must("GET", &format!("/api/v1/conversations/{conversation}"), &admin, None).await;
    assert_eq!(kept["state"], "message_left", "{kept}");
}

#[tokio::test]
async fn far_behind_means_reset_and_loading_by_pages() {
    let desk = Desk::with(&["limits.resume_max_behind=20"]);
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    for n in 0..25 {
        visitor.words(&conversation, &format!("m{n}"), "again").await;
    }
    let resume = json!({"resume": [{"conversation": conversation, "after": 0}]});
    let (mut back, _) = Client::sign_in(&desk, "/ws/visitor", &token, resume).await;
    let reset = back.expect("reset").await;
    assert_eq!(
        (&reset["conversation"], &reset["reason"]),
        (&json!(conversation), &json!("behind")),
        "{reset}"
    );
    let caught_up = back.ask(json!({"type": "fetch", "conversation": conversation, "after": 0})).await;
    assert_eq!(caught_up["upto"], reset["head"], "{caught_up}");
}
