//! Too much of everything: floods, readers that never read, half-open connections, handshakes that never end. Memory
//! stays bounded, the others are served on.

use crate::client::Client;
use crate::desk::Desk;
use futures_util::{FutureExt, SinkExt};
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_flood_is_slowed_down_by_a_code_and_the_same_id_goes_later() {
    let desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    for n in 0..60 {
        let content = json!({"kind": "text", "text": format!("flood {n}")});
        visitor.say(&json!({"type": "send", "id": format!("m{n}"), "conversation": conversation, "content": content})).await;
    }
    let (mut acked, mut refused) = (0, Vec::new());
    for n in 0..60 {
        let answer = visitor.answer(&format!("m{n}")).await;
        match answer["type"].as_str() {
            Some("ack") => acked += 1,
            _ => refused.push((n, answer)),
        }
    }
    assert!(acked >= 10, "a burst is taken: {acked}");
    assert!(!refused.is_empty(), "60 frames at once pass a burst of 40");
    for (_, answer) in &refused {
        assert!(
            ["rate_limited", "overloaded"].contains(&answer["code"].as_str().expect("a code")),
            "{answer}"
        );
        assert!(answer["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{answer}");
    }
    let (n, answer) = &refused[0];
    tokio::time::sleep(Duration::from_millis(answer["retry_after_ms"].as_u64().expect("ms") + 1_000)).await;
    visitor.words(&conversation, &format!("m{n}"), &format!("flood {n}")).await;
}

#[tokio::test]
async fn a_flood_that_does_not_listen_to_refusals_is_cut_off() {
    let desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let before = desk.rss_kib();
    let mut cut = false;
    for n in 0..200_000 {
        if visitor.socket.feed(Message::text(format!(r#"{{"type":"ping","id":"p{n}"}}"#))).await.is_err() {
            cut = true;
            break;
        }
        if n % 50 == 0 {
            while let Some(Ok(_)) = visitor.hear().now_or_never() {}
        }
    }
    assert!(cut || matches!(visitor.ended().await.0, Some(4429 | 4420) | None));
    let grown = desk.rss_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "grown by {grown} KiB");
    let mut other = Client::visitor(&desk, &token).await;
    other.still_serves().await;
}

#[tokio::test]
async fn a_reader_that_never_reads_is_closed_and_loses_nothing() {
    let mut desk = Desk::with(&[
        "limits.outbox_bytes=65536",
        "limits.frames_per_s=2000",
        "limits.frames_burst=4000",
        "limits.identity_frames_per_s=4000",
        "limits.identity_frames_burst=8000",
    ]);
    let (_, agent_token) = desk.agent("ann", 2).await;
    let (_, visitor_token) = desk.visitor().await;
    let mut agent = Client::agent(&desk, &agent_token).await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let conversation = visitor.open().await;
    agent.expect("assigned").await;
    let before = desk.rss_kib();
    let words = "x".repeat(8_000);
    // Far more than the kernel's buffers and the outbox together hold. The agent reads none of it.
    for n in 0..2_000 {
        visitor.words(&conversation, &format!("m{n}"), &words).await;
    }
    let grown = desk.rss_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "grown by {grown} KiB");
    let ended = agent.ended().await;
    assert!(matches!(ended.0, Some(4420) | None), "{ended:?}");
    let (mut back, welcome) = Client::sign_in(&desk, "/ws/agent", &agent_token, json!({})).await;
    let head = welcome["conversations"][0]["head"].clone();
    back.say(&json!({"type": "fetch", "id": "last", "conversation": conversation, "after": 1_990})).await;
    let caught_up = back.answer("last").await;
    assert_eq!(caught_up["head"], head, "{caught_up}");
}

#[tokio::test]
async fn many_readers_that_never_read_hold_no_more_than_their_outboxes() {
    const READERS: usize = 30;
    let desk = Desk::with(&[
        "limits.outbox_bytes=65536",
        "limits.sockets_per_identity=40",
        "limits.frames_per_s=2000",
        "limits.frames_burst=4000",
        "limits.identity_frames_per_s=4000",
        "limits.identity_frames_burst=8000",
    ]);
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    let mut deaf = Vec::new();
    for _ in 0..READERS {
        deaf.push(Client::visitor(&desk, &token).await);
    }
    let before = desk.rss_kib();
    let words = "x".repeat(8_000);
    // 16 MiB for each of them: unbounded, that is half a gigabyte.
    for n in 0..2_000 {
        visitor.words(&conversation, &format!("m{n}"), &words).await;
        visitor.entry_saying(&words).await;
    }
    let grown = desk.rss_kib().saturating_sub(before);
    assert!(grown < 96 << 10, "grown by {grown} KiB");
    for mut reader in deaf {
        let ended = reader.ended().await;
        assert!(matches!(ended.0, Some(4420) | None), "{ended:?}");
    }
    visitor.still_serves().await;
}

#[tokio::test]
async fn connections_that_never_finish_the_handshake_do_not_keep_others_out() {
    let desk = Desk::with(&["server.handshake_s=2"]);
    let before = desk.rss_kib();
    let mut half = Vec::new();
    for n in 0..1_000 {
        let mut stream = TcpStream::connect(desk.target.address()).await.expect("a connection");
        let start: &[u8] = if n % 2 == 0 { b"" } else { b"GET /ws/visitor HTTP/1.1\r\nHost: x\r\n" };
        stream.write_all(start).await.expect("room in the buffer");
        half.push(stream);
    }
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    visitor.open().await;
    visitor.still_serves().await;
    let grown = desk.rss_kib().saturating_sub(before);
    assert!(grown < 64 << 10, "grown by {grown} KiB");
}

#[tokio::test]
async fn a_half_open_connection_is_noticed_by_its_silence() {
    let mut desk = Desk::with(&[
        "limits.heartbeat_s=2",
        "limits.heartbeat_answer_s=1",
        "conversation.presence_grace_s=1",
    ]);
    let (_, ann_token) = desk.agent("ann", 2).await;
    let (_, ben_token) = desk.agent("ben", 2).await;
    let mut ann = Client::agent(&desk, &ann_token).await;
    let (_, visitor_token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &visitor_token).await;
    let conversation = visitor.open().await;
    ann.expect("assigned").await;
    let mut ben = Client::agent(&desk, &ben_token).await;
    // From here on Ann's machine sleeps: the socket is open and nobody answers its pings; the others read on.
    let moved = ben.expect("assigned");
    let awake = async { while visitor.hear().await.is_ok() {} };
    let moved = tokio::select! {
        moved = moved => moved,
        () = awake => panic!("the visitor's connection ended"),
    };
    assert_eq!(moved["conversation"], json!(conversation));
    drop(ann);
}

#[tokio::test]
async fn many_sign_ups_and_sockets_of_one_address_are_limited_by_a_code() {
    let desk = Desk::with(&["limits.sign_ups_per_s=5", "limits.sockets_per_address=3"]);
    let mut statuses = Vec::new();
    for _ in 0..40 {
        let answer = desk.ask("POST", "/api/v1/visitors", None, Some(json!({}))).await;
        if answer.status == 429 {
            assert_eq!(answer.json()["code"], "rate_limited", "{}", answer.text());
            assert!(answer.header("retry-after").is_some());
        }
        statuses.push(answer.status);
    }
    assert!(statuses.contains(&429) && statuses.iter().any(|status| *status < 300), "{statuses:?}");
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Client::connect(&desk, "/ws/visitor").await);
    }
    assert!(Client::shake_hands(&desk, "/ws/visitor", &[]).await.is_err(), "a fourth socket of three");
}

#[tokio::test]
async fn failed_log_ins_are_slowed_down_and_good_ones_are_not_counted() {
    let mut desk = Desk::with(&["limits.login_failures_per_login=3"]);
    desk.agent("ann", 1).await;
    let bad = json!({"login": "ann", "password": "wrong-password"});
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(desk.ask("POST", "/api/v1/auth/login", None, Some(bad.clone())).await.status);
    }
    assert_eq!(statuses[..3], [401, 401, 401]);
    assert_eq!(statuses[4], 429, "{statuses:?}");
    let unknown = json!({"login": "nobody", "password": "wrong-password"});
    let answer = desk.ask("POST", "/api/v1/auth/login", None, Some(unknown)).await;
    assert_eq!(answer.status, 401, "nobody learns which logins exist");
    let admin = desk.admin().await;
    assert!(!admin.is_empty());
}

#[tokio::test]
async fn many_positions_in_a_hello_are_each_answered_and_take_the_readers_from_nobody() {
    const POSITIONS: usize = 500;
    let desk = Desk::start();
    let resume: Vec<_> = (0..POSITIONS)
        .map(|n| json!({"conversation": format!("01900000-0000-7000-8000-{n:012}"), "after": 3}))
        .collect();
    let mut comers = Vec::new();
    for _ in 0..4 {
        let (_, token) = desk.visitor().await;
        let mut comer = Client::connect(&desk, "/ws/visitor").await;
        let hello = json!({"type": "hello", "id": "hello", "token": token, "resume": resume});
        comer.say(&hello).await;
        comers.push(comer);
    }
    for mut comer in comers {
        assert_eq!(comer.expect("welcome").await["re"], "hello");
        for _ in 0..POSITIONS {
            let refused = comer.expect("error").await;
            assert_eq!(refused["code"], "not_found", "{refused}");
            assert!(refused.get("re").is_none(), "the hello has had its answer: {refused}");
        }
        comer.still_serves().await;
    }
}
