//! A store that cannot keep up: strangers are refused in words while those who are served are served on; and connections
//! that all come back at once are let in at a rate.

use crate::client::Client;
use crate::desk::Desk;
use serde_json::{Value, json};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);
/// Far longer than any level takes to come or go, and than what is left of a slow machine's patience.
const MOST_POLLS: u32 = 80;

fn send(conversation: &str, id: &str) -> Value {
    json!({"type": "send", "id": id, "conversation": conversation, "content": {"kind": "text", "text": id}})
}

async fn level(desk: &Desk) -> u64 {
    desk.metric("rushdesk_admission_level").await
}

#[tokio::test]
async fn a_store_that_hangs_refuses_strangers_and_keeps_the_words_of_those_who_are_served() {
    let mut desk = Desk::with(&["overload.target_ms=20", "overload.interval_ms=100"]);
    let (_, agent_token) = desk.agent("ann", 1).await;
    let mut agent = Client::agent(&desk, &agent_token).await;
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    agent.expect("assigned").await;
    let (_, token) = desk.visitor().await;
    let mut waiting = Client::visitor(&desk, &token).await;
    let in_line = waiting.open().await;
    let (_, stranger_token) = desk.visitor().await;
    let mut stranger = Client::visitor(&desk, &stranger_token).await;

    // Somebody else holds the file: the batch that has begun hangs, and what comes later waits.
    let holder = rusqlite::Connection::open(desk.store()).expect("the store");
    holder.busy_timeout(Duration::from_secs(5)).expect("patience");
    holder.execute_batch("BEGIN IMMEDIATE").expect("the write lock");
    let (mut said, mut polls) = (0, 0);
    while level(&desk).await < 3 {
        if said < 6 {
            visitor.say(&send(&conversation, &format!("m{said}"))).await;
            said += 1;
        }
        assert!(polls < MOST_POLLS, "nobody is refused:\n{}", desk.log());
        polls += 1;
        tokio::time::sleep(POLL).await;
    }
    let refusal = stranger.refused(json!({"type": "open", "id": "first"}), "overloaded").await;
    assert!(refusal["message"].as_str().is_some_and(|words| words.contains("leave_message")), "{refusal}");
    waiting.refused(send(&in_line, "hello?"), "overloaded").await;
    agent.say(&send(&conversation, "from-ann")).await;
    visitor.say(&send(&conversation, "late")).await;
    visitor.still_serves().await;
    holder.execute_batch("ROLLBACK").expect("the lock given back");

    for n in 0..said {
        let answer = visitor.answer(&format!("m{n}")).await;
        assert_eq!(answer["type"], "ack", "{answer}");
    }
    assert_eq!(visitor.answer("late").await["type"], "ack");
    assert_eq!(agent.answer("from-ann").await["type"], "ack");
    let refused = async |class: &str| {
        desk.metric(&format!("rushdesk_admission_refused_total{{class=\"{class}\"}}")).await
    };
    assert_eq!((refused("anonymous").await, refused("waiting").await), (1, 1));
    assert_eq!((refused("served").await, refused("vital").await), (0, 0));

    polls = 0;
    while level(&desk).await > 0 {
        polls += 1;
        assert!(polls < MOST_POLLS, "the door stays closed:\n{}", desk.log());
        tokio::time::sleep(POLL).await;
    }
    let opened = stranger.ask(json!({"type": "open", "id": "first"})).await;
    assert_eq!(opened["type"], "opened", "the same id is taken later: {opened}");
    waiting.ack(send(&in_line, "hello?")).await;
}

#[tokio::test]
async fn connections_that_all_come_back_at_once_are_let_in_one_after_another() {
    let desk = Desk::with(&["overload.resumes_per_s=1"]);
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    let resume = json!([{"conversation": conversation, "after": 0}]);
    let hello = json!({"type": "hello", "id": "hello", "token": token, "resume": resume});
    let mut back = Vec::new();
    for _ in 0..8 {
        back.push(Client::connect(&desk, "/ws/visitor").await);
    }
    for client in &mut back {
        client.say(&hello).await;
    }
    let mut sent_away = Vec::new();
    for mut client in back {
        let answer = client.answer("hello").await;
        if answer["type"] == "error" {
            assert_eq!(answer["code"], "rate_limited", "{answer}");
            assert_eq!(client.ended().await.0, Some(4429));
            sent_away.push(answer["retry_after_ms"].as_u64().expect("a time to come again"));
        }
    }
    assert!(!sent_away.is_empty(), "eight at once pass a budget of one a second");
    assert!(sent_away.iter().all(|ms| *ms >= 1_000), "{sent_away:?}");
    Client::visitor(&desk, &token).await.still_serves().await;

    for _ in 0..MOST_POLLS {
        let mut client = Client::connect(&desk, "/ws/visitor").await;
        client.say(&hello).await;
        let answer = client.answer("hello").await;
        if answer["type"] == "welcome" {
            client.entry_of("opened").await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    panic!("nobody who was sent away is ever let in");
}
