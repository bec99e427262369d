//! Stopping and starting: SIGTERM loses nothing, a second process on the same file is refused, a foreign file too.

use crate::client::Client;
use crate::desk::{Desk, program};
use serde_json::json;
use std::path::Path;

#[tokio::test]
async fn a_graceful_stop_tells_the_clients_and_loses_nothing() {
    let mut desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    let mut acked = Vec::new();
    for n in 0..20 {
        let ack = visitor.words(&conversation, &format!("m{n}"), &format!("word {n}")).await;
        acked.push((ack["seq"].clone(), format!("word {n}")));
    }
    desk.signal("TERM");
    let drain = visitor.expect("drain").await;
    assert!(drain["within_ms"].is_u64(), "{drain}");
    let status = desk.stop().await;
    assert!(status.success(), "{status}: {}", desk.log());
    assert!(matches!(visitor.ended().await.0, Some(4503) | None));
    desk.start_again();
    let log = desk.entries(&conversation).await;
    for (seq, words) in acked {
        let entry = log.iter().find(|entry| entry["seq"] == seq).expect("what was acked");
        assert_eq!(entry["content"]["text"], json!(words));
    }
}

#[test]
fn a_second_process_on_the_same_file_is_refused_with_a_sentence() {
    let mut desk = Desk::start();
    let folder = desk.store().parent().expect("a folder").to_path_buf();
    let out = program(&folder).arg("serve").output().expect("the program");
    assert!(matches!(out.status.code(), Some(1 | 2)), "{out:?}");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains(&desk.pid().to_string()) || said.contains("already"), "{said}");
    assert!(desk.is_running());
}

/// What the desk says of the store at `file` when it is to serve it; the file must stay as it is.
fn is_left_alone(folder: &Path, file: &Path) -> String {
    let before = std::fs::read(file).expect("the file");
    let out = program(folder).arg("serve").output().expect("the program");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(std::fs::read(file).expect("the file") == before, "it was written to");
    said
}

#[test]
fn a_file_that_is_not_ours_is_left_alone_with_a_sentence() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rushdesk.db");
    std::fs::write(&file, "somebody's diary, and not a database at all\n".repeat(200)).expect("a file");
    let said = is_left_alone(folder.path(), &file);
    assert!(said.contains("not a desk's database") && said.contains("store.url"), "{said}");
    std::fs::remove_file(&file).expect("the file");
    let theirs = rusqlite::Connection::open(&file).expect("a database");
    theirs.execute_batch("CREATE TABLE bookmarks (url TEXT); PRAGMA user_version = 3").expect("a table");
    drop(theirs);
    let said = is_left_alone(folder.path(), &file);
    assert!(said.contains("not a desk's database") && said.contains("store.url"), "{said}");
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_left_alone_with_a_sentence() {
    let mut desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    visitor.words(&conversation, "m1", "from before").await;
    assert!(desk.stop().await.success());
    let file = desk.store();
    let version = |number: i64| {
        let conn = rusqlite::Connection::open(&file).expect("the store");
        let ours: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number");
        conn.pragma_update(None, "user_version", number).expect("an update");
        ours
    };
    let ours = version(999);
    let said = is_left_alone(file.parent().expect("a folder"), &file);
    assert!(said.contains("999") && said.contains("newer version"), "{said}");
    version(ours);
    desk.start_again();
    let log = desk.entries(&conversation).await;
    assert!(log.iter().any(|entry| entry["content"]["text"] == "from before"), "{log:?}");
}

#[test]
fn wrong_settings_are_refused_by_name_with_code_2() {
    let folder = tempfile::tempdir().expect("a folder");
    for (setting, named) in [
        ("server.lisen=127.0.0.1:0", "server.listen"),
        ("limits.hello_s=soon", "limits.hello_s"),
        ("limits.text_bytes=100000", "limits.text_bytes"),
        ("store.url=postgres:///y", "store.url"),
    ] {
        let out = program(folder.path()).args(["serve", "--set", setting]).output().expect("the program");
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{setting}: {said}");
        assert!(said.contains(named), "{setting}: {said}");
    }
}

#[tokio::test]
async fn healthcheck_and_readyz_agree() {
    let mut desk = Desk::start();
    assert_eq!(desk.ask("GET", "/readyz", None, None).await.status, 200);
    let folder = desk.store().parent().expect("a folder").to_path_buf();
    let listen = desk.target.address().to_string();
    let check = || program(&folder).args(["healthcheck", "--listen", &listen]).status().expect("the program");
    assert!(check().success());
    desk.kill();
    assert!(!check().success());
}

#[tokio::test]
async fn a_backup_of_the_running_desk_opens_and_holds_what_was_acked() {
    let desk = Desk::start();
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    visitor.words(&conversation, "m1", "keep me").await;
    let folder = desk.store().parent().expect("a folder").to_path_buf();
    let copy = folder.join("copy.db");
    let out = program(&folder).arg("backup").arg(&copy).output().expect("the program");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let audit = program(&folder).args(["audit", "--store", &format!("sqlite://{}", copy.display())]).output();
    let audit = audit.expect("the program");
    assert!(audit.status.success(), "{}", String::from_utf8_lossy(&audit.stderr));
    visitor.still_serves().await;
}
