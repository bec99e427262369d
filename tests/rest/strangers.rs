//! What strangers meet: paths that are none, words that fit what went wrong, doors that stay open for others.

use crate::desk::{Desk, PASSWORD};
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn a_path_or_method_that_is_none_is_answered_in_the_askers_form() {
    let desk = Desk::start();
    for path in ["/nope", "/api", "/api/v2/agents", "/ws", "/nope/%3Cscript%3E"] {
        let detail = desk.ask("GET", path, &[], b"").refused(404, "not_found");
        assert!(detail.contains("/api/docs/"), "{detail}");
    }
    let page = desk.ask("GET", "/nope/%3Cscript%3E", &[("Accept", "text/html,*/*;q=0.8")], b"");
    assert_eq!(page.status, 404);
    assert!(page.head.contains("text/html") && page.text.contains("href=\"/api/docs/\""), "{page:?}");
    assert!(!page.text.contains("<script>"), "{page:?}");
    for path in ["/", "/livez", "/readyz", "/metrics", "/ws/visitor", "/ws/agent"] {
        let wrong = desk.ask("DELETE", path, &[], b"");
        assert!(wrong.refused(405, "bad_frame").contains("GET is"), "{path}");
        assert!(wrong.head.to_ascii_lowercase().contains("allow: get"), "{path}: {}", wrong.head);
    }
    assert_eq!(desk.ask("GET", "/", &[], b"").status, 200);
}

#[test]
fn the_title_of_a_problem_fits_a_wrong_log_in_and_a_taken_login() {
    let desk = Desk::start();
    let admin = desk.admin();
    let wrong = desk.post("/api/v1/auth/login", "", json!({ "login": "admin", "password": "wrong" }));
    let title = wrong.expect(401)["title"].as_str().unwrap().to_owned();
    assert!(title.contains("login and its password") && title.contains("token"), "{title}");
    desk.agent(&admin, "ann", "agent", &[]);
    let taken = json!({ "login": "ann", "name": "A", "password": "password", "role": "agent", "groups": [] });
    let title = desk.post("/api/v1/agents", &admin, taken).expect(409)["title"].as_str().unwrap().to_owned();
    assert!(title.contains("name") && !title.contains("request"), "{title}");
}

#[test]
fn strangers_lock_a_login_only_at_their_own_addresses() {
    let desk = Desk::with(&[
        ("RUSHDESK__LIMITS__LOGIN_FAILURES_PER_LOGIN", "3"),
        ("RUSHDESK__LIMITS__LOGIN_FAILURES_PER_ADDRESS", "5"),
    ]);
    let attempt = |own: [u8; 4], login: &str, password: &str| {
        let body = json!({ "login": login, "password": password }).to_string();
        desk.ask_from(own, "POST", "/api/v1/auth/login", &[], body.as_bytes())
    };
    for last in 2..=3 {
        let stranger = [127, 0, 0, last];
        for _ in 0..3 {
            attempt(stranger, "admin", "wrong").refused(401, "unauthenticated");
        }
        let detail = attempt(stranger, "admin", PASSWORD).refused(429, "rate_limited");
        assert!(detail.contains("your address"), "{detail}");
    }
    attempt([127, 0, 0, 9], "admin", PASSWORD).expect(200);
    let metrics = desk.ask("GET", "/metrics", &[], b"").text;
    let slowed = metrics.lines().find_map(|line| line.strip_prefix("rushdesk_log_ins_slowed_total "));
    assert!(slowed.unwrap().parse::<u64>().unwrap() >= 4, "{slowed:?}");
    for login in ["a", "b"] {
        attempt([127, 0, 0, 2], login, "wrong").refused(401, "unauthenticated");
    }
    attempt([127, 0, 0, 2], "c", "wrong").refused(429, "rate_limited");
}

#[test]
fn malformed_request_heads_leave_no_trace_in_the_log() {
    let desk = Desk::start();
    for head in ["GET / HTTP/1.1\r\nbad header\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n"] {
        let mut socket = TcpStream::connect(&desk.address).unwrap();
        socket.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(desk.log(), "");
}

#[test]
fn channels_that_a_client_makes_up_do_not_multiply_conversations() {
    let desk = Desk::start();
    let token =
        desk.post("/api/v1/visitors", "", json!({})).expect(201)["token"].as_str().unwrap().to_owned();
    let open = |channel: &str| desk.post("/api/v1/conversations", &token, json!({ "channel": channel }));
    for number in 0..16 {
        open(&format!("made-up-{number}")).expect(201);
    }
    let detail = open("made-up-16").refused(409, "conflict");
    assert!(detail.contains("close one"), "{detail}");
    assert_eq!(open("made-up-3").expect(200)["created"], false, "who comes back opens no further one");
    open("web").expect(201);
}

#[test]
fn balancers_may_ask_without_a_body() {
    let desk = Desk::start();
    for path in ["/livez", "/readyz"] {
        assert_eq!(desk.ask("HEAD", path, &[], b"").status, 200, "{path}");
    }
}
