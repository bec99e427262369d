//! The burst ladder on a running desk: it climbs by itself and comes down, it stands where somebody puts it, and each level
//! does to newcomers what it says.

use crate::client::Client;
use crate::desk::{Desk, program, text};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;

const LADDER: &str = "/api/v1/overload/ladder";
const POLL: Duration = Duration::from_millis(100);
/// Far longer than any level takes to come or go.
const MOST_POLLS: u32 = 200;

async fn newcomer(desk: &Desk) -> (Client, Value) {
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(desk, &token).await;
    let opened = visitor.ask(json!({"type": "open"})).await;
    assert_eq!(opened["type"], "opened", "{opened}");
    (visitor, opened)
}

async fn stands_at(desk: &mut Desk, level: &str) -> Value {
    let admin = desk.admin().await;
    for _ in 0..MOST_POLLS {
        let stands = desk.must("GET", LADDER, &admin, None).await;
        if stands["level"] == level {
            return stands;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("the ladder never stands at {level}");
}

async fn level_shows(desk: &Desk, level: u64) {
    for _ in 0..MOST_POLLS {
        if desk.metric("rushdesk_ladder_level").await == level {
            return;
        }
        tokio::time::sleep(POLL).await;
    }
    panic!("the metrics never show level {level}");
}

async fn holds(desk: &mut Desk, level: &str) -> Value {
    let admin = desk.admin().await;
    let stands = desk.must("PATCH", LADDER, &admin, Some(json!({"level": level}))).await;
    assert_eq!((&stands["level"], &stands["mode"]), (&json!(level), &json!("hand")), "{stands}");
    stands
}

#[tokio::test]
async fn a_queue_that_grows_lends_seats_and_one_that_shrinks_takes_nobody_away() {
    let mut desk = Desk::with(&[
        "ladder.auto=true",
        "ladder.stay_s=1",
        "ladder.enter_percent=[50,100,900,1000]",
        "ladder.leave_percent=[25,60,800,900]",
        "ladder.extra_seats=2",
    ]);
    let (id, token) = desk.agent("ann", 2).await;
    let mut ann = Client::agent(&desk, &token).await;
    let mut visitors = Vec::new();
    for _ in 0..6 {
        visitors.push(newcomer(&desk).await);
    }
    // Two are served, four wait for two seats: 200 %.
    let stands = stands_at(&mut desk, "more_seats").await;
    assert_eq!(
        (&stands["mode"], &stands["extra_seats"], &stands["seats"]),
        (&json!("auto"), &json!(2), &json!(2))
    );
    level_shows(&desk, 2).await;
    assert_eq!(desk.metric("rushdesk_ladder_changes_total{direction=\"up\"}").await, 2);
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(text(&ann.expect("assigned").await, "conversation"));
    }
    ann.never("a fifth conversation", |frame| frame["type"] == "assigned").await;
    let admin = desk.admin().await;
    let path = format!("/api/v1/agents/{id}");
    let shown = desk.must("GET", &path, &admin, None).await;
    assert_eq!((&shown["capacity"], &shown["load"]), (&json!(2), &json!(4)), "their own, and what they hold");

    // The two who wait give up: nobody waits, and the ladder comes down while four are held for two seats.
    for (visitor, opened) in &mut visitors {
        if !held.contains(&text(opened, "conversation")) {
            visitor.ack(json!({"type": "close", "conversation": opened["conversation"]})).await;
        }
    }
    stands_at(&mut desk, "normal").await;
    level_shows(&desk, 0).await;
    assert_eq!(desk.metric("rushdesk_ladder_changes_total{direction=\"down\"}").await, 2);
    for conversation in &held {
        ann.words(conversation, &format!("still-{conversation}"), "still here").await;
    }
    let (_waiting, opened) = newcomer(&desk).await;
    ann.ack(json!({"type": "close", "conversation": held[0]})).await;
    ann.ack(json!({"type": "close", "conversation": held[1]})).await;
    ann.never("more than two", |frame| frame["type"] == "assigned").await;
    ann.ack(json!({"type": "close", "conversation": held[2]})).await;
    let assigned = ann.expect("assigned").await;
    assert_eq!(assigned["conversation"], opened["conversation"], "a seat of their own is free again");
}

#[tokio::test]
async fn held_by_hand_it_calls_back_who_would_wait_too_long_and_tells_everybody_of_the_rush() {
    let mut desk = Desk::with(&["ladder.promise_s=1", "ladder.stay_s=1", "ladder.notice_en=many of you"]);
    let (_, token) = desk.agent("ann", 1).await;
    let mut ann = Client::agent(&desk, &token).await;
    let refused = desk.ask("PATCH", LADDER, Some(&token), Some(json!({"level": "notice"}))).await;
    assert_eq!((refused.status, text(&refused.json(), "code").as_str()), (403, "forbidden"));
    let (_served, _) = newcomer(&desk).await;
    ann.expect("assigned").await;
    let (_waiting, opened) = newcomer(&desk).await;
    assert_eq!(opened["state"], "queued");

    holds(&mut desk, "call_back").await;
    level_shows(&desk, 3).await;
    let mut called_back = None;
    for _ in 0..MOST_POLLS {
        let (visitor, opened) = newcomer(&desk).await;
        if opened["state"] == "message_left" {
            called_back = Some((visitor, opened));
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    let (mut visitor, opened) =
        called_back.expect("somebody who would wait five minutes for a promise of a second");
    let content = json!({"kind": "text", "text": "call me"});
    let left = json!({"type": "leave_message", "conversation": opened["conversation"], "content": content});
    visitor.ack(left).await;
    assert!(desk.metric("rushdesk_ladder_called_back_total").await >= 1);
    assert_eq!(desk.metric("rushdesk_ladder_noticed_total").await, 0);

    holds(&mut desk, "notice").await;
    let (_, token) = desk.visitor().await;
    let (mut visitor, _) = Client::sign_in(&desk, "/ws/visitor", &token, json!({"locale": "en-GB"})).await;
    let opened = visitor.ask(json!({"type": "open", "content": {"kind": "text", "text": "hello"}})).await;
    let entry = visitor.entry_saying("many of you").await;
    assert_eq!(entry["from"]["kind"], "system", "{entry}");
    assert_eq!(visitor.entry_saying("hello").await["seq"], opened["seq"], "the words answer, not the notice");

    let stays = stands_at(&mut desk, "notice").await;
    assert_eq!(stays["mode"], "hand");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(stands_at(&mut desk, "notice").await["since"], stays["since"], "by hand wins");
    let admin = desk.admin().await;
    desk.must("PATCH", LADDER, &admin, Some(json!({"mode": "auto"}))).await;
    let answer =
        desk.ask("PATCH", LADDER, Some(&admin), Some(json!({"mode": "auto", "level": "normal"}))).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[tokio::test]
async fn the_command_line_moves_the_ladder_of_a_running_desk() {
    let mut desk = Desk::start();
    let folder = desk.store().parent().expect("a folder").to_owned();
    let run = |arguments: &[&str]| -> Value {
        let mut command: Command = program(&folder);
        let output = command.args(["ladder", "--json"]).args(arguments).output().expect("the program");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("json")
    };
    assert_eq!(run(&["show"])["level"], "normal");
    let set = run(&["set", "bot_first"]);
    assert_eq!((&set["level"], &set["mode"]), (&json!("bot_first"), &json!("hand")));
    level_shows(&desk, 1).await;
    assert_eq!(stands_at(&mut desk, "bot_first").await["mode"], "hand");
    assert_eq!(run(&["auto"])["mode"], "auto");
}
