//! Who may ask: log-ins, log-outs, roles, paces, and what is no request at all.

use crate::desk::{Desk, PASSWORD};
use serde_json::json;

#[test]
fn an_agent_logs_in_is_known_and_logs_out_for_good() {
    let mut desk = Desk::start();
    let answer =
        desk.post("/api/v1/auth/login", "", json!({ "login": "admin", "password": PASSWORD })).expect(200);
    assert_eq!(answer["agent"]["role"], "admin");
    assert!(answer["expires_at"].as_str().unwrap().ends_with(".000Z"));
    let token = answer["token"].as_str().unwrap().to_owned();
    let other = desk.admin();
    assert_eq!(desk.get("/api/v1/auth/me", &token).expect(200)["login"], "admin");
    desk.post("/api/v1/auth/logout", &token, json!({})).expect(204);
    desk.get("/api/v1/auth/me", &token).refused(401, "unauthenticated");
    desk.get("/api/v1/auth/me", &other).expect(200);
    desk.restart();
    let detail = desk.get("/api/v1/auth/me", &token).refused(401, "unauthenticated");
    assert!(detail.contains("logged out"), "{detail}");
    desk.get("/api/v1/auth/me", &other).expect(200);
}

#[test]
fn failures_alone_make_a_login_wait() {
    let desk = Desk::with(&[("RUSHDESK__LIMITS__LOGIN_FAILURES_PER_LOGIN", "2")]);
    let attempt = |login: &str, password: &str| {
        desk.post("/api/v1/auth/login", "", json!({ "login": login, "password": password }))
    };
    for _ in 0..4 {
        attempt("admin", PASSWORD).expect(200);
    }
    for login in ["nobody", "admin"] {
        for _ in 0..2 {
            let detail = attempt(login, "wrong").refused(401, "unauthenticated");
            assert_eq!(detail, "login or password is wrong", "which of them is wrong is nobody's business");
        }
        let waits = attempt(login, PASSWORD);
        waits.refused(429, "rate_limited");
        assert!(waits.json()["retry_after_ms"].as_u64().unwrap() > 0);
        assert!(waits.head.to_ascii_lowercase().contains("retry-after: "), "{}", waits.head);
    }
}

#[test]
fn each_route_is_for_those_it_is_for() {
    let desk = Desk::start();
    let admin = desk.admin();
    let (_, agent) = desk.agent(&admin, "ann", "agent", &["general"]);
    let (_, supervisor) = desk.agent(&admin, "sue", "supervisor", &[]);
    let (_, visitor) = desk.visitor();
    let group = json!({ "id": "new", "name": "New" });
    desk.post("/api/v1/groups", "", group.clone()).refused(401, "unauthenticated");
    for token in [&visitor, &agent, &supervisor] {
        desk.post("/api/v1/groups", token, group.clone()).refused(403, "forbidden");
        desk.post("/api/v1/agents", token, json!({})).refused(403, "forbidden");
        desk.get("/api/v1/webhooks", token).refused(403, "forbidden");
        desk.delete("/api/v1/groups/general", token).refused(403, "forbidden");
    }
    for path in ["/api/v1/groups", "/api/v1/skills", "/api/v1/canned", "/api/v1/tags", "/api/v1/agents"] {
        desk.get(path, &visitor).refused(403, "forbidden");
        desk.get(path, &agent).expect(200);
    }
    desk.get("/api/v1/routing/rules", &agent).refused(403, "forbidden");
    desk.get("/api/v1/routing/rules", &supervisor).expect(200);
    let forged = desk.get("/api/v1/auth/me", "a.b.c");
    forged.refused(401, "unauthenticated");
    assert!(forged.head.to_ascii_lowercase().contains("www-authenticate: bearer"), "{}", forged.head);
}

#[test]
fn what_is_no_request_is_a_problem_that_says_what_to_do() {
    let desk = Desk::with(&[("RUSHDESK__LIMITS__BODY_BYTES", "2000")]);
    let admin = desk.admin();
    desk.get("/api/v1/nowhere", "").refused(404, "not_found");
    desk.get("/api/elsewhere", "").refused(404, "not_found");
    let wrong = desk.ask("DELETE", "/api/v1/visitors", &[], b"");
    assert!(wrong.refused(405, "bad_frame").contains("POST"));
    assert!(wrong.head.to_ascii_lowercase().contains("allow: post"), "{}", wrong.head);
    for (body, names) in [
        (json!({ "id": "a", "name": "A", "polcy": "x" }), "did you mean `policy`?"),
        (json!({ "id": "a", "name": 7 }), "`name`"),
        (json!({ "id": "a" }), "`name`"),
        (json!({ "id": "a", "name": "A", "offer_s": 0 }), "offer_s"),
        (json!([]), "JSON object"),
    ] {
        let detail = desk.post("/api/v1/groups", &admin, body).refused(400, "bad_frame");
        assert!(detail.contains(names), "{detail}");
    }
    let long = json!({ "id": "a", "name": "A".repeat(3_000) });
    let detail = desk.post("/api/v1/groups", &admin, long).refused(413, "too_large");
    assert!(detail.contains("2000"), "{detail}");
    desk.get("/api/v1/groups?limit=many", &admin).refused(400, "bad_frame");
    desk.get("/api/v1/groups?colour=red", &admin).refused(400, "bad_frame");
    desk.get("/api/v1/conversations/nonsense", &admin).refused(400, "bad_frame");
    desk.get("/api/v1/conversations/01900000-0000-7000-8000-000000000001", &admin).refused(404, "not_found");
}

#[test]
fn pages_of_allowed_origins_may_ask_and_others_may_not_read() {
    let desk = Desk::with(&[("RUSHDESK__SERVER__ALLOWED_ORIGINS", "[\"https://shop.example\"]")]);
    for (origin, allowed) in [("https://shop.example", true), ("https://evil.example", false)] {
        let preflight = [("Origin", origin), ("Access-Control-Request-Method", "POST")];
        let asked = desk.ask("OPTIONS", "/api/v1/visitors", &preflight, b"");
        let made = desk.ask("POST", "/api/v1/visitors", &[("Origin", origin)], b"{}");
        assert_eq!((asked.status, made.status), (204, 201));
        for answer in [&asked, &made] {
            let head = answer.head.to_ascii_lowercase();
            let line = format!("access-control-allow-origin: {origin}");
            assert_eq!(head.contains(&line), allowed, "{head}");
            assert!(!head.contains("allow-credentials"), "{head}");
        }
        assert_eq!(asked.head.to_ascii_lowercase().contains("authorization"), allowed, "{}", asked.head);
    }
}

#[test]
fn an_address_that_asks_too_fast_waits() {
    let desk =
        Desk::with(&[("RUSHDESK__LIMITS__REQUESTS_PER_S", "1"), ("RUSHDESK__LIMITS__REQUESTS_BURST", "3")]);
    let answers: Vec<u16> = (0..8).map(|_| desk.get("/api/v1/live", "").status).collect();
    assert_eq!(answers[0], 200);
    assert!(answers.contains(&429), "{answers:?}");
    desk.ask("GET", "/livez", &[], b"").expect(200);
    let metrics = desk.ask("GET", "/metrics", &[], b"").text;
    let counted = metrics
        .lines()
        .find_map(|line| line.strip_prefix("rushdesk_requests_refused_total{limit=\"requests\"} "));
    let refused = answers.iter().filter(|status| **status == 429).count();
    assert_eq!(counted.unwrap().parse(), Ok(refused));
    let desk = Desk::with(&[("RUSHDESK__LIMITS__SIGN_UPS_PER_S", "1")]);
    let answers: Vec<u16> = (0..5).map(|_| desk.post("/api/v1/visitors", "", json!({})).status).collect();
    assert_eq!(answers[0], 201);
    assert!(answers.contains(&429), "{answers:?}");
    desk.admin();
}
