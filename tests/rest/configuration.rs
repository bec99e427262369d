//! Agents, groups, rules and the rest: added, shown by pages, changed, removed, and in force once answered.

use crate::desk::{Desk, text};
use serde_json::{Value, json};

#[test]
fn every_plain_kind_is_added_shown_changed_and_removed() {
    let desk = Desk::start();
    let admin = desk.admin();
    for (path, body, patch, field) in [
        ("/api/v1/groups", json!({ "id": "x", "name": "A" }), json!({ "name": "B" }), "name"),
        ("/api/v1/skills", json!({ "id": "x" }), json!({ "name": "B" }), "name"),
        ("/api/v1/tags", json!({ "id": "x", "name": "A" }), json!({ "name": "B" }), "name"),
        ("/api/v1/canned", json!({ "id": "x", "title": "A", "text": "t" }), json!({ "text": "B" }), "text"),
        ("/api/v1/channels", json!({ "id": "x", "kind": "web" }), json!({ "locale": "B" }), "locale"),
        (
            "/api/v1/webhooks",
            json!({ "id": "x", "url": "https://a.b/c" }),
            json!({ "url": "http://B" }),
            "url",
        ),
        (
            "/api/v1/routing/rules",
            json!({ "id": "x", "when": { "tier": "a" } }),
            json!({ "group": "general" }),
            "group",
        ),
    ] {
        assert_eq!(desk.post(path, &admin, body.clone()).expect(201)["id"], "x", "{path}");
        desk.post(path, &admin, body).refused(409, "conflict");
        let one = format!("{path}/x");
        let shown = desk.get(&one, &admin).expect(200);
        assert_eq!(shown["id"], "x");
        let changed = desk.patch(&one, &admin, patch.clone()).expect(200);
        assert_eq!(changed[field], patch[field], "{path}");
        assert_eq!(desk.get(&one, &admin).expect(200), changed);
        let listed = desk.get(path, &admin).expect(200);
        assert!(listed["items"].as_array().unwrap().contains(&changed), "{path}: {listed}");
        desk.delete(&one, &admin).expect(204);
        desk.get(&one, &admin).refused(404, "not_found");
        desk.delete(&one, &admin).refused(404, "not_found");
        desk.patch(&one, &admin, patch).refused(404, "not_found");
    }
}

#[test]
fn a_list_comes_by_pages_without_gaps() {
    let desk = Desk::start();
    let admin = desk.admin();
    for id in ["a", "b", "c", "d", "e"] {
        desk.post("/api/v1/tags", &admin, json!({ "id": id, "name": id })).expect(201);
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = desk.get(&format!("/api/v1/tags?limit=2&cursor={cursor}"), &admin).expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_repeat_under_the_same_key_is_answered_as_the_first_was() {
    let desk = Desk::start();
    let admin = desk.admin();
    let body = json!({ "id": "pay", "name": "Payments" });
    let first = desk.keyed("POST", "/api/v1/groups", &admin, Some("k1"), body.clone());
    let again = desk.keyed("POST", "/api/v1/groups", &admin, Some("k1"), body.clone());
    assert_eq!((first.expect(201), first.text), (again.expect(201), again.text));
    desk.keyed("POST", "/api/v1/groups", &admin, Some("k1"), json!({ "id": "b", "name": "B" }))
        .refused(409, "conflict");
    desk.keyed("POST", "/api/v1/groups", &admin, Some("k2"), body).refused(409, "conflict");
    desk.keyed("DELETE", "/api/v1/groups/pay", &admin, Some("k3"), json!({})).expect(204);
    desk.keyed("DELETE", "/api/v1/groups/pay", &admin, Some("k3"), json!({})).expect(204);
    desk.keyed("DELETE", "/api/v1/groups/pay", &admin, Some("k4"), json!({})).refused(404, "not_found");
    let agent = json!({ "login": "ann", "name": "A", "password": "password", "role": "agent", "groups": [] });
    let first = desk.keyed("POST", "/api/v1/agents", &admin, Some("k5"), agent.clone()).expect(201);
    assert_eq!(desk.keyed("POST", "/api/v1/agents", &admin, Some("k5"), agent).expect(201), first);
    desk.keyed("POST", "/api/v1/tags", &admin, Some(&"k".repeat(65)), json!({ "name": "x" }))
        .refused(400, "bad_frame");
}

#[test]
fn a_repeat_after_hanging_up_finds_the_answer_of_the_first() {
    let desk = Desk::start();
    let admin = desk.admin();
    for number in 0..20 {
        let (key, body) = (format!("k{number}"), json!({ "id": format!("g{number}"), "name": "G" }));
        desk.hang_up("POST", "/api/v1/groups", &admin, &key, &body);
        let mut answer = desk.keyed("POST", "/api/v1/groups", &admin, Some(&key), body.clone());
        for _ in 0..100 {
            if answer.status != 503 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            answer = desk.keyed("POST", "/api/v1/groups", &admin, Some(&key), body.clone());
        }
        assert_eq!(answer.expect(201)["id"], body["id"]);
    }
}

#[test]
fn an_agents_sign_ins_end_with_password_role_and_disabling() {
    let desk = Desk::start();
    let admin = desk.admin();
    let taken =
        json!({ "login": "admin", "name": "A", "password": "password", "role": "agent", "groups": [] });
    desk.post("/api/v1/agents", &admin, taken).refused(409, "conflict");
    let lost =
        json!({ "login": "x", "name": "A", "password": "password", "role": "agent", "groups": ["no"] });
    desk.post("/api/v1/agents", &admin, lost).refused(404, "not_found");
    for patch in [
        json!({ "password": "another password" }),
        json!({ "role": "supervisor" }),
        json!({ "disabled": true }),
    ] {
        let login = format!("a{}", patch.to_string().len());
        let (id, token) = desk.agent(&admin, &login, "agent", &["general"]);
        desk.get("/api/v1/auth/me", &token).expect(200);
        desk.patch(&format!("/api/v1/agents/{id}"), &admin, patch).expect(200);
        desk.get("/api/v1/auth/me", &token).refused(401, "unauthenticated");
    }
    let (id, token) = desk.agent(&admin, "eve", "agent", &["general"]);
    desk.patch(&format!("/api/v1/agents/{id}"), &admin, json!({ "name": "Eva" })).expect(200);
    assert_eq!(desk.get("/api/v1/auth/me", &token).expect(200)["name"], "Eva");
    desk.delete(&format!("/api/v1/agents/{id}"), &admin).expect(204);
    desk.get("/api/v1/auth/me", &token).refused(401, "unauthenticated");
    desk.post("/api/v1/auth/login", "", json!({ "login": "eve", "password": "password" }))
        .refused(401, "unauthenticated");
}

#[test]
fn passwords_and_capacities_have_bounds_that_are_told() {
    let desk = Desk::start();
    let admin = desk.admin();
    let body = |password: &str, capacity: u32| {
        json!({ "login": "ann", "name": "A", "password": password, "role": "agent", "groups": [],
            "capacity": capacity })
    };
    let long = "x".repeat(129);
    for (password, capacity, words) in [
        ("", 1, "at least 8 characters"),
        (&long, 1, "at most 128 bytes"),
        ("password", 0, "1 to 200 seats"),
        ("password", 201, "1 to 200 seats"),
    ] {
        let detail = desk.post("/api/v1/agents", &admin, body(password, capacity)).refused(400, "bad_frame");
        assert!(detail.contains(words), "{detail}");
    }
    let (id, _) = desk.agent(&admin, "ann", "agent", &[]);
    for (patch, words) in
        [(json!({ "password": "" }), "at least 8 characters"), (json!({ "capacity": 0 }), "1 to 200 seats")]
    {
        let detail = desk.patch(&format!("/api/v1/agents/{id}"), &admin, patch).refused(400, "bad_frame");
        assert!(detail.contains(words), "{detail}");
    }
}

#[test]
fn a_list_is_taken_for_no_object_and_no_type_of_the_program_is_named() {
    let desk = Desk::start();
    let admin = desk.admin();
    for (path, body, words) in [
        ("/api/v1/groups", json!(["x", "X"]), "must be one JSON object"),
        ("/api/v1/groups", json!({ "id": "x", "name": "X", "overflow": [] }), "`overflow`"),
        ("/api/v1/groups", json!({ "id": "x", "name": "X", "hours": ["UTC", {}] }), "`hours`"),
        ("/api/v1/tags", json!(["x", "X"]), "must be one JSON object"),
        ("/api/v1/routing/rules", json!({ "id": "x", "when": ["refund"] }), "`when`"),
        ("/api/v1/routing/rules", json!({ "id": "x", "when": {}, "steps": [[{}, 1]] }), "`steps`"),
        ("/api/v1/auth/login", json!(["admin", "open sesame"]), "must be one JSON object"),
        ("/api/v1/visitors", json!([]), "must be one JSON object"),
    ] {
        let detail = desk.post(path, &admin, body).refused(400, "bad_frame");
        assert!(detail.contains(words) && detail.contains("expected an object"), "{detail}");
        assert!(!detail.contains("struct") && !detail.contains("Body"), "{detail}");
    }
}

#[test]
fn changes_at_once_are_all_in_force_when_they_are_answered() {
    let desk = Desk::start();
    let admin = desk.admin();
    let body = |login: &str| json!({ "login": login, "name": "A", "password": "password", "role": "agent", "groups": [] });
    let taken: Vec<u16> = std::thread::scope(|scope| {
        let adding = (0..6).map(|thread| {
            let (desk, admin, body) = (&desk, &admin, &body);
            scope.spawn(move || {
                for number in 0..3 {
                    let login = format!("a{thread}-{number}");
                    desk.post("/api/v1/agents", admin, body(&login)).expect(201);
                    desk.log_in(&login, "password");
                }
                desk.post("/api/v1/agents", admin, body("wanted")).status
            })
        });
        let adding: Vec<_> = adding.collect();
        adding.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(taken.iter().filter(|status| **status == 201).count(), 1, "{taken:?}");
    assert_eq!(taken.iter().filter(|status| **status == 409).count(), 5, "{taken:?}");
    let agents = desk.get("/api/v1/agents?limit=100", &admin).expect(200);
    assert_eq!(agents["items"].as_array().unwrap().len(), 1 + 6 * 3 + 1);
}

#[test]
fn the_last_administrator_stays() {
    let desk = Desk::start();
    let admin = desk.admin();
    let me = desk.get("/api/v1/auth/me", &admin).expect(200);
    let own = format!("/api/v1/agents/{}", me["id"].as_str().unwrap());
    for patch in [json!({ "disabled": true }), json!({ "role": "agent" })] {
        desk.patch(&own, &admin, patch).refused(409, "conflict");
    }
    desk.delete(&own, &admin).refused(409, "conflict");
    desk.agent(&admin, "second", "admin", &[]);
    desk.delete(&own, &admin).expect(204);
}

#[test]
fn a_group_is_removed_only_when_nothing_needs_it() {
    let desk = Desk::start();
    let admin = desk.admin();
    for id in ["pay", "night"] {
        desk.post("/api/v1/groups", &admin, json!({ "id": id, "name": id })).expect(201);
    }
    desk.delete("/api/v1/groups/general", &admin).refused(409, "conflict");
    let overflow = json!({ "overflow": { "queued": { "after_s": 5, "to": "pay" } } });
    desk.patch("/api/v1/groups/night", &admin, overflow).expect(200);
    assert!(desk.delete("/api/v1/groups/pay", &admin).refused(409, "conflict").contains("night"));
    desk.patch("/api/v1/groups/night", &admin, json!({ "overflow": {} })).expect(200);
    let (_, visitor) = desk.visitor();
    let conversation = desk.open(&visitor, "pay");
    assert!(desk.delete("/api/v1/groups/pay", &admin).refused(409, "conflict").contains("wait"));
    desk.post(&format!("/api/v1/conversations/{conversation}/close"), &visitor, json!({})).expect(200);
    let (agent, _) = desk.agent(&admin, "ann", "agent", &["pay", "general"]);
    desk.delete("/api/v1/groups/pay", &admin).expect(204);
    let shown = desk.get(&format!("/api/v1/agents/{agent}"), &admin).expect(200);
    assert_eq!(shown["groups"], json!(["general"]));
}

#[test]
fn rules_keep_their_order_and_routing_follows_them_at_once() {
    let desk = Desk::start();
    let admin = desk.admin();
    let ids = || -> Vec<String> {
        let rules = desk.get("/api/v1/routing/rules?limit=500", &admin).expect(200);
        let items = rules["items"].as_array().unwrap();
        items.iter().map(|rule| rule["id"].as_str().unwrap().to_owned()).collect()
    };
    let before = ids();
    let rule = json!({ "id": "first", "when": { "intent": "refund" }, "head_start_s": 77, "position": 0 });
    assert_eq!(desk.post("/api/v1/routing/rules", &admin, rule).expect(201)["position"], 0);
    assert_eq!(ids()[0], "first");
    desk.patch("/api/v1/routing/rules/first", &admin, json!({ "position": 2 })).expect(200);
    assert_eq!(ids()[2], "first");
    let (_, visitor) = desk.visitor();
    let body = json!({ "intent": "refund", "content": text("where is it") });
    let opened = desk.post("/api/v1/conversations", &visitor, body).expect(201);
    let path = format!("/api/v1/routing/explain/{}", opened["id"].as_str().unwrap());
    let explained = desk.until(&path, &admin, |explained| explained["rank"] == 1);
    assert_eq!(explained["head_start_s"], 77);
    assert_eq!(explained["head_start_parts"], json!([{ "rule": "first", "head_start_s": 77 }]));
    assert_eq!(explained["reason"], "nobody_online");
    desk.delete("/api/v1/routing/rules/first", &admin).expect(204);
    assert_eq!(ids(), before);
    let lost = json!({ "id": "lost", "when": {}, "group": "no" });
    desk.post("/api/v1/routing/rules", &admin, lost).refused(404, "not_found");
}

#[test]
fn a_webhooks_secret_is_shown_once_and_its_events_are_known() {
    let desk = Desk::start();
    let admin = desk.admin();
    let added = desk.post("/api/v1/webhooks", &admin, json!({ "url": "https://a.b/c" })).expect(201);
    assert!(added["secret"].as_str().unwrap().len() >= 32);
    let listed = desk.get("/api/v1/webhooks", &admin).expect(200);
    assert_eq!(listed["items"][0].get("secret"), None::<&Value>);
    let wrong = json!({ "url": "https://a.b/c", "events": ["assignd"] });
    let detail = desk.post("/api/v1/webhooks", &admin, wrong).refused(400, "bad_frame");
    assert!(detail.contains("`assigned`"), "{detail}");
    desk.post("/api/v1/webhooks", &admin, json!({ "url": "file:///etc" })).refused(400, "bad_frame");
}

#[test]
fn the_document_describes_what_is_served() {
    let desk = Desk::start();
    let document = desk.ask("GET", "/api/openapi.json", &[], b"").expect(200);
    for (path, methods) in document["paths"].as_object().unwrap() {
        let real = path.replace("{id}", "01900000-0000-7000-8000-000000000001");
        for method in methods.as_object().unwrap().keys() {
            let answer = desk.ask(&method.to_ascii_uppercase(), &real, &[], b"");
            let unrouted = answer.text.contains("see /api/docs/") || answer.status == 405;
            assert!(!unrouted, "{method} {path}: {answer:?}");
        }
        let other = desk.ask("PUT", &real, &[], b"");
        assert_eq!(other.status, 405, "{path}");
    }
    let pages = desk.ask("GET", "/api/docs/", &[], b"");
    assert!(pages.status == 200 && pages.text.contains("Swagger"), "{}", pages.head);
    let sent_on = desk.ask("GET", "/api/docs", &[], b"");
    assert!(sent_on.head.contains("/api/docs/"), "{sent_on:?}");
    let printed = desk.command(&["openapi"]);
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed, document);
    let sockets: Value = serde_json::from_slice(&desk.command(&["asyncapi"]).stdout).unwrap();
    assert_eq!(desk.ask("GET", "/api/asyncapi.json", &[], b"").expect(200), sockets);
}
