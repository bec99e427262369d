//! What the rules know of a visitor: what they said at the sign-up, as a claim and never as a fact; that they were here
//! before, as a fact.

use crate::client::Client;
use crate::desk::{Desk, text};
use serde_json::json;

#[tokio::test]
async fn what_is_claimed_at_the_sign_up_meets_the_rules_that_take_a_visitors_word() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    for group in ["credulous", "careful"] {
        let body = json!({"id": group, "name": group});
        desk.must("POST", "/api/v1/groups", &admin, Some(body)).await;
    }
    let careful = json!({"id": "careful", "trusted": true, "group": "careful", "position": 0,
        "when": {"attribute": {"errand": "return"}}});
    let credulous = json!({"id": "credulous", "group": "credulous", "position": 1,
        "when": {"attribute": {"errand": "return"}}});
    for rule in [careful, credulous] {
        desk.must("POST", "/api/v1/routing/rules", &admin, Some(rule)).await;
    }
    let body = json!({"attributes": {"errand": "return", "items": 2}});
    let signed_up = desk.ask("POST", "/api/v1/visitors", None, Some(body)).await.json();
    assert_eq!(signed_up["visitor"]["attributes"], json!({"errand": "return", "items": "2"}));
    let mut visitor = Client::visitor(&desk, &text(&signed_up, "token")).await;
    let conversation = visitor.open().await;
    let path = format!("/api/v1/conversations/{conversation}");
    assert_eq!(desk.must("GET", &path, &admin, None).await["group"], "credulous");
    let opened = desk.entries(&conversation).await[0]["content"]["data"].clone();
    assert_eq!(opened["attributes"], json!({"errand": "return", "items": "2"}), "{opened}");
}

#[tokio::test]
async fn more_than_a_token_carries_is_refused_with_what_to_do() {
    let desk = Desk::start();
    let many: serde_json::Map<_, _> = (0..5).map(|n| (format!("a{n}"), json!("\"".repeat(500)))).collect();
    let refused = desk.ask("POST", "/api/v1/visitors", None, Some(json!({"attributes": many}))).await;
    assert_eq!((refused.status, &refused.json()["code"]), (413, &json!("too_large")), "{}", refused.text());
    assert!(refused.text().contains("when a conversation is opened"), "{}", refused.text());
    let fewer: serde_json::Map<_, _> = many.into_iter().take(4).collect();
    let taken = desk.ask("POST", "/api/v1/visitors", None, Some(json!({"attributes": fewer}))).await;
    assert_eq!(taken.status, 201, "{}", taken.text());
    let _signed_in = Client::visitor(&desk, &text(&taken.json(), "token")).await;
}

#[tokio::test]
async fn who_comes_back_gets_the_head_start_of_returning_visitors() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let mut head_starts = Vec::new();
    for _ in 0..2 {
        let conversation = visitor.open().await;
        let path = format!("/api/v1/routing/explain/{conversation}");
        head_starts.push(desk.must("GET", &path, &admin, None).await["head_start_s"].clone());
        visitor.ack(json!({"type": "close", "conversation": conversation})).await;
    }
    // The default rules give them a minute.
    assert_eq!(head_starts, [json!(0), json!(60)]);
    let (ann, agent_token) = desk.agent("ann", 1).await;
    let mut agent = Client::agent(&desk, &agent_token).await;
    let conversation = visitor.open().await;
    agent.expect("assigned").await;
    let path = format!("/api/v1/routing/explain/{conversation}");
    let explained = desk.must("GET", &path, &admin, None).await;
    let parts = json!([{"rule": "returning", "head_start_s": 60}]);
    assert_eq!((&explained["agent"], &explained["head_start_parts"]), (&json!(ann), &parts), "{explained}");
}
