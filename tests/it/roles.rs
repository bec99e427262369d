//! Who may do what: visitors, agents, supervisors, administrators, and those with a bad token.

use crate::client::{Client, Ended};
use crate::desk::{Desk, VISITOR_SECRET, program};
use serde_json::json;

pub(crate) async fn sign_in_ends(desk: &Desk, path: &str, token: &str) -> (Option<String>, Ended) {
    let mut client = Client::connect(desk, path).await;
    client.say(&json!({"type": "hello", "id": "hello", "token": token})).await;
    let mut code = None;
    loop {
        match client.hear().await {
            Ok(frame) => code = frame["code"].as_str().map(str::to_owned).or(code),
            Err(ended) => return (code, ended),
        }
    }
}

#[tokio::test]
async fn a_bad_token_is_refused_with_a_code_and_closed() {
    let mut desk = Desk::start();
    let (_, visitor_token) = desk.visitor().await;
    let (_, agent_token) = desk.agent("ann", 1).await;
    let mut forged = visitor_token.clone().into_bytes();
    let last = forged.len() - 10;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("text");
    let none =
        "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ4IiwiYXVkIjoicnVzaGRlc2siLCJleHAiOjQxMDI0NDQ4MDB9.";
    for (what, path, token) in [
        ("forged", "/ws/visitor", forged.as_str()),
        ("no algorithm", "/ws/visitor", none),
        ("empty", "/ws/visitor", ""),
        ("nonsense", "/ws/agent", "not.a.token"),
        ("a visitor's at the agents' door", "/ws/agent", &visitor_token),
        ("an agent's at the visitors' door", "/ws/visitor", &agent_token),
    ] {
        let (code, ended) = sign_in_ends(&desk, path, token).await;
        assert!(matches!(ended.0, Some(4400 | 4401 | 4403)), "{what}: {code:?} {ended:?}");
        assert!(code.is_some(), "{what}: no error frame before {ended:?}");
    }
}

/// Signs a visitor token by the program's own command.
fn signed(desk: &Desk, arguments: &[&str]) -> String {
    let folder = desk.store();
    let out = program(folder.parent().expect("a folder"))
        .args(["token", "visitor"])
        .args(arguments)
        .output()
        .expect("the program");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("text").trim().to_owned()
}

#[tokio::test]
async fn a_token_signed_over_the_shops_secret_lets_the_known_shopper_in_with_the_tier() {
    let desk = Desk::start();
    assert!(VISITOR_SECRET.len() >= 32);
    let token = signed(&desk, &["--subject", "buyer-7", "--name", "王小姐", "--tier", "vip"]);
    let (mut visitor, welcome) = Client::sign_in(&desk, "/ws/visitor", &token, json!({})).await;
    assert_eq!(welcome["visitor"], json!({"id": "buyer-7", "name": "王小姐", "tier": "vip"}));
    visitor.open().await;
    let brief = signed(&desk, &["--subject", "buyer-8", "--expires-in", "1s"]);
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    let (code, ended) = sign_in_ends(&desk, "/ws/visitor", &brief).await;
    assert_eq!((code.as_deref(), ended.0), (Some("unauthenticated"), Some(4401)), "expired");
}

#[tokio::test]
async fn another_visitors_conversation_is_nobody_elses() {
    let desk = Desk::start();
    let (_, mine) = desk.visitor().await;
    let (_, theirs) = desk.visitor().await;
    let mut owner = Client::visitor(&desk, &mine).await;
    let conversation = owner.open().await;
    owner.words(&conversation, "m1", "secret").await;
    let mut thief = Client::visitor(&desk, &theirs).await;
    let content = json!({"kind": "text", "text": "hi"});
    let seq = 1;
    for frame in [
        json!({"type": "send", "conversation": conversation, "content": content}),
        json!({"type": "fetch", "conversation": conversation, "after": 0}),
        json!({"type": "recall", "conversation": conversation, "seq": seq}),
        json!({"type": "close", "conversation": conversation}),
        json!({"type": "reopen", "conversation": conversation}),
        json!({"type": "rate", "conversation": conversation, "score": 1}),
        json!({"type": "request_agent", "conversation": conversation}),
        json!({"type": "leave_message", "conversation": conversation, "content": content}),
    ] {
        // Whether it exists may be hidden or not: a UUIDv7 is not guessed.
        let answer = thief.ask(frame.clone()).await;
        assert_eq!(answer["type"], "error", "{frame} got {answer}");
        assert!(
            ["not_found", "forbidden"].contains(&answer["code"].as_str().expect("a code")),
            "{frame} got {answer}"
        );
    }
    for hint in [
        json!({"type": "typing", "conversation": conversation}),
        json!({"type": "read",
        "conversation": conversation, "seq": seq}),
    ] {
        thief.say(&hint).await;
    }
    owner.never("a stranger's hint", |frame| frame["type"] == "typing" || frame["type"] == "read").await;
    let resume = json!({"resume": [{"conversation": conversation, "after": 0}]});
    let (mut thief, _) = Client::sign_in(&desk, "/ws/visitor", &theirs, resume).await;
    let refused = thief.expect("error").await;
    assert_eq!(refused["conversation"], json!(conversation), "{refused}");
    thief.still_serves().await;
    for path in ["", "/entries"] {
        let path = format!("/api/v1/conversations/{conversation}{path}");
        let answer = desk.ask("GET", &path, Some(&theirs), None).await;
        assert!([403, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
}

#[tokio::test]
async fn visitors_cannot_say_what_agents_say_and_agents_not_what_visitors_say() {
    let mut desk = Desk::start();
    let (_, visitor_token) = desk.visitor().await;
    let (_, agent_token) = desk.agent("ann", 1).await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let conversation = visitor.open().await;
    for frame in [
        json!({"type": "presence", "status": "online"}),
        json!({"type": "pick", "conversation": conversation}),
        json!({"type": "transfer", "conversation": conversation, "to": {"group": "general"}}),
        json!({"type": "release", "conversation": conversation}),
        json!({"type": "watch", "conversation": conversation}),
    ] {
        let answer = visitor.ask(frame.clone()).await;
        assert_eq!(answer["type"], "error", "{frame} got {answer}");
        assert!(["forbidden", "bad_frame"].contains(&answer["code"].as_str().expect("a code")), "{answer}");
    }
    let mut agent = Client::agent(&desk, &agent_token).await;
    agent.expect("assigned").await;
    for frame in [
        json!({"type": "open"}),
        json!({"type": "rate", "conversation": conversation, "score": 5}),
        json!({"type": "watch", "conversation": conversation}),
        json!({"type": "whisper", "conversation": conversation, "content": {"kind": "text", "text": "psst"}}),
    ] {
        let answer = agent.ask(frame.clone()).await;
        assert_eq!(answer["type"], "error", "{frame} got {answer}");
        assert!(["forbidden", "bad_frame"].contains(&answer["code"].as_str().expect("a code")), "{answer}");
    }
}

#[tokio::test]
async fn a_supervisor_watches_whispers_and_joins_in() {
    let mut desk = Desk::start();
    let (_, ann_token) = desk.agent("ann", 2).await;
    let (_, boss_token) = desk.hire("boss", "supervisor", &["general"], 1).await;
    let (_, visitor_token) = desk.visitor().await;
    let mut ann = Client::agent(&desk, &ann_token).await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let conversation = visitor.open().await;
    ann.expect("assigned").await;
    let mut boss = Client::sign_in(&desk, "/ws/agent", &boss_token, json!({})).await.0;
    boss.ack(json!({"type": "watch", "conversation": conversation})).await;
    visitor.words(&conversation, "m1", "hello?").await;
    boss.entry_saying("hello?").await;
    let psst = json!({"kind": "text", "text": "offer a coupon"});
    boss.ack(json!({"type": "whisper", "conversation": conversation, "content": psst})).await;
    ann.find("the whisper", |frame| frame.to_string().contains("offer a coupon")).await;
    visitor.never("the whisper", |frame| frame.to_string().contains("offer a coupon")).await;
    boss.ack(json!({"type": "unwatch", "conversation": conversation})).await;
    boss.ack(json!({"type": "barge", "conversation": conversation})).await;
    visitor.words(&conversation, "m1b", "who is listening?").await;
    boss.entry_saying("who is listening?").await;
    let open = json!({"kind": "text", "text": "I am her supervisor"});
    boss.ack(json!({"type": "barge", "conversation": conversation, "content": open})).await;
    visitor.entry_saying("I am her supervisor").await;
    boss.ack(json!({"type": "unwatch", "conversation": conversation})).await;
    visitor.words(&conversation, "m2", "thanks").await;
    boss.never("words after unwatch", |frame| frame["content"]["text"] == "thanks").await;
}

#[tokio::test]
async fn the_rest_door_asks_for_the_role() {
    let mut desk = Desk::start();
    let (_, visitor) = desk.visitor().await;
    let (_, agent) = desk.agent("ann", 1).await;
    let (_, supervisor) = desk.hire("boss", "supervisor", &["general"], 1).await;
    let admin = desk.admin().await;
    let group = |id: &str| json!({"id": id, "name": id});
    for (who, token, status) in [
        ("nobody", None, 401),
        ("a visitor", Some(&visitor), 403),
        ("an agent", Some(&agent), 403),
        ("a supervisor", Some(&supervisor), 403),
        ("an administrator", Some(&admin), 200),
    ] {
        let body = Some(group("fresh"));
        let answer = desk.ask("POST", "/api/v1/groups", token.map(String::as_str), body).await;
        let found = if answer.status < 300 { 200 } else { answer.status };
        assert_eq!(found, status, "{who}: {}", answer.text());
        if status >= 400 {
            let problem = answer.json();
            assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{who}");
            assert!(problem["code"].is_string() && problem["detail"].is_string(), "{who}: {problem}");
        }
    }
    let agents = desk.ask("GET", "/api/v1/agents", Some(&visitor), None).await;
    assert_eq!(agents.status, 403, "{}", agents.text());
}

#[tokio::test]
async fn logging_out_ends_the_token() {
    let mut desk = Desk::start();
    let (_, token) = desk.agent("ann", 1).await;
    let me = desk.must("GET", "/api/v1/auth/me", &token, None).await;
    assert_eq!((&me["login"], &me["role"]), (&json!("ann"), &json!("agent")), "{me}");
    let out = desk.ask("POST", "/api/v1/auth/logout", Some(&token), None).await;
    assert!((200..300).contains(&out.status), "{}", out.text());
    let after = desk.ask("GET", "/api/v1/auth/me", Some(&token), None).await;
    assert_eq!(after.status, 401, "{}", after.text());
}
