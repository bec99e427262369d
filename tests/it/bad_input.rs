//! What bad input gets: a code or a close code, a sentence, and the connection or its neighbours served on.

use crate::client::Client;
use crate::desk::Desk;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

async fn visitor() -> (Desk, Client, String) {
    let desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    (desk, visitor, conversation)
}

/// A frame as it stands on the wire: masked with zeroes, `first` being FIN and opcode.
pub(crate) fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | u8::try_from(short).expect("below 126")),
        long => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(long).expect("below 64 KiB").to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

pub(crate) async fn put(client: &mut Client, bytes: &[u8]) {
    client.socket.get_mut().write_all(bytes).await.expect("an open connection");
}

#[tokio::test]
async fn frames_that_cannot_be_read_are_answered_and_the_connection_stays() {
    let (_desk, mut visitor, conversation) = visitor().await;
    let cases = [
        ("{", Value::Null),
        ("[]", Value::Null),
        ("7", Value::Null),
        (r#"{"id":"x1"}"#, json!("x1")),
        (r#"{"type":"dance","id":"x2"}"#, json!("x2")),
        (r#"{"type":7,"id":"x3"}"#, json!("x3")),
        (r#"{"type":"send","id":"x4"}"#, json!("x4")),
        (
            r#"{"type":"send","id":"x5","conversation":"nope","content":{"kind":"text","text":"a"}}"#,
            json!("x5"),
        ),
        (r#"{"type":"fetch","id":"x6","conversation":"CONVERSATION","after":"one"}"#, json!("x6")),
        (
            r#"{"type":"send","id":"x7","conversation":"CONVERSATION","content":{"kind":"text","text":7}}"#,
            json!("x7"),
        ),
        (r#"{"type":"send","id":"x8","conversation":"CONVERSATION","content":{"kind":"poem"}}"#, json!("x8")),
        (r#"{"type":"ping","id":"x9","id":"x9"}"#, Value::Null),
    ];
    for (frame, re) in cases {
        visitor.say_text(&frame.replace("CONVERSATION", &conversation)).await;
        let error = visitor.expect("error").await;
        assert_eq!(error["code"], "bad_frame", "{frame} got {error}");
        assert!(frame.contains("x9") || error["re"] == re, "{frame} got {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.len() > 10), "{error}");
    }
    let unknown_field = json!({"type": "ping", "colour": "blue"});
    assert_eq!(visitor.ask(unknown_field).await["type"], "pong", "unknown fields are ignored");
    visitor.still_serves().await;
}

#[tokio::test]
async fn sizes_beyond_the_limits_are_too_large() {
    let (_desk, mut visitor, conversation) = visitor().await;
    let send = |text: String| json!({"type": "send", "conversation": conversation, "content": {"kind": "text", "text": text}});
    visitor.ack(send("x".repeat(8_192))).await;
    visitor.refused(send("x".repeat(8_193)), "too_large").await;
    visitor.refused(send(String::new()), "bad_frame").await;
    visitor.refused(send("nul \u{0}".to_owned()), "bad_frame").await;
    let long_id = json!({"type": "ping", "id": "i".repeat(65)});
    let answer = visitor.ask(long_id).await;
    assert_eq!(answer["type"], "error", "an id has at most 64 characters: {answer}");
    visitor.still_serves().await;
    visitor.say(&send("x".repeat(70_000))).await;
    assert_eq!(visitor.ended().await.0, Some(4413));
}

#[tokio::test]
async fn a_header_that_declares_2_to_the_40_bytes_ends_the_connection_and_takes_no_memory() {
    let (desk, mut visitor, _) = visitor().await;
    let before = desk.rss_kib();
    let mut header = vec![0x81, 0x80 | 127];
    header.extend((1_u64 << 40).to_be_bytes());
    header.extend([0; 4]);
    put(&mut visitor, &header).await;
    let flood = vec![b'x'; 1 << 20];
    for _ in 0..32 {
        if visitor.socket.get_mut().write_all(&flood).await.is_err() {
            break;
        }
    }
    assert!(matches!(visitor.ended().await.0, Some(4413) | None));
    let grown = desk.rss_kib().saturating_sub(before);
    assert!(grown < 8 << 10, "grown by {grown} KiB");
    let (_, token) = desk.visitor().await;
    Client::visitor(&desk, &token).await.still_serves().await;
}

#[tokio::test]
async fn a_text_in_fragments_is_one_frame_and_its_sum_is_limited() {
    let (_desk, mut visitor, conversation) = visitor().await;
    let frame = json!({"type": "send", "id": "pieces", "conversation": conversation,
        "content": {"kind": "text", "text": "in three pieces"}})
    .to_string();
    let (one, rest) = frame.as_bytes().split_at(10);
    let (two, three) = rest.split_at(20);
    for (first, piece) in [(0x01, one), (0x00, two), (0x80, three)] {
        put(&mut visitor, &raw(first, piece)).await;
    }
    assert_eq!(visitor.answer("pieces").await["type"], "ack");
    put(&mut visitor, &raw(0x01, &[b'x'; 60_000])).await;
    // The desk may end it during the second piece.
    drop(visitor.socket.get_mut().write_all(&raw(0x80, &[b'x'; 60_000])).await);
    assert!(matches!(visitor.ended().await.0, Some(4413 | 4400) | None));
}

#[tokio::test]
async fn binary_frames_invalid_utf_8_and_broken_framing_end_the_connection_with_a_code() {
    let desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let cases: [(&str, Vec<u8>, &[u16]); 5] = [
        ("binary", raw(0x82, b"{}"), &[4400, 1003]),
        ("invalid UTF-8", raw(0x81, &[b'"', 0xff, 0xfe, b'"']), &[4400, 1007]),
        ("a continuation of nothing", raw(0x80, b"{}"), &[4400, 1002]),
        ("an unknown opcode", raw(0x83, b"{}"), &[4400, 1002]),
        ("a reserved bit", raw(0xC1, b"{}"), &[4400, 1002]),
    ];
    for (what, bytes, codes) in cases {
        let mut visitor = Client::visitor(&desk, &token).await;
        put(&mut visitor, &bytes).await;
        // An answer by an `error` frame is as good where the connection stays.
        let heard = timeout(Duration::from_secs(5), visitor.hear()).await;
        match heard.unwrap_or_else(|_| panic!("{what}: silence is a defect")) {
            Ok(frame) => assert_eq!(frame["code"], "bad_frame", "{what}: {frame}"),
            Err(ended) => assert!(ended.0.is_some_and(|code| codes.contains(&code)), "{what}: {ended:?}"),
        }
    }
    let mut visitor = Client::visitor(&desk, &token).await;
    visitor.still_serves().await;
}

#[tokio::test]
async fn an_unmasked_frame_is_a_protocol_error() {
    let (_desk, mut visitor, _) = visitor().await;
    put(&mut visitor, &[0x81, 2, b'{', b'}']).await;
    assert!(matches!(visitor.ended().await.0, Some(4400 | 1002) | None));
}

#[tokio::test]
async fn without_a_hello_the_connection_ends_in_time_and_nothing_is_served_before_it() {
    let desk = Desk::with(&["limits.hello_s=1"]);
    let mut silent = Client::connect(&desk, "/ws/visitor").await;
    assert_eq!(silent.ended().await.0, Some(4408));
    let mut rude = Client::connect(&desk, "/ws/visitor").await;
    rude.say(&json!({"type": "open", "id": "o"})).await;
    let answer = rude.find("an answer", |frame| frame["re"] == "o").await;
    assert_eq!(answer["type"], "error", "{answer}");
    assert!(["unauthenticated", "bad_frame"].contains(&answer["code"].as_str().expect("a code")), "{answer}");
}

#[tokio::test]
async fn a_second_hello_is_refused_and_the_first_sign_in_stands() {
    let (desk, mut visitor, conversation) = visitor().await;
    let (_, other) = desk.visitor().await;
    let answer = visitor.ask(json!({"type": "hello", "token": other})).await;
    assert_eq!(answer["type"], "error", "{answer}");
    visitor.words(&conversation, "m1", "still me").await;
}
