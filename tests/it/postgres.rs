//! One desk on PostgreSQL: what is played on a file is played here too, the database may go away and come back, and one
//! process serves it under an id.

use crate::client::Client;
use crate::desk::{ADMIN_PASSWORD, Desk, program};
use crate::kill::{End, UP_FOR, interrupted, plan};
use crate::postgres_server::PostgresServer;
use rushdesk::rehearsal::history::Limits;
use rushdesk::rehearsal::judge::Judge;
use rushdesk::rehearsal::plan::Plan;
use rushdesk::rehearsal::report;
use rushdesk::rehearsal::setup::{Administrator, Staff};
use rushdesk::rehearsal::traffic::Traffic;
use serde_json::{Value, json};
use std::process::Output;
use std::time::Duration;

const STORE: &str = "RUSHDESK__STORE__URL";

fn desk_on(url: &str) -> Desk {
    Desk::with_environment(&["node.id=front"], &[(STORE, url)])
}

/// A command beside the desk, or instead of it.
fn command(url: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    program(folder.path()).env(STORE, url).args(arguments).output().expect("the program")
}

fn answered(url: &str, arguments: &[&str]) -> String {
    let output = command(url, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a start says that is refused.
fn refused(url: &str, code: i32) -> String {
    let output = command(url, &["serve"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[tokio::test]
async fn shopper_and_agent_talk_and_a_restart_remembers() {
    let url = PostgresServer::shared().fresh_desk();
    let mut desk = desk_on(&url);
    let (_, visitor_token) = desk.visitor().await;
    let (_, agent_token) = desk.agent("ann", 2).await;
    let (mut visitor, welcome) = Client::sign_in(&desk, "/ws/visitor", &visitor_token, json!({})).await;
    assert_eq!((&welcome["durability"], &welcome["node"]), (&json!("local"), &json!("front")));
    let conversation = visitor.open().await;
    visitor.words(&conversation, "m1", "我的快递在哪里").await;
    let mut agent = Client::agent(&desk, &agent_token).await;
    let assigned = agent.expect("assigned").await;
    assert_eq!(assigned["conversation"], json!(conversation));
    agent.words(&conversation, "a1", "让我看看").await;
    let answer = visitor.entry_saying("让我看看").await;
    let ready = desk.ask("GET", "/readyz", None, None).await;
    assert_eq!((ready.status, &ready.json()["durability"]), (200, &json!("local")), "{}", ready.text());

    assert!(answered(&url, &["agent", "list"]).contains("ann"));
    assert!(answered(&url, &["group", "add", "refunds"]).contains("refunds"));
    assert!(answered(&url, &["audit"]).contains(" 0 findings"));
    assert!(answered(&url, &["prune", "--older-than", "90d"]).contains("deleted 0"));
    assert!(answered(&url, &["doctor"]).contains("is a desk's and can be reached"));
    let backup = command(&url, &["backup", "copy.db"]);
    let said = String::from_utf8_lossy(&backup.stderr);
    assert!(backup.status.code() == Some(2) && said.contains("pg_dump"), "{said}");

    assert!(desk.stop().await.success(), "{}", desk.log());
    desk.start_again();
    let (mut visitor, welcome) =
        Client::sign_in(&desk, "/ws/visitor", &visitor_token, json!({"resume": []})).await;
    assert_eq!(welcome["conversations"][0]["conversation"], json!(conversation), "{welcome}");
    visitor.words(&conversation, "m2", "谢谢").await;
    let log = desk.entries(&conversation).await;
    let kept = log.iter().find(|entry| entry["seq"] == answer["seq"]).expect("what was said");
    assert_eq!(kept["content"]["text"], "让我看看");
}

#[tokio::test]
async fn a_second_process_is_refused_under_the_same_id_and_without_a_bus() {
    let url = PostgresServer::shared().fresh_desk();
    let mut desk = desk_on(&url);
    let second = command(&url, &["serve", "--set", "node.id=front"]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the node `front` serves") && said.contains("give this one another `node.id`"),
        "{said}"
    );
    let deaf = command(&url, &["serve", "--set", "node.id=back"]);
    let said = String::from_utf8_lossy(&deaf.stderr);
    assert_eq!(deaf.status.code(), Some(2), "{said}");
    assert!(said.contains("bus.url: the node `front` serves this database too"), "{said}");
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    visitor.words(&conversation, "m1", "still here").await;

    PostgresServer::shared().run(&url, "UPDATE node SET incarnation = gen_random_uuid() WHERE id = 'front'");
    let status = desk.ended().await;
    assert_eq!(status.code(), Some(1), "{}", desk.log());
    assert!(desk.log().contains("was taken over by another process under the same id"), "{}", desk.log());
}

#[tokio::test]
async fn a_node_that_slept_while_another_took_its_place_ends_and_spoils_nothing() {
    let url = PostgresServer::shared().fresh_desk();
    let mut sleeper = desk_on(&url);
    let (_, token) = sleeper.visitor().await;
    let mut visitor = Client::visitor(&sleeper, &token).await;
    let conversation = visitor.open().await;
    visitor.words(&conversation, "m1", "before").await;
    sleeper.signal("STOP");
    visitor.say(&words(&conversation)).await;

    let mut again = desk_on(&url);
    let mut visitor = Client::visitor(&again, &token).await;
    visitor.words(&conversation, "m2", "after").await;
    sleeper.signal("CONT");
    let status = sleeper.ended().await;
    assert_eq!(status.code(), Some(1), "{}", sleeper.log());
    assert!(sleeper.log().contains("was taken over by another process"), "{}", sleeper.log());

    visitor.words(&conversation, "m3", "and on").await;
    let log = again.entries(&conversation).await;
    let said = |text: &str| log.iter().filter(|entry| entry["content"]["text"] == text).count();
    assert_eq!(
        [said("before"), said("is anybody there?"), said("after"), said("and on")],
        [1, 0, 1, 1],
        "{log:?}"
    );
    assert!(answered(&url, &["audit"]).contains(" 0 findings"));
}

#[test]
fn what_cannot_serve_is_refused_with_a_sentence_and_never_with_the_password() {
    let server = PostgresServer::start();
    let nobody = refused("postgres://desk:geheim@127.0.0.1:1/shop", 1);
    assert!(nobody.contains("postgres://desk@127.0.0.1:1/shop"), "{nobody}");
    let unread = refused("postgres://desk:geheim@127.0.0.1:1/shop?colour=red", 2);
    assert!(unread.contains("store.url") && unread.contains("colour"), "{unread}");
    let shown = answered("postgres://desk:geheim@127.0.0.1:1/shop", &["config", "check"]);
    assert!(shown.contains("postgres://desk:********@127.0.0.1:1/shop"), "{shown}");
    assert!(![nobody, unread, shown].iter().any(|said| said.contains("geheim")));

    let url = server.fresh_desk();
    let empty = command(&url, &["agent", "list"]);
    assert_eq!(empty.status.code(), Some(1), "{empty:?}");
    assert!(String::from_utf8_lossy(&empty.stderr).contains("does not exist"), "{empty:?}");
    assert!(answered(&url, &["migrate"]).contains("up to date"));
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = held.local_addr().expect("an address").to_string();
    let no_port = command(&url, &["serve", "--listen", &port]);
    assert_eq!(no_port.status.code(), Some(2), "{no_port:?}");
    assert_eq!(server.run(&url, "SELECT count(*) FROM node"), "0", "a start that failed holds no place");
    server.run(&url, "UPDATE rushdesk SET number = 999 WHERE name = 'schema'");
    assert!(refused(&url, 1).contains("newer version"));
    server.run("postgres", "ALTER SYSTEM SET fsync = off");
    server.run("postgres", "SELECT pg_reload_conf()");
    soon(|| server.run("postgres", "SHOW fsync") == "off");
    assert!(refused(&server.fresh_desk(), 1).contains("set fsync = on"));

    let url = server.url("postgres").replace("desk@", "desk:geheim@");
    let rules = server.run("postgres", "SHOW hba_file");
    server.run("postgres", "ALTER USER desk PASSWORD 'another'");
    server.run("postgres", &format!("COPY (SELECT 'local all all scram-sha-256') TO '{rules}'"));
    server.run("postgres", "SELECT pg_reload_conf()");
    let mut said = String::new();
    soon(|| {
        said = refused(&url, 1);
        said.contains("password authentication failed")
    });
    assert!(!said.contains("geheim"), "{said}");
}

/// Waits until a server has read its settings again.
#[expect(clippy::disallowed_methods, reason = "a test's own thread")]
fn soon(mut holds: impl FnMut() -> bool) {
    for _ in 0..100 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("the server does not read its settings");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_doubled_by_kill_9_under_load() {
    let url = PostgresServer::shared().fresh_desk();
    let (verdict, told) = interrupted(desk_on(&url), End::Kill, 1).await;
    println!("{told}\n{verdict}");
    assert!(verdict.is_clean(), "{told}\n{verdict}");
    assert!(verdict.counts.acked > 100, "there was load: {told}\n{verdict}");
    assert!(verdict.counts.assignments > 10, "people were served: {told}\n{verdict}");
    assert!(answered(&url, &["audit"]).contains(" 0 findings"));
}

fn words(conversation: &str) -> Value {
    let content = json!({"kind": "text", "text": "is anybody there?"});
    json!({"type": "send", "id": "meanwhile", "conversation": conversation, "content": content})
}

/// Longer than a node decides without its database, shorter than clients are patient.
const OUTAGE: Duration = Duration::from_secs(7);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_dies_under_load_and_comes_back_loses_nothing() {
    let server = PostgresServer::start();
    let url = server.fresh_desk();
    let desk = desk_on(&url);
    let (judge, record) = Judge::start(Limits::default());
    let mut admin =
        Administrator::sign_in(desk.target, "admin", ADMIN_PASSWORD).await.expect("the administrator");
    let staff = Staff { count: 12, name: "clerk", groups: &["general"], capacity: 10 };
    let agents = admin.hire(&staff, &record).await.expect("agents");
    let (_, token) = desk.visitor().await;
    let mut visitor = Client::visitor(&desk, &token).await;
    let conversation = visitor.open().await;
    let traffic = Traffic::start(Plan { agents, ..plan(2) }, desk.target, record);
    tokio::time::sleep(UP_FOR).await;

    server.crash();
    let refusal = visitor.ask(words(&conversation)).await;
    assert_eq!(refusal["code"], "unavailable", "{refusal}");
    let ready = desk.ask("GET", "/readyz", None, None).await;
    assert_eq!((ready.status, &ready.json()["parts"]["store"]), (503, &json!("unreachable")));
    assert_eq!(desk.ask("GET", "/livez", None, None).await.status, 200);
    tokio::time::sleep(OUTAGE).await;
    let refusal = visitor.ask(words(&conversation)).await;
    assert_eq!(refusal["code"], "unavailable", "{refusal}");
    assert!(
        desk.log().contains("could not renew its place"),
        "a node that cannot renew its place decides nothing"
    );
    server.restart();

    let mut answer = refusal;
    for _ in 0..100 {
        if answer["type"] == "ack" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        answer = visitor.ask(words(&conversation)).await;
    }
    assert_eq!(answer["type"], "ack", "the same id on the same socket is taken: {answer}");
    // Readers find the way back by themselves, a moment after the writer at the latest.
    for _ in 0..100 {
        if desk.ask("GET", "/readyz", None, None).await.status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(desk.ask("GET", "/readyz", None, None).await.status, 200);
    let stage = traffic.over().await;
    let told = report::table(&stage.meters);
    let verdict = judge.verdict(desk.target, admin.token()).await.expect("all logs");
    println!("{told}\n{verdict}");
    assert!(verdict.is_clean(), "{told}\n{verdict}");
    assert!(verdict.counts.acked > 100, "there was load: {told}\n{verdict}");
    assert!(answered(&url, &["audit"]).contains(" 0 findings"));
}
