//! What operators see: whatever sockets were told, refused or closed for stands on `/metrics`, under the one name.

use crate::bad_input::{put, raw};
use crate::client::Client;
use crate::desk::Desk;
use serde_json::json;
use std::collections::BTreeSet;

/// A metric that is counted after the answer that the test has seen.
async fn becomes(desk: &Desk, name: &str, wanted: u64) {
    let mut seen = 0;
    for _ in 0..100 {
        seen = desk.metric(name).await;
        if seen == wanted {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{name} is {seen}, not {wanted}");
}

#[tokio::test]
async fn refusals_are_counted_by_code() {
    let desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    let refused = |code: &str| format!("rushdesk_frames_refused_total{{code=\"{code}\"}}");
    for code in ["bad_frame", "not_found", "too_large", "forbidden"] {
        assert_eq!(desk.metric(&refused(code)).await, 0, "{code}");
    }
    visitor.refused(json!({"type": "dance"}), "bad_frame").await;
    visitor.refused(json!({"type": "dance"}), "bad_frame").await;
    let text = |text: String| json!({"kind": "text", "text": text});
    let nowhere = "01999999-0000-7000-8000-000000000000";
    visitor
        .refused(json!({"type": "send", "conversation": nowhere, "content": text("a".into())}), "not_found")
        .await;
    let long = json!({"type": "send", "conversation": conversation, "content": text("x".repeat(8_193))});
    visitor.refused(long, "too_large").await;
    visitor.refused(json!({"type": "watch", "conversation": conversation}), "forbidden").await;
    for (code, count) in [("bad_frame", 2), ("not_found", 1), ("too_large", 1), ("forbidden", 1)] {
        assert_eq!(desk.metric(&refused(code)).await, count, "{code}");
    }
    assert_eq!(desk.metric(&refused("unauthenticated")).await, 0);
}

#[tokio::test]
async fn ends_of_sockets_are_counted_by_close_code_and_by_who_left() {
    let desk = Desk::with(&["limits.hello_s=1", "limits.heartbeat_s=2", "limits.heartbeat_answer_s=1"]);
    let (_, token) = desk.visitor().await;
    let huge = json!({"type": "ping", "id": "p", "more": "x".repeat(70_000)}).to_string();
    for (code, bytes) in [
        (4400, raw(0x82, b"{}")),
        (1002, raw(0x83, b"{}")),
        (1007, raw(0x81, &[b'"', 0xff, b'"'])),
        (4413, [&[0x81, 0x80 | 127][..], &70_000_u64.to_be_bytes(), &[0; 4], huge.as_bytes()].concat()),
    ] {
        let mut visitor = Client::visitor(&desk, &token).await;
        put(&mut visitor, &bytes).await;
        assert_eq!(visitor.ended().await.0, Some(code));
        becomes(&desk, &format!("rushdesk_sockets_closed_total{{code=\"{code}\"}}"), 1).await;
    }
    let mut silent = Client::connect(&desk, "/ws/visitor").await;
    assert_eq!(silent.ended().await.0, Some(4408));
    let mut stranger = Client::connect(&desk, "/ws/visitor").await;
    stranger.say(&json!({"type": "hello", "id": "h", "token": "nobody"})).await;
    assert_eq!(stranger.ended().await.0, Some(4401));
    for code in [4401, 4408] {
        becomes(&desk, &format!("rushdesk_sockets_closed_total{{code=\"{code}\"}}"), 1).await;
    }

    let mut polite = Client::visitor(&desk, &token).await;
    polite.socket.close(None).await.expect("an open connection");
    becomes(&desk, "rushdesk_sockets_left_total{how=\"closed\"}", 1).await;
    drop(Client::visitor(&desk, &token).await);
    becomes(&desk, "rushdesk_sockets_left_total{how=\"lost\"}", 1).await;
    let _asleep = Client::visitor(&desk, &token).await;
    becomes(&desk, "rushdesk_sockets_left_total{how=\"silent\"}", 1).await;
    becomes(&desk, "rushdesk_sockets_open", 0).await;
}

#[tokio::test]
async fn frames_and_bytes_are_counted_both_ways_and_every_line_is_well_formed() {
    let desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    let names = [
        "rushdesk_frames_received_total",
        "rushdesk_received_bytes_total",
        "rushdesk_frames_sent_total",
        "rushdesk_sent_bytes_total",
    ];
    let mut before = Vec::new();
    for name in names {
        before.push(desk.metric(name).await);
    }
    let words = "x".repeat(5_000);
    for n in 0..3 {
        visitor.words(&conversation, &format!("m{n}"), &words).await;
        visitor.entry_saying(&words).await;
    }
    let mut grown = Vec::new();
    for (name, before) in names.into_iter().zip(before) {
        grown.push(desk.metric(name).await - before);
    }
    assert_eq!(grown[0], 3);
    assert!((15_000..17_000).contains(&grown[1]), "{grown:?}");
    assert!(grown[2] >= 6, "an ack and an entry each: {grown:?}");
    assert!((15_000..20_000).contains(&grown[3]), "{grown:?}");

    let page = desk.ask("GET", "/metrics", None, None).await.text();
    let mut told = BTreeSet::new();
    for line in page.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(kind) => assert!(told.insert(kind.split(' ').next().expect("a name")), "{line} twice"),
            None if line.starts_with('#') => {}
            None => {
                let (series, value) = line.rsplit_once(' ').expect("a value");
                let name = series.split('{').next().expect("a name");
                let name = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end).filter(|name| told.contains(name)))
                    .unwrap_or(name);
                assert!(told.contains(name), "{line} has no type");
                assert!(value.parse::<f64>().is_ok(), "{line}");
            }
        }
    }
    assert!(told.len() > 40, "{}", told.len());
}
