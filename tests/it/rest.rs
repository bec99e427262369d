//! REST: the same commands as the sockets, configuration, paging, idempotency, problem details, health and metrics.

use crate::client::Client;
use crate::desk::Desk;
use serde_json::{Value, json};

#[tokio::test]
async fn health_metrics_documents_and_the_front_page() {
    let desk = Desk::start();
    for (path, kind) in [
        ("/livez", ""),
        ("/readyz", "json"),
        ("/metrics", "text"),
        ("/api/openapi.json", "json"),
        ("/", "html"),
    ] {
        let answer = desk.ask("GET", path, None, None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(
            answer.header("content-type").unwrap_or_default().contains(kind),
            "{path}: {:?}",
            answer.headers
        );
        assert!(path == "/livez" || !answer.body.is_empty(), "{path}");
    }
    let docs = desk.ask("GET", "/api/docs/", None, None).await;
    assert!([200, 301, 302, 303, 307, 308].contains(&docs.status), "{}", docs.status);
    let openapi = desk.ask("GET", "/api/openapi.json", None, None).await.json();
    for path in ["/api/v1/auth/login", "/api/v1/visitors", "/api/v1/conversations", "/api/v1/routing/queues"]
    {
        assert!(openapi["paths"][path].is_object(), "{path} is missing from the OpenAPI document");
    }
}

#[tokio::test]
async fn problems_are_rfc_9457_with_a_stable_code() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let bad = [
        ("GET", "/api/v1/conversations/nope", None, 400..=404),
        ("GET", "/api/v1/nothing", None, 404..=404),
        ("GET", "/api/v1/conversations/01900000-0000-7000-8000-000000000001", None, 404..=404),
        ("POST", "/api/v1/groups", Some(json!({"id": "a b", "name": "x"})), 400..=422),
        ("POST", "/api/v1/groups", Some(json!({"id": "x", "name": "x", "polcy": "y"})), 400..=422),
        ("POST", "/api/v1/groups", Some(json!({"id": "general", "name": "again"})), 409..=409),
        ("GET", "/api/v1/conversations?limit=none", None, 400..=422),
    ];
    for (method, path, body, statuses) in bad {
        let answer = desk.ask(method, path, Some(&admin), body).await;
        assert!(statuses.contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status, "{problem}");
        for field in ["type", "title", "detail", "code"] {
            assert!(
                problem[field].as_str().is_some_and(|text| !text.is_empty()),
                "{path}: {field} in {problem}"
            );
        }
    }
    let typo = json!({"id": "x", "name": "x", "polcy": "y"});
    let problem = desk.ask("POST", "/api/v1/groups", Some(&admin), Some(typo)).await.json();
    assert!(
        problem["detail"].as_str().is_some_and(|detail| detail.contains("policy")),
        "nearest name: {problem}"
    );
}

#[tokio::test]
async fn the_conversation_commands_work_over_rest() {
    let mut desk = Desk::start();
    let (_, visitor) = desk.visitor().await;
    let (agent_id, agent) = desk.agent("ann", 2).await;
    let mut ann = Client::agent(&desk, &agent).await;
    let opened =
        desk.must("POST", "/api/v1/conversations", &visitor, Some(json!({"subject": "parcel"}))).await;
    assert_eq!(opened["created"], true, "{opened}");
    let id = opened["id"].as_str().expect("an id").to_owned();
    ann.expect("assigned").await;
    let at = |rest: &str| format!("/api/v1/conversations/{id}{rest}");
    let message = json!({"id": "r1", "content": {"kind": "text", "text": "over REST"}});
    let said = desk.must("POST", &at("/messages"), &visitor, Some(message.clone())).await;
    ann.entry_saying("over REST").await;
    let again = desk.must("POST", &at("/messages"), &visitor, Some(message)).await;
    assert_eq!(again["seq"], said["seq"], "the same id is the same message");
    let other = json!({"id": "r1", "content": {"kind": "text", "text": "other"}});
    let conflict = desk.ask("POST", &at("/messages"), Some(&visitor), Some(other)).await;
    assert_eq!((conflict.status, &conflict.json()["code"]), (409, &json!("conflict")));
    let answer = json!({"content": {"kind": "text", "text": "an answer over REST"}});
    desk.must("POST", &at("/messages"), &agent, Some(answer)).await;
    let now = desk.must("GET", &at(""), &agent, None).await;
    assert_eq!(now["agent"].as_str().or(now["assignee"].as_str()), Some(agent_id.as_str()), "{now}");
    desk.must("POST", &at("/close"), &agent, Some(json!({"reason": "solved", "disposition": "ok"}))).await;
    desk.must("POST", &at("/rating"), &visitor, Some(json!({"score": 4}))).await;
    let closed = desk.must("GET", &at(""), &visitor, None).await;
    assert_eq!(closed["state"], "closed", "{closed}");
    let late = json!({"content": {"kind": "text", "text": "late"}});
    let refused = desk.ask("POST", &at("/messages"), Some(&visitor), Some(late)).await;
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("closed")));
}

#[tokio::test]
async fn lists_are_paged_by_cursor_without_repeats_or_holes() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let mut opened = Vec::new();
    for _ in 0..7 {
        let (_, visitor) = desk.visitor().await;
        let made = desk.must("POST", "/api/v1/conversations", &visitor, Some(json!({}))).await;
        opened.push(made["id"].as_str().expect("an id").to_owned());
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/conversations?limit=3".to_owned();
    for _ in 0..10 {
        let page = desk.must("GET", &path, &admin, None).await;
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= 3, "{page}");
        seen.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/conversations?limit=3&cursor={next}"),
            None => break,
        }
    }
    seen.sort();
    opened.sort();
    assert_eq!(seen, opened);
    let queued = desk.must("GET", "/api/v1/conversations?state=queued&limit=500", &admin, None).await;
    assert_eq!(queued["items"].as_array().map(Vec::len), Some(7));
    let closed = desk.must("GET", "/api/v1/conversations?state=closed", &admin, None).await;
    assert_eq!(closed["items"], json!([]));
}

#[tokio::test]
async fn an_idempotency_key_makes_a_retry_the_same_request() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let key = [("idempotency-key", "retry-1")];
    let tag = json!({"name": "parcel"});
    let first = desk.ask_with("POST", "/api/v1/tags", Some(&admin), Some(tag.clone()), &key).await;
    assert!((200..300).contains(&first.status), "{}", first.text());
    let again = desk.ask_with("POST", "/api/v1/tags", Some(&admin), Some(tag), &key).await;
    assert_eq!((again.status, again.json()["id"].clone()), (first.status, first.json()["id"].clone()));
    let other = json!({"name": "refund"});
    let conflict = desk.ask_with("POST", "/api/v1/tags", Some(&admin), Some(other), &key).await;
    assert_eq!((conflict.status, &conflict.json()["code"]), (409, &json!("conflict")), "{}", conflict.text());
    let all = desk.must("GET", "/api/v1/tags", &admin, None).await;
    assert_eq!(all["items"].as_array().map(Vec::len), Some(1), "{all}");
}

#[tokio::test]
async fn configuration_is_made_changed_listed_and_taken_away() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let resources: [(&str, Value, Value); 6] = [
        ("groups", json!({"id": "vip", "name": "VIP"}), json!({"name": "VIP desk"})),
        ("skills", json!({"id": "refund", "name": "Refund"}), json!({"name": "Refunds"})),
        ("tags", json!({"id": "parcel", "name": "parcel"}), json!({"name": "parcels"})),
        ("canned", json!({"id": "hi", "title": "Hi", "text": "您好"}), json!({"text": "您好！"})),
        (
            "routing/rules",
            json!({"id": "r-vip", "when": {"tier": "vip"}, "head_start_s": 60}),
            json!({"head_start_s": 90}),
        ),
        ("webhooks", json!({"id": "hook", "url": "https://shop.example/hook"}), json!({"enabled": false})),
    ];
    for (path, body, change) in resources {
        let all = format!("/api/v1/{path}");
        let id = body["id"].as_str().expect("an id");
        let one = format!("{all}/{id}");
        desk.must("POST", &all, &admin, Some(body.clone())).await;
        let taken = desk.ask("POST", &all, Some(&admin), Some(body.clone())).await;
        assert_eq!(
            (taken.status, &taken.json()["code"]),
            (409, &json!("conflict")),
            "{path}: {}",
            taken.text()
        );
        desk.must("PATCH", &one, &admin, Some(change.clone())).await;
        let listed = desk.must("GET", &format!("{all}?limit=500"), &admin, None).await;
        let items = listed["items"].as_array().expect("items");
        let mine = items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("{path}: {listed}"));
        for (field, value) in change.as_object().expect("an object") {
            assert_eq!(&mine[field], value, "{path}: {mine}");
        }
        let gone = desk.ask("DELETE", &one, Some(&admin), None).await;
        assert!((200..300).contains(&gone.status), "{path}: {} {}", gone.status, gone.text());
        let after = desk.ask("GET", &one, Some(&admin), None).await;
        assert_eq!(after.status, 404, "{path}");
    }
}

#[tokio::test]
async fn rules_take_effect_at_once_and_decisions_are_explained() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    let (_, plain) = desk.visitor().await;
    let (_, urgent) = desk.visitor().await;
    let first = desk.must("POST", "/api/v1/conversations", &plain, Some(json!({}))).await;
    let second =
        desk.must("POST", "/api/v1/conversations", &urgent, Some(json!({"intent": "payment_failure"}))).await;
    let (first, second) = (first["id"].as_str().expect("an id"), second["id"].as_str().expect("an id"));
    let explain = |id: &str| format!("/api/v1/routing/explain/{id}");
    let why = desk.must("GET", &explain(second), &admin, None).await;
    assert_eq!((&why["rank"], &why["head_start_s"]), (&json!(1), &json!(600)), "{why}");
    let why = desk.must("GET", &explain(first), &admin, None).await;
    assert_eq!((&why["rank"], &why["head_start_s"]), (&json!(2), &json!(0)), "{why}");
    assert!(why["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "RT-4: {why}");
    let queues = desk.must("GET", "/api/v1/routing/queues", &admin, None).await;
    let general =
        queues["items"].as_array().and_then(|all| all.iter().find(|group| group["id"] == "general"));
    assert_eq!(general.expect("general")["waiting"], 2, "{queues}");
    let (_, agent) = desk.agent("ann", 1).await;
    let mut ann = Client::agent(&desk, &agent).await;
    assert_eq!(ann.expect("assigned").await["conversation"], json!(second), "the urgent one goes first");
}

#[tokio::test]
async fn an_attachment_is_taken_by_type_and_size_and_served_by_reference() {
    let mut desk = Desk::with(&["attachments.max_bytes=1000"]);
    let (_, agent_token) = desk.agent("ann", 1).await;
    let (_, token) = desk.visitor().await;
    let upload = |kind: &'static str, bytes: usize| {
        let target = desk.target;
        let token = token.clone();
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut stream = tokio::net::TcpStream::connect(target.address()).await.expect("a connection");
            let head = format!(
                "POST /api/v1/attachments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
                 content-type: {kind}\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await.expect("room");
            // A refused upload may be cut off before all of it is sent.
            drop(stream.write_all(&vec![7; bytes]).await);
            let mut answer = String::new();
            drop(stream.read_to_string(&mut answer).await);
            answer
        }
    };
    let taken = upload("image/png", 500).await;
    assert!(taken.starts_with("HTTP/1.1 20"), "{taken}");
    let body: Value = serde_json::from_str(taken.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let url = body["url"].as_str().expect("a url");
    assert!(upload("image/png", 2_000).await.starts_with("HTTP/1.1 413"));
    let odd = upload("application/x-msdownload", 10).await;
    assert!(
        ["HTTP/1.1 400", "HTTP/1.1 415", "HTTP/1.1 422"].iter().any(|start| odd.starts_with(start)),
        "{odd}"
    );
    let mut visitor = Client::visitor(&desk, &token).await;
    let mut agent = Client::agent(&desk, &agent_token).await;
    let conversation = visitor.open().await;
    agent.expect("assigned").await;
    let content = json!({"kind": "image", "url": url});
    visitor.ack(json!({"type": "send", "conversation": conversation, "content": content})).await;
    agent.find("the picture", |frame| frame["content"]["url"] == url).await;
    let bytes = desk.ask("GET", url, Some(&agent_token), None).await;
    assert_eq!((bytes.status, bytes.body.len()), (200, 500));
}
