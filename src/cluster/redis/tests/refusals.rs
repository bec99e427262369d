//! What cannot be the bus is refused at the start, with a sentence that says what to do.

use super::super::look;
use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;

fn refusal(url: &str) -> String {
    let listener: Arc<dyn Listener> = Arc::new(Memory::default());
    let refused = Redis::start(url, &Options::default(), node("a"), listener).err();
    refused.expect("it was taken")
}

#[test]
fn a_place_without_a_redis_is_refused() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("redis://:geheim@127.0.0.1:{port}");
    for told in [refusal(&url), look(&url).unwrap_err()] {
        assert!(told.contains("start redis-server") && told.contains("bus.url"), "{told}");
        assert!(told.contains(&port.to_string()) && !told.contains("geheim"), "{told}");
    }
}

#[test]
fn one_that_accepts_and_never_answers_is_refused() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let told = refusal(&format!("redis://{}", silent.local_addr().unwrap()));
    assert!(told.contains("no Redis answers") && told.contains("bus.url"), "{told}");
}

#[test]
fn a_wrong_password_is_refused_and_the_right_one_is_taken() {
    let server = RedisServer::start_with(&["--requirepass", "geheim42"]);
    let with = |password: &str| server.url().replace("redis://", &format!("redis://{password}"));
    for url in [with(""), with(":wrong42@"), with("desk:geheim42@")] {
        for told in [refusal(&url), look(&url).unwrap_err()] {
            assert!(told.contains("refuses the sign-in") && told.contains("password"), "{told}");
            assert!(!told.contains("geheim42") && !told.contains("wrong42"), "{told}");
        }
    }
    let memory = Arc::new(Memory::default());
    let bus = Redis::start(&with(":geheim42@"), &Options::default(), node("a"), memory.clone()).unwrap();
    memory.await_count(&Told::Resumed, 1);
    assert!(bus.carries());
    let found = look(&with(":geheim42@")).unwrap();
    assert!(found.version.is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit())));
}

#[test]
fn a_user_who_may_not_publish_or_listen_is_refused_with_what_to_allow() {
    let server = RedisServer::start();
    let rights = ["~*", "+@all"];
    for missing in ["-spublish", "-ssubscribe"] {
        let user = ["ACL", "SETUSER", "desk", "reset", "on", ">pw", "&*", rights[0], rights[1], missing];
        assert_eq!(server.say(&user), "+OK");
        let told = refusal(&server.url().replace("redis://", "redis://desk:pw@"));
        assert!(told.contains("+ssubscribe +spublish"), "{missing}: {told}");
    }
    let user = ["ACL", "SETUSER", "desk", "reset", "on", ">pw", "&other:*", rights[0], rights[1]];
    assert_eq!(server.say(&user), "+OK");
    let told = refusal(&server.url().replace("redis://", "redis://desk:pw@"));
    assert!(told.contains("bus.prefix"), "{told}");
}

/// Answers every command with the same error, as a server does that does not know it.
fn answers_only(error: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 4_096];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            for _ in bytes[..read].iter().filter(|byte| **byte == b'*') {
                stream.write_all(error.as_bytes()).unwrap();
            }
        }
    });
    format!("redis://{address}")
}

#[test]
fn a_redis_that_is_too_old_or_no_redis_at_all_is_refused() {
    let told = refusal(&answers_only("-ERR unknown command 'HELLO'\r\n"));
    assert!(told.contains("too old") && told.contains("Redis 7"), "{told}");
    let told = refusal(&answers_only("HTTP/1.1 400 Bad Request\r\n\r\n"));
    assert!(told.contains("cannot be the bus"), "{told}");
}
