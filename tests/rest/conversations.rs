//! Conversations over HTTP: opened, said, read, handed on, rated, closed; and files.

use crate::desk::{Desk, text};
use serde_json::{Value, json};

/// A desk where one conversation waits in `pay`: admin's, visitor's token, and the conversation's path.
fn waiting() -> (Desk, String, String, String) {
    let desk = Desk::start();
    let admin = desk.admin();
    let group = json!({ "id": "pay", "name": "Payments" });
    desk.post("/api/v1/groups", &admin, group).expect(201);
    let (_, visitor) = desk.visitor();
    let path = format!("/api/v1/conversations/{}", desk.open(&visitor, "pay"));
    (desk, admin, visitor, path)
}

fn kinds(entries: &Value) -> Vec<String> {
    let items = entries["items"].as_array().unwrap();
    let word =
        |content: &Value| content.get("event").or(content.get("kind")).unwrap().as_str().unwrap().to_owned();
    items.iter().map(|entry| word(&entry["content"])).collect()
}

#[test]
fn a_visitor_opens_says_and_reads_and_a_repeat_appears_once() {
    let (desk, _, visitor, path) = waiting();
    let conversation = desk.get(&path, &visitor).expect(200);
    assert_eq!((&conversation["state"], &conversation["group"]), (&json!("queued"), &json!("pay")));
    let body = json!({ "content": text("again") });
    let again = desk.post("/api/v1/conversations", &visitor, body).expect(200);
    assert_eq!((&again["id"], &again["created"]), (&conversation["id"], &json!(false)));
    let body = json!({ "content": text("hello") });
    let (_, returning) = desk.visitor();
    let opened =
        desk.keyed("POST", "/api/v1/conversations", &returning, Some("o1"), body.clone()).expect(201);
    let repeated = desk.keyed("POST", "/api/v1/conversations", &returning, Some("o1"), body).expect(200);
    assert_eq!((&repeated["id"], &repeated["seq"]), (&opened["id"], &opened["seq"]));
    let messages = format!("{path}/messages");
    let hello = json!({ "content": text("hello?") });
    let first = desk.keyed("POST", &messages, &visitor, Some("m1"), hello.clone()).expect(201);
    assert_eq!(desk.keyed("POST", &messages, &visitor, Some("m1"), hello).expect(201), first);
    let named = json!({ "id": "m1", "content": text("hello?") });
    assert_eq!(desk.post(&messages, &visitor, named).expect(201), first);
    desk.post(&messages, &visitor, json!({ "id": "m1", "content": text("other") })).refused(409, "conflict");
    desk.post(&messages, &visitor, json!({ "content": { "kind": "text" } })).refused(400, "bad_frame");
    desk.post(&messages, &visitor, json!({ "content": text(&"x".repeat(9_000)) })).refused(413, "too_large");
    let entries = desk.get(&format!("{path}/entries"), &visitor).expect(200);
    assert_eq!(kinds(&entries), ["opened", "text", "queued", "text", "text"]);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = desk.get(&format!("{path}/entries?limit=2&cursor={cursor}"), &visitor).expect(200);
        seen.extend(page["items"].as_array().unwrap().clone());
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(Value::from(seen), entries["items"]);
    let after = desk.get(&format!("{path}/entries?after=4"), &visitor).expect(200);
    assert_eq!(kinds(&after), ["text"]);
}

#[test]
fn a_conversation_is_read_by_those_it_concerns() {
    let (desk, admin, visitor, path) = waiting();
    let (_, other) = desk.visitor();
    let (_, own) = desk.agent(&admin, "ann", "agent", &["pay"]);
    let (_, stranger) = desk.agent(&admin, "bob", "agent", &["general"]);
    for token in [&other, &stranger] {
        desk.get(&path, token).refused(403, "forbidden");
        desk.get(&format!("{path}/entries"), token).refused(403, "forbidden");
        assert_eq!(desk.get("/api/v1/conversations", token).expect(200)["items"], json!([]));
    }
    for token in [&visitor, &own, &admin] {
        desk.get(&path, token).expect(200);
        assert_eq!(
            desk.get("/api/v1/conversations", token).expect(200)["items"].as_array().unwrap().len(),
            1
        );
    }
    desk.post(&format!("{path}/messages"), &other, json!({ "content": text("hi") }))
        .refused(403, "forbidden");
    desk.get("/api/v1/conversations?visitor=somebody", &visitor).refused(403, "forbidden");
    assert_eq!(desk.get("/api/v1/routing/queues", &stranger).expect(200)["items"][0]["id"], "general");
}

#[test]
fn the_list_is_filtered_and_comes_newest_first_by_pages() {
    let (desk, admin, _, _) = waiting();
    let mut opened: Vec<String> = (0..4)
        .map(|_| {
            let (_, visitor) = desk.visitor();
            desk.open(&visitor, "general")
        })
        .collect();
    opened.reverse();
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/conversations?group=general&state=queued&limit=3&cursor={cursor}");
        let page = desk.get(&path, &admin).expect(200);
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, opened);
    for (query, found) in [
        ("group=pay", 1),
        ("state=closed", 0),
        ("state=queued,offered", 5),
        ("q=SIZE", 5),
        ("q=colour", 0),
        ("channel=app", 0),
        ("from=2020-01-01T00:00:00Z", 5),
        ("to=2020-01-01T00:00:00Z", 0),
        ("state=&group=&agent=&visitor=", 5),
    ] {
        let page = desk.get(&format!("/api/v1/conversations?{query}"), &admin).expect(200);
        assert_eq!(page["items"].as_array().unwrap().len(), found, "{query}");
    }
    desk.get("/api/v1/conversations?state=lost", &admin).refused(400, "bad_frame");
}

#[test]
fn an_agent_picks_answers_hands_on_and_closes_under_the_present_assignment() {
    let (desk, admin, visitor, path) = waiting();
    let (ann, token) = desk.agent(&admin, "ann", "agent", &["pay"]);
    // Presence is the administrator's to set as well; without a connection nothing is offered, but picking works.
    let shown =
        desk.patch(&format!("/api/v1/agents/{ann}"), &admin, json!({ "presence": "online" })).expect(200);
    assert_eq!(shown["presence"], "online");
    for command in ["pick", "done", "reopen"].map(|name| format!("{path}/{name}")) {
        let told = desk.post(&command, &token, json!({ "agnet": ann })).refused(400, "bad_frame");
        assert!(told.contains("agnet"), "{command}: {told}");
    }
    desk.post(&format!("{path}/pick"), &token, json!({})).expect(200);
    let held = desk.get(&path, &token).expect(200);
    assert_eq!(
        (&held["state"], &held["agent"], &held["assign_seq"]),
        (&json!("active"), &json!(ann), &json!(1))
    );
    assert_eq!(desk.get(&path, &visitor).expect(200)["agent"], Value::Null);
    let explained = desk.get(&path.replace("conversations", "routing/explain"), &admin).expect(200);
    assert_eq!((&explained["reason"], &explained["agent"]), (&json!("picked"), &json!(ann)));
    let say = |seq: u64| json!({ "assign_seq": seq, "content": text("coming") });
    desk.post(&format!("{path}/messages"), &token, say(9)).refused(409, "reassigned");
    desk.post(&format!("{path}/messages"), &token, say(1)).expect(201);
    let note = json!({ "assign_seq": 1, "content": { "kind": "note", "text": "careful" } });
    desk.post(&format!("{path}/messages"), &token, note).expect(201);
    let seen = kinds(&desk.get(&format!("{path}/entries"), &visitor).expect(200));
    assert_eq!(seen.iter().filter(|kind| *kind == "note").count(), 0, "{seen:?}");
    let seen = kinds(&desk.get(&format!("{path}/entries"), &token).expect(200));
    assert!(seen.contains(&"note".to_owned()), "{seen:?}");
    let to = json!({ "to": { "group": "general" } });
    let bearer = format!("Bearer {token}");
    let headers = |seq| [("Authorization", bearer.as_str()), ("If-Match", seq)];
    let transfer = format!("{path}/transfer");
    desk.ask("POST", &transfer, &headers("\"7\""), to.to_string().as_bytes()).refused(409, "reassigned");
    desk.ask("POST", &transfer, &headers("x"), to.to_string().as_bytes()).refused(400, "bad_frame");
    desk.ask("POST", &transfer, &headers("\"1\""), to.to_string().as_bytes()).expect(200);
    assert_eq!(desk.get(&path, &admin).expect(200)["group"], "general");
    desk.post(&format!("{path}/transfer"), &visitor, to).refused(403, "forbidden");
    let wish = json!({ "content": text("call me"), "contact": "+49 30 1" });
    desk.post(&format!("{path}/leave_message"), &visitor, wish).expect(201);
    let said =
        desk.post(&format!("{path}/messages"), &visitor, json!({ "content": text("oops") })).expect(201);
    desk.post(&format!("{path}/recall"), &visitor, json!({ "seq": said["seq"] })).expect(200);
    let entries = desk.get(&format!("{path}/entries"), &visitor).expect(200);
    assert!(!entries.to_string().contains("oops"), "{entries}");
    let offer = "/api/v1/offers/01900000-0000-7000-8000-000000000001";
    desk.post(&format!("{offer}/accept"), &token, json!({ "why": 1 })).refused(400, "bad_frame");
    desk.post(&format!("{offer}/accept"), &token, json!({})).refused(410, "expired");
    desk.post(&format!("{offer}/decline"), &token, json!({})).refused(410, "expired");
    desk.post(&format!("{path}/close"), &visitor, json!({ "reason": "solved" })).expect(200);
    desk.post(&format!("{path}/messages"), &visitor, json!({ "content": text("?") })).refused(409, "closed");
    desk.post(&format!("{path}/rating"), &visitor, json!({ "score": 6 })).refused(400, "bad_frame");
    desk.post(&format!("{path}/rating"), &visitor, json!({ "score": 5 })).expect(200);
    desk.post(&format!("{path}/reopen"), &visitor, json!({})).expect(200);
    desk.until(&path, &visitor, |conversation| conversation["state"] == "queued");
}

#[test]
fn live_queues_show_who_waits_and_in_which_order() {
    let (desk, admin, _, path) = waiting();
    let id = path.rsplit('/').next().unwrap();
    let queues = desk.until("/api/v1/routing/queues", &admin, |queues| {
        let pay = queues["items"].as_array().unwrap().iter().find(|queue| queue["id"] == "pay").cloned();
        pay.is_some_and(|pay| pay["waiting"] == 1)
    });
    let pay = queues["items"].as_array().unwrap().iter().find(|queue| queue["id"] == "pay").unwrap();
    assert_eq!((&pay["items"][0]["conversation"], &pay["items"][0]["rank"]), (&json!(id), &json!(1)));
}

#[test]
fn a_file_is_taken_within_its_limits_and_given_back_safely() {
    let desk = Desk::with(&[("RUSHDESK__ATTACHMENTS__MAX_BYTES", "100000")]);
    let (_, visitor) = desk.visitor();
    let bearer = format!("Bearer {visitor}");
    let send = |mime: &str, bytes: &[u8]| {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", mime)];
        desk.ask("POST", "/api/v1/attachments?name=a%22b.txt", &headers, bytes)
    };
    let bytes = "0123456789".repeat(9_000);
    let kept = send("text/plain; charset=utf-8", bytes.as_bytes()).expect(201);
    assert_eq!((&kept["size"], &kept["mime"]), (&json!(90_000), &json!("text/plain")));
    let url = kept["url"].as_str().unwrap();
    let given = desk.ask("GET", url, &[], b"");
    assert_eq!((given.status, given.text.len()), (200, bytes.len()));
    assert_eq!(given.text, bytes);
    let head = given.head.to_ascii_lowercase();
    for header in
        ["x-content-type-options: nosniff", "content-disposition: attachment; filename*=utf-8''a%22b.txt"]
    {
        assert!(head.contains(header), "{head}");
    }
    send("text/html", b"<script>").refused(400, "bad_frame");
    send("text/plain", b"").refused(400, "bad_frame");
    send("text/plain", &vec![b'x'; 100_001]).refused(413, "too_large");
    desk.ask("POST", "/api/v1/attachments", &[("Content-Type", "text/plain")], b"x")
        .refused(401, "unauthenticated");
    for id in ["nothing", "..%2f..%2fCargo", "a.json"] {
        let answer = desk.ask("GET", &format!("/api/v1/attachments/{id}"), &[], b"");
        assert_eq!(answer.status, 404, "{id}: {answer:?}");
    }
    let conversation = desk.open(&visitor, "general");
    let content = json!({ "kind": "file", "url": url, "name": "a.txt" });
    desk.post(
        &format!("/api/v1/conversations/{conversation}/messages"),
        &visitor,
        json!({ "content": content }),
    )
    .expect(201);
}
