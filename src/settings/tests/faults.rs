//! What is refused, how it is told, and what is never shown.

use super::super::allowed::{Allowed, KEYS};
use super::super::{Sources, load};
use super::{file, flag, from_environment, from_file, from_flags, shown};
use crate::ident::AgentId;
use proptest::prelude::*;

#[test]
fn an_unknown_key_names_the_nearest_known_one_in_its_own_spelling() {
    let file_cases = [
        ("[server]\nlistn = \"x\"", "server.listn", "`server.listen`"),
        ("[sever]\nlisten = \"x\"", "sever.listen", "`server.listen`"),
        ("listen = \"x\"", "listen", "`server.listen`"),
        ("[limits]\nhello_ms = 5", "limits.hello_ms", "`limits.hello_s`"),
    ];
    for (text, key, meant) in file_cases {
        let problems = from_file(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key, key);
        assert!(problems[0].message.contains(meant), "{}", problems[0]);
    }
    let problems = from_environment(&[("RUSHDESK__SERVER__LISTN", "x")]).unwrap_err();
    assert!(problems[0].message.contains("`RUSHDESK__SERVER__LISTEN`"), "{}", problems[0]);
    let problems = from_flags(&[("limits.helo_s", "1")]).unwrap_err();
    assert!(problems[0].message.contains("`limits.hello_s`"), "{}", problems[0]);
    let problems = from_file("[[routing.rules]]\nid = \"a\"\nhead_start = 5").unwrap_err();
    assert!(
        problems[0].message.contains("rule 1") && problems[0].message.contains("`head_start_s`"),
        "{}",
        problems[0]
    );
}

#[test]
fn a_variable_with_single_underscores_is_told_its_right_spelling_and_others_are_left_alone() {
    for name in ["RUSHDESK_SERVER_LISTEN", "RUSHDESK_SERVER__LISTEN", "rushdesk_server_listen"] {
        let loaded = from_environment(&[(name, "127.0.0.1:1")]);
        if name.starts_with("rushdesk") {
            assert!(loaded.is_ok(), "names are written in capitals");
            continue;
        }
        let problems = loaded.unwrap_err();
        assert_eq!((problems.len(), problems[0].key.as_str()), (1, "server.listen"));
        let told = problems[0].to_string();
        assert!(told.contains(name) && told.contains("write RUSHDESK__SERVER__LISTEN,"), "{told}");
    }
    let problems = from_environment(&[("RUSHDESK_LIMITS_HELLO_S", "1")]).unwrap_err();
    assert!(problems[0].message.contains("RUSHDESK__LIMITS__HELLO_S"), "{}", problems[0]);
    assert!(from_environment(&[("RUSHDESK_SERVICE_HOST", "1"), ("RUSHDESK_PORT", "1")]).is_ok());
}

#[test]
fn each_number_is_bounded_below_and_above() {
    let mut bounded = 0;
    for (key, allowed) in KEYS {
        let Allowed::Whole { min, max } = *allowed else { continue };
        bounded += 1;
        let beyond = [
            (min > 0).then(|| min.saturating_sub(1).to_string()),
            Some("-1".to_owned()),
            Some((max + 1).to_string()),
        ];
        for value in beyond.into_iter().flatten() {
            let problems = from_flags(&[(key, &value)]).unwrap_err();
            assert_eq!(problems[0].key, *key, "{value}");
            assert_eq!(problems[0].origin, format!("flag --set {key}"));
            let rule = format!("a whole number from {min} to {max} is allowed");
            assert!(problems[0].message.contains(&rule), "{}", problems[0]);
        }
    }
    assert!(bounded > 60);
}

#[test]
fn a_wrong_value_says_which_key_which_spelling_and_what_is_allowed() {
    for (key, value, allowed) in [
        ("server.listen", "8080", "write ADDRESS:PORT"),
        ("server.listen", "localhost:8080", "write ADDRESS:PORT"),
        ("server.allowed_origins", "https://a.example/path", "write scheme://host"),
        ("server.workers", "two", "a whole number from 0 to 1024"),
        ("store.url", "mysql://db", "write \"sqlite://PATH\""),
        ("store.url", "postgres:///desk", "names no server"),
        ("bus.url", "redis://", "names no server"),
        ("bus.url", "redis+sentinel://cache", "not in this version"),
        ("bus.url", "redis+cluster://cache", "not in this version"),
        ("bus.url", "nats://cache", "write \"memory\""),
        ("bus.prefix", "", "as rushdesk"),
        ("bus.prefix", "a{b}", "as rushdesk"),
        ("node.id", "two words", "without spaces"),
        ("node.advertise", "two words", "without spaces"),
        ("auth.visitor_secret", "short", "at least 16 are needed"),
        ("auth.token_secret", "short", "at least 16 are needed"),
        ("auth.visitor_public_key", "/no/such/file.pem", "no file of that name can be read"),
        ("auth.visitor_public_key", "-----BEGIN PRIVATE KEY-----", "must stay with the shop"),
        (
            "auth.visitor_public_key",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "cannot be read as a key",
        ),
        ("conversation.slow_reply_s", "[20, 20, 100]", "three rising whole numbers"),
        ("conversation.slow_reply_s", "[20, 60]", "three rising whole numbers"),
        ("ladder.enter_percent", "[20, 60, 100]", "four rising whole numbers"),
        ("ladder.notice_zh", "", "1 to 1000 bytes of text"),
        ("conversation.promotion", "yes", "write true or false"),
        ("routing.rules", "5", "write a list"),
        ("routing.rules", "[{ id = \"a b\" }]", "without spaces"),
        ("routing.rules", "[{ id = \"a\" }, { id = \"a\" }]", "two rules have the id `a`"),
        ("routing.rules", "[{ when = { tier = \"x\" } }]", "id"),
        ("routing.rules", "[{ id = \"a\", when = { teir = \"x\" } }]", "`tier`"),
        ("routing.rules", "[{ id = \"a\", head_start_s = 90000 }]", "0 to 86400"),
        ("routing.rules", "[{ id = \"a\", when = { sentiment_at_most = -101 } }]", "-100 to 100"),
        ("routing.rules", "[{ id = \"a\", when = { attribute_min = { x = nan } } }]", "finite"),
        ("routing.rules", "[{ id = \"a\", group = \"two words\" }]", "without spaces"),
        ("routing.rules", "[{ id = \"a\", steps = [{ needs = { skills = { x = 6 } } }] }]", "1 to 5"),
        (
            "routing.rules",
            "[{ id = \"a\", steps = [{ needs = { skills = { \"a b\" = 1 } } }] }]",
            "without spaces",
        ),
        ("routing.rules", "[{ id = \"a\", steps = [{ needs = { skils = { x = 1 } } }] }]", "`skills`"),
        ("routing.rules", "[{ id = \"a\", steps = [{ needs = { groups = [\"a b\"] } }] }]", "without spaces"),
        ("routing.rules", "[{ id = \"a\", steps = [{ needs = { agents = [\"ann\"] } }] }]", "UUID"),
        ("routing.rules", "[{ id = \"a\", steps = [{ for_s = 0 }] }]", "1 to 86400"),
        ("routing.default_group", "", "1 to 64 bytes"),
        ("attachments.dir", "", "write the path of a folder"),
        ("attachments.types", "png", "write as image/png"),
        ("log.level", "loud", "write error, warn, info, debug or trace"),
        ("log.format", "xml", "\"text\" or \"json\""),
    ] {
        let problems = from_flags(&[(key, value)]).unwrap_err();
        let told = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(told.contains(key) && told.contains(&format!("flag --set {key}")), "{told}");
        assert!(told.contains(allowed), "{key} = {value}: {told}");
    }
}

#[test]
fn a_value_of_another_type_in_a_file_is_refused() {
    for text in [
        "[server]\nlisten = 8080",
        "[server]\nworkers = \"2\"",
        "[server]\nworkers = 2.0",
        "[server]\nallowed_origins = \"https://a.example\"",
        "[bot]\nenabled = 1",
        "[conversation]\nslow_reply_s = [\"a\"]",
        "[log.level]\nx = 1",
        "server = 5",
    ] {
        let problems = from_file(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].origin.starts_with("file "), "{}", problems[0]);
    }
}

#[test]
fn what_must_hold_between_keys_is_checked_and_names_both() {
    for (flags, key, other) in [
        (
            &[("conversation.idle_end_s", "60")][..],
            "conversation.reminder_before_s",
            "conversation.idle_end_s",
        ),
        (
            &[("conversation.idle_end_promotion_s", "60")],
            "conversation.reminder_before_s",
            "conversation.idle_end_promotion_s",
        ),
        (&[("server.drain_s", "25")], "server.drain_s", "server.shutdown_s"),
        (&[("limits.heartbeat_answer_s", "25")], "limits.heartbeat_answer_s", "limits.heartbeat_s"),
        (&[("limits.text_bytes", "65536")], "limits.text_bytes", "limits.frame_bytes"),
        (&[("limits.frame_bytes", "600000")], "limits.outbox_bytes", "limits.frame_bytes"),
        (&[("limits.fetch_default", "501")], "limits.fetch_default", "limits.fetch_max"),
        (&[("limits.page_default", "501")], "limits.page_default", "limits.page_max"),
        (&[("attachments.bytes_per_h", "1000000")], "attachments.bytes_per_h", "attachments.max_bytes"),
        (&[("bus.url", "redis://cache")], "bus.url", "store.url"),
        (
            &[("bus.queue_bytes", "65536"), ("limits.frame_bytes", "65537")],
            "bus.queue_bytes",
            "limits.frame_bytes",
        ),
        (&[("journal.batch_entries", "5000")], "journal.batch_entries", "journal.queue_entries"),
        (
            &[("auth.argon2_memory_kib", "8"), ("auth.argon2_lanes", "2")],
            "auth.argon2_memory_kib",
            "auth.argon2_lanes",
        ),
        (&[("overload.target_ms", "1000")], "overload.target_ms", "overload.interval_ms"),
        (&[("ladder.leave_percent", "[1, 100, 150, 200]")], "ladder.leave_percent", "ladder.enter_percent"),
        (&[("routing.sticky_hard_h", "73")], "routing.sticky_hard_h", "routing.sticky_soft_h"),
        (
            &[
                ("auth.token_secret", "0123456789abcdef0123456789abcdef"),
                ("auth.visitor_secret", "0123456789abcdef0123456789abcdef"),
            ],
            "auth.token_secret",
            "auth.visitor_secret",
        ),
    ] {
        let problems = from_flags(flags).unwrap_err();
        assert_eq!(problems.len(), 1, "{flags:?}: {problems:?}");
        assert_eq!(problems[0].key, key);
        assert!(problems[0].message.contains(other), "{}", problems[0]);
        let blamed = format!("{} {}", problems[0].origin, problems[0].message);
        assert!(blamed.contains(&format!("flag --set {}", flags[0].0)), "{blamed}");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reading_of_a_setting(key in 0..KEYS.len(), text in ".{0,40}") {
        let (key, _) = KEYS[key];
        match from_flags(&[(key, &text)]) {
            Ok(loaded) => prop_assert_eq!(shown(&loaded, key).1, format!("flag --set {key}")),
            Err(problems) => prop_assert!(problems.iter().all(|problem| !problem.message.is_empty())),
        }
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let file = file("[server]\nlisten = 1\n[limits]\nhello_s = 0\n");
    let sources = Sources {
        files: vec![file.path().into(), "/no/such/file.toml".into()],
        environment: vec![("RUSHDESK__NO__KEY".into(), "1".into())],
        flags: vec![flag("bot.enabled", "maybe")],
    };
    let mut wrong: Vec<String> =
        load(&sources).unwrap_err().0.into_iter().map(|problem| problem.key).collect();
    wrong.sort();
    assert_eq!(wrong, ["", "bot.enabled", "limits.hello_s", "no.key", "server.listen"]);
}

#[test]
fn a_file_that_is_no_toml_names_the_line_and_quotes_no_secret() {
    let problems = from_file("[auth]\nvisitor_secret = hunter42hunter42\n").unwrap_err();
    let told = problems[0].to_string();
    assert!(told.contains("line 2"), "{told}");
    assert!(!told.contains("hunter42"), "{told}");
}

#[test]
fn no_secret_is_shown_in_force_or_refused() {
    let secret = "hunter42hunter42hunter42hunter42";
    for key in ["auth.visitor_secret", "auth.token_secret", "bootstrap.admin_password"] {
        let loaded = from_flags(&[(key, secret)]).unwrap();
        assert_eq!(shown(&loaded, key).0, "\"********\"");
        assert!(!format!("{:?}{loaded:?}", loaded.settings).contains("hunter42"), "{key}");
        let (section, name) = key.split_once('.').unwrap();
        let problems = from_file(&format!("[{section}]\n{name} = [\"{secret}\"]")).unwrap_err();
        assert!(!format!("{problems:?}").contains("hunter42"), "{key}");
    }
    let problems = from_flags(&[("store.url", "postgres://desk:hunter42@/desk")]).unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter42"));
    let loaded = from_flags(&[("store.url", "postgres://desk:hunter42@db/desk")]).unwrap();
    assert_eq!(shown(&loaded, "store.url").0, "\"postgres://desk:********@db/desk\"");
    assert!(!format!("{loaded:?}").contains("hunter42"));
    let problems = from_flags(&[("bus.url", "redis://:hunter42@cache:port")]).unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter42"));
    let loaded =
        from_flags(&[("bus.url", "redis://:hunter42@cache"), ("store.url", "postgres://db/desk")]).unwrap();
    assert_eq!(shown(&loaded, "bus.url").0, "\"redis://:********@cache\"");
    assert!(!format!("{loaded:?}").contains("hunter42"));
    let problems = from_flags(&[("auth.visitor_secret", "hunter42")]).unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter42"));
}

#[test]
fn steps_and_their_needs_are_bounded() {
    let agents = |count: u32| {
        let ids: Vec<_> = (0..count).map(|n| format!("\"{}\"", AgentId::from_u128(n.into()))).collect();
        format!("{{ needs = {{ agents = [{}] }} }}", ids.join(", "))
    };
    let languages =
        |count: usize| format!("{{ needs = {{ languages = [{}] }} }}", vec!["\"zh\""; count].join(", "));
    let steps = |count: usize| vec!["{}"; count].join(", ");
    for (steps, fine) in [
        (agents(8), true),
        (agents(9), false),
        (languages(32), true),
        (languages(33), false),
        (steps(8), true),
        (steps(9), false),
    ] {
        let rules = format!("[{{ id = \"a\", steps = [{steps}] }}]");
        assert_eq!(from_flags(&[("routing.rules", &rules)]).is_ok(), fine, "{steps}");
    }
}
