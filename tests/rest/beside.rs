//! The command line beside a running desk: what it changes is in force soon, what it reads is what the desk wrote.

use crate::desk::Desk;
use rushdesk::clock::Timestamp;
use rushdesk::store::{Edit, Expect, Store};
use serde_json::{Value, json};
use std::process::Output;

fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn agents_and_groups_are_administered_beside_the_desk() {
    let desk = Desk::start();
    let admin = desk.admin();
    out(&desk.command(&["group", "add", "night", "--name", "Night shift", "--accept", "manual"]));
    assert!(refused(&desk.command(&["group", "add", "night"]), 1).contains("already"));
    let added =
        out(&desk.command(&["agent", "add", "ann", "--groups", "night", "--skills", "refund=3", "--json"]));
    let added: Value = serde_json::from_str(&added).unwrap();
    let password = added["password"].as_str().unwrap();
    let path = format!("/api/v1/agents/{}", added["id"].as_str().unwrap());
    for _ in 0..200 {
        if desk.get(&path, &admin).status == 200 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    assert_eq!(desk.get(&path, &admin).expect(200)["skills"], json!({ "refund": 3 }));
    let token = desk.log_in("ann", password);
    out(&desk.command(&["agent", "password", "ann", "--password", "other password"]));
    desk.until(&path, &admin, |_| desk.get("/api/v1/auth/me", &token).status == 401);
    desk.log_in("ann", "other password");
    out(&desk.command(&["agent", "disable", "ann"]));
    desk.until(&path, &admin, |agent| agent["disabled"] == true);
    let listed: Value = serde_json::from_str(&out(&desk.command(&["agent", "list", "--json"]))).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(refused(&desk.command(&["agent", "disable", "admin"]), 1).contains("last administrator"));
    assert!(refused(&desk.command(&["agent", "disable", "nobody"]), 1).contains("nobody"));
    let (_, visitor) = desk.visitor();
    desk.until("/api/v1/groups/night", &admin, |_| true);
    let conversation = desk.open(&visitor, "night");
    assert!(
        refused(&desk.command(&["group", "remove", "night"]), 1)
            .contains("conversations wait in group `night` (1)")
    );
    desk.post(&format!("/api/v1/conversations/{conversation}/close"), &visitor, json!({})).expect(200);
    out(&desk.command(&["group", "remove", "night"]));
    assert!(!out(&desk.command(&["group", "list"])).contains("night"));
}

#[test]
fn a_token_signed_beside_the_desk_is_honoured_by_it() {
    let desk = Desk::start();
    let token = out(&desk.command(&["token", "visitor", "--subject", "42", "--tier", "vip"]));
    let conversation = desk.open(token.trim(), "general");
    let shown = desk.get(&format!("/api/v1/conversations/{conversation}"), &desk.admin()).expect(200);
    assert_eq!((&shown["visitor"]["id"], &shown["visitor"]["tier"]), (&json!("42"), &json!("vip")));
}

#[test]
fn the_store_is_copied_audited_and_found_healthy_while_the_desk_runs() {
    let desk = Desk::start();
    let (_, visitor) = desk.visitor();
    desk.open(&visitor, "general");
    out(&desk.command(&["backup", "copy.db"]));
    assert!(refused(&desk.command(&["backup", "copy.db"]), 1).contains("exists"));
    let audit = ["audit", "--json", "--store", "sqlite://copy.db"];
    let audited: Value = serde_json::from_str(&out(&desk.command(&audit))).unwrap();
    assert_eq!((&audited["conversations"], &audited["findings"]), (&json!(1), &json!([])));
    assert!(out(&desk.command(&["audit"])).contains("1 conversations"));
    assert!(out(&desk.command(&["migrate"])).contains("up to date"));
    let doctor =
        desk.command(&["doctor", "--json", "--listen", &desk.address, "--set", "server.max_sockets=64"]);
    let checks: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    for check in ["store", "store folder", "attachments", "open files", "clock", "listen"] {
        let found = checks.as_array().unwrap().iter().find(|line| line["check"] == check).unwrap();
        assert_eq!(found["ok"], true, "{found}");
    }
    let pruned = desk.command(&["prune", "--older-than", "1d", "--store", "sqlite://copy.db"]);
    assert!(out(&pruned).contains("deleted 0"));
}

#[test]
fn a_running_desk_prunes_its_own_store() {
    let desk = Desk::with(&[("RUSHDESK__CONVERSATION__REOPEN_H", "0")]);
    let admin = desk.admin();
    let (_, visitor) = desk.visitor();
    let kept = desk.open(&visitor, "general");
    let (_, former) = desk.visitor();
    let old = desk.open(&former, "general");
    desk.post(&format!("/api/v1/conversations/{old}/close"), &former, json!({})).expect(200);
    let prune = |span: &str| desk.command(&["prune", "--older-than", span, "--listen", &desk.address]);
    assert!(out(&prune("1d")).contains("deleted 0"));
    let deleted = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(100));
        out(&prune("1s")).contains("deleted 1")
    });
    assert!(deleted, "the closed conversation never went");
    desk.get(&format!("/api/v1/conversations/{old}"), &admin).refused(404, "not_found");
    desk.get(&format!("/api/v1/conversations/{kept}"), &admin).expect(200);
    desk.get(&format!("/api/v1/conversations/{old}/entries"), &former).refused(404, "not_found");
    assert_eq!(out(&desk.command(&["audit"])).lines().last().unwrap().split(", ").nth(2), Some("0 findings"));
    let elsewhere = desk.command(&["prune", "--older-than", "1d", "--listen", "127.0.0.1:9"]);
    assert!(refused(&elsewhere, 1).contains("give its address with --listen"));
}

#[test]
fn what_may_still_be_reopened_is_not_pruned_and_only_administrators_prune() {
    let desk = Desk::start();
    let admin = desk.admin();
    let (_, supervisor) = desk.agent(&admin, "sue", "supervisor", &[]);
    let ask =
        |token: &str, age_s: u64| desk.post("/api/v1/admin/prune", token, json!({ "older_than_s": age_s }));
    ask(&supervisor, 90_000).refused(403, "forbidden");
    assert!(ask(&admin, 86_399).refused(400, "bad_frame").contains("86400"));
    assert_eq!(ask(&admin, 86_400).expect(200), json!({ "conversations": 0 }));
}

#[test]
fn a_desk_in_memory_starts_and_serves() {
    let desk = Desk::with(&[("RUSHDESK__STORE__URL", "memory")]);
    let (_, visitor) = desk.visitor();
    let conversation = desk.open(&visitor, "general");
    let shown = desk.get(&format!("/api/v1/conversations/{conversation}"), &desk.admin()).expect(200);
    assert_eq!(shown["state"], "queued");
    desk.post("/api/v1/admin/prune", &desk.admin(), json!({ "older_than_s": 90_000 }))
        .refused(409, "conflict");
}

#[test]
fn a_store_in_memory_has_nothing_to_administer() {
    let desk = Desk::start();
    for arguments in
        [&["agent", "list"][..], &["backup", "b.db"], &["audit"], &["prune", "--older-than", "1d"]]
    {
        let output = desk.command(&[arguments, &["--store", "memory"]].concat());
        assert!(refused(&output, 2).contains("memory"), "{arguments:?}");
    }
    assert!(refused(&desk.command(&["audit", "--store", "sqlite://none.db"]), 1).contains("does not exist"));
}

#[test]
fn a_log_out_that_another_process_writes_is_honoured_soon() {
    let mut desk = Desk::start();
    let token = desk.admin();
    let me = "/api/v1/auth/me";
    desk.post("/api/v1/auth/logout", &token, json!({})).expect(204);
    desk.get(me, &token).refused(401, "unauthenticated");
    let store = desk.store_beside();
    let written = store.list("log_out", None, 2).unwrap();
    assert_eq!(written.len(), 1);
    let (log_out, edit) =
        (&written[0], Edit { author: "beside", at: Timestamp::default(), expect: Expect::Anything });
    store.delete("log_out", &log_out.id, edit).unwrap();
    desk.restart();
    desk.get(me, &token).expect(200);
    store.put("log_out", &log_out.id, &log_out.body, edit).unwrap();
    desk.until("/api/v1/live", "", |_| desk.get(me, &token).status == 401);
}
