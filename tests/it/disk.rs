//! A full disk: writes are refused by a code that says so, reading goes on, nothing acked is lost, and the desk comes
//! back by itself. A desk that cannot even begin ends with a sentence.

use crate::client::Client;
use crate::desk::{Desk, may_mount, program, program_on_a_disk};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

/// Large enough for a young desk, small enough to fill at once.
const DISK_BYTES: u64 = 8 << 20;

/// Takes all the room that is left.
fn fill(disk: &Path) -> std::path::PathBuf {
    let path = disk.join("ballast");
    let mut ballast = std::fs::File::create(&path).expect("a file");
    for piece in [64 << 10, 4 << 10, 1] {
        while ballast.write_all(&vec![0; piece]).is_ok() {}
    }
    path
}

fn send(conversation: &str, n: usize) -> Value {
    let content = json!({"kind": "text", "text": format!("{n} {}", "x".repeat(4_000))});
    json!({"type": "send", "id": format!("m{n}"), "conversation": conversation, "content": content})
}

#[tokio::test]
async fn a_full_disk_refuses_words_serves_readers_and_loses_nothing() {
    if !may_mount() {
        return;
    }
    let mut desk = Desk::on_a_disk_of(DISK_BYTES, &["limits.frames_per_s=500", "limits.frames_burst=500"]);
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    let mut acked = Vec::new();
    for n in 0..20 {
        acked.push((n, visitor.ack(send(&conversation, n)).await["seq"].clone()));
    }
    let ballast = fill(&desk.disk());
    // What had its room already may still be taken; what is refused is refused in words.
    let mut full = 20;
    let refusal = loop {
        let answer = visitor.ask(send(&conversation, full)).await;
        if answer["type"] == "error" {
            break answer;
        }
        acked.push((full, answer["seq"].clone()));
        full += 1;
        assert!(full < 400, "the disk does not fill");
    };
    assert_eq!(refusal["code"], "unavailable", "{refusal}");
    assert!(refusal["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{refusal}");
    assert!(refusal["message"].as_str().is_some_and(|message| message.contains("disk")), "{refusal}");

    let ready = desk.ask("GET", "/readyz", None, None).await;
    assert_eq!((ready.status, &ready.json()["parts"]["store"]), (503, &json!("read_only")));
    assert_eq!(desk.ask("GET", "/livez", None, None).await.status, 200);
    assert_eq!(desk.metric("rushdesk_journal_read_only").await, 1);
    visitor.still_serves().await;
    visitor.say(&json!({"type": "fetch", "id": "all", "conversation": conversation, "after": 0})).await;
    assert_eq!(visitor.answer("all").await["type"], "caught_up", "reading goes on");
    let (_, other) = desk.visitor().await;
    let mut other = Client::visitor(&desk, &other).await;
    other.refused(json!({"type": "open"}), "unavailable").await;
    other.still_serves().await;

    std::fs::remove_file(ballast).expect("the ballast");
    let mut answer = refusal;
    for _ in 0..50 {
        if answer["type"] == "ack" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        answer = visitor.ask(send(&conversation, full)).await;
    }
    assert_eq!(answer["type"], "ack", "the same id is taken once there is room: {answer}");
    acked.push((full, answer["seq"].clone()));
    assert_eq!(desk.ask("GET", "/readyz", None, None).await.status, 200);

    desk.kill_and_rescue();
    desk.start_again();
    let log = desk.entries(&conversation).await;
    for (n, seq) in &acked {
        let said = send(&conversation, *n)["content"].clone();
        let kept: Vec<_> = log.iter().filter(|entry| entry["content"] == said).collect();
        assert_eq!(kept.len(), 1, "message {n} once");
        assert_eq!(&kept[0]["seq"], seq, "message {n} where it was acked");
    }
    let folder = desk.store().parent().expect("a folder").to_path_buf();
    let audit = program(&folder).arg("audit").output().expect("the program");
    assert!(audit.status.success(), "{audit:?}");
}

fn starts_on_a_full_disk(before: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let fill = format!("{before} dd if=/dev/zero of=disk/ballast bs=4k 2>/dev/null || true;");
    program_on_a_disk(folder.path(), DISK_BYTES, &fill).arg("serve").output().expect("the program")
}

#[test]
fn a_desk_that_starts_on_a_full_disk_says_so_and_ends() {
    if !may_mount() {
        return;
    }
    for (what, before) in [("a first start", ""), ("a later start", "\"$1\" migrate >/dev/null;")] {
        let out = starts_on_a_full_disk(before);
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains("full") && said.contains("free some space"), "{what}: {said}");
        assert!(!String::from_utf8_lossy(&out.stdout).contains("listening"), "{what}");
    }
}
