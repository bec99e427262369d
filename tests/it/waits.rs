//! QU-1: outside faults nobody with an eligible free agent waits over five seconds. The five seconds are the promise
//! itself, so here, and only here, a time is asserted: between stamps of the log, not of the test.

use crate::client::Client;
use crate::desk::{ADMIN_PASSWORD, Desk, text};
use jiff::Timestamp;
use rushdesk::rehearsal::history::Limits;
use rushdesk::rehearsal::judge::Judge;
use rushdesk::rehearsal::plan::{Errand, Plan};
use rushdesk::rehearsal::report;
use rushdesk::rehearsal::setup::{Administrator, Staff};
use rushdesk::rehearsal::traffic::Traffic;
use serde_json::{Value, json};

const PROMISE_MS: i64 = 5_000;

fn at_ms(value: &Value) -> i64 {
    text(value, "at").parse::<Timestamp>().expect("RFC 3339").as_millisecond()
}

async fn shopper(desk: &Desk, group: &str) -> (Client, String) {
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(desk, &token).await;
    let opened = visitor.ask(json!({"type": "open", "group": group})).await;
    (visitor, text(&opened, "conversation"))
}

/// The conversation is assigned within the promise, counted from `since_ms`.
async fn is_soon_assigned(desk: &mut Desk, agent: &mut Client, conversation: &str, since_ms: i64) {
    agent.find(conversation, |f| f["type"] == "assigned" && f["conversation"] == *conversation).await;
    let log = desk.entries(conversation).await;
    let assigned = log.iter().rev().find(|entry| entry["content"]["event"] == "assigned").expect("assigned");
    let waited_ms = at_ms(assigned) - since_ms;
    assert!(waited_ms <= PROMISE_MS, "{conversation} waited {waited_ms} ms while an agent was free: {log:?}");
}

#[tokio::test]
async fn whatever_frees_an_agent_ends_the_wait_within_five_seconds() {
    let mut desk = Desk::start();
    let admin = desk.admin().await;
    desk.must("POST", "/api/v1/groups", &admin, Some(json!({"id": "second", "name": "Second"}))).await;
    let (id, token) = desk.agent("ann", 1).await;
    let (_first_visitor, first) = shopper(&desk, "general").await;
    let (_second_visitor, second) = shopper(&desk, "general").await;
    let (_third_visitor, third) = shopper(&desk, "general").await;
    let (_fourth_visitor, fourth) = shopper(&desk, "second").await;

    let mut ann = Client::sign_in(&desk, "/ws/agent", &token, json!({})).await.0;
    let online = ann.ack(json!({"type": "presence", "status": "online"})).await;
    is_soon_assigned(&mut desk, &mut ann, &first, at_ms(&online)).await;

    let closed = ann.ack(json!({"type": "close", "conversation": first})).await;
    is_soon_assigned(&mut desk, &mut ann, &second, at_ms(&closed)).await;

    let agent = format!("/api/v1/agents/{id}");
    let since = Timestamp::now().as_millisecond();
    desk.must("PATCH", &agent, &admin, Some(json!({"capacity": 3}))).await;
    is_soon_assigned(&mut desk, &mut ann, &third, since).await;

    ann.never("work of a group that is not hers", |frame| frame["type"] == "assigned").await;
    let since = Timestamp::now().as_millisecond();
    desk.must("PATCH", &agent, &admin, Some(json!({"groups": ["general", "second"]}))).await;
    is_soon_assigned(&mut desk, &mut ann, &fourth, since).await;

    ann.ack(json!({"type": "close", "conversation": second})).await;
    drop(ann);
    let (_fifth_visitor, fifth) = shopper(&desk, "general").await;
    let since = Timestamp::now().as_millisecond();
    let mut ann = Client::sign_in(&desk, "/ws/agent", &token, json!({})).await.0;
    is_soon_assigned(&mut desk, &mut ann, &fifth, since).await;
}

fn plan() -> Plan {
    Plan {
        seed: 1_111,
        arrive_for_s: Some(8),
        visitors: 10_000,
        arrivals_per_s: 30.0,
        burst: None,
        present: 60,
        errands: vec![Errand {
            weight: 1,
            group: None,
            intent: None,
            subject: None,
            lines: vec!["我的快递在哪里".into(), "还在吗".into()],
            replies: vec!["让我看看".into()],
        }],
        messages: (2, 5),
        pause_ms: 80,
        reply_ms: 50,
        drop_share: 0.0,
        patience_s: 30,
        agents: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_with_seats_left_nobody_waits_over_five_seconds() {
    let mut desk = Desk::start();
    let (judge, record) = Judge::start(Limits::default());
    let mut admin =
        Administrator::sign_in(desk.target, "admin", ADMIN_PASSWORD).await.expect("the administrator");
    // More seats than shoppers at one time: an eligible agent is free throughout.
    let staff = Staff { count: 10, name: "clerk", groups: &["general"], capacity: 10 };
    let agents = admin.hire(&staff, &record).await.expect("agents");
    let stage = Traffic::start(Plan { agents, ..plan() }, desk.target, record).over().await;
    let verdict = judge.verdict(desk.target, admin.token()).await.expect("all logs");
    assert!(verdict.is_clean(), "{verdict}");

    let token = desk.admin().await;
    let (mut waits_ms, mut next) = (Vec::new(), String::new());
    loop {
        let page = desk.must("GET", &format!("/api/v1/conversations?limit=100{next}"), &token, None).await;
        for conversation in page["items"].as_array().expect("items") {
            let id = text(conversation, "id");
            let log = desk.entries(&id).await;
            let mut queued_ms = None;
            for entry in &log {
                match entry["content"]["event"].as_str() {
                    Some("queued" | "requeued" | "reopened") => queued_ms = Some(at_ms(entry)),
                    Some("assigned") => waits_ms.extend(queued_ms.take().map(|from| at_ms(entry) - from)),
                    Some("closed") => assert_eq!(queued_ms, None, "closed while waiting: {log:?}"),
                    _ => {}
                }
            }
            assert_eq!(queued_ms, None, "still waiting: {log:?}");
        }
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    let longest = waits_ms.iter().max().copied().unwrap_or(0);
    println!("{} waits, the longest {longest} ms\n{}", waits_ms.len(), report::table(&stage.meters));
    assert!(waits_ms.len() > 50, "there was load: {} waits", waits_ms.len());
    assert!(longest <= PROMISE_MS, "somebody waited {longest} ms while seats were free");
}
