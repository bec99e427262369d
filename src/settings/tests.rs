//! Tables: what wins, what is refused and how it is told, what is masked, and that file, list and types are alike.

use super::allowed::{Allowed, KEYS};
use super::{DEFAULT_FILE, Flag, Loaded, Problem, Sources, StoreUrl, load};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use tempfile::NamedTempFile;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn flag(key: &str, value: &str) -> Flag {
    Flag { key: key.into(), value: value.into(), spelling: format!("--set {key}") }
}

fn from_file(text: &str) -> Result<Loaded, Vec<Problem>> {
    let file = file(text);
    load(&Sources { files: vec![file.path().into()], ..Sources::default() }).map_err(|error| error.0)
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    load(&Sources { environment, ..Sources::default() }).map_err(|error| error.0)
}

fn from_flags(flags: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let flags = flags.iter().map(|(key, value)| flag(key, value)).collect();
    load(&Sources { flags, ..Sources::default() }).map_err(|error| error.0)
}

fn shown<'a>(loaded: &'a Loaded, key: &str) -> (&'a str, &'a str) {
    let effective = loaded.effective.iter().find(|effective| effective.key == key).unwrap();
    (&effective.value, &effective.origin)
}

#[test]
fn the_default_file_alone_is_fit_for_use() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.settings.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(loaded.settings.store.url, StoreUrl::Sqlite("./data/rushdesk.db".into()));
    assert_eq!(loaded.settings.auth.visitor_secret, None);
    assert_eq!(loaded.settings.routing.rules.first().unwrap().id.as_str(), "payment-failure");
    assert!(loaded.notices.is_empty());
    assert!(loaded.effective.iter().all(|effective| effective.origin == "default"));
}

#[test]
fn the_default_file_the_list_of_keys_and_the_types_name_the_same_keys() {
    let table: toml::Table = DEFAULT_FILE.parse().unwrap();
    let mut in_file = BTreeSet::new();
    for (section, keys) in &table {
        in_file.extend(keys.as_table().unwrap().keys().map(|key| format!("{section}.{key}")));
    }
    let listed: BTreeSet<String> = KEYS.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(in_file, listed);
    assert_eq!(listed.len(), KEYS.len(), "a key is listed twice");
    // The types refuse unknown keys and hold no defaults: that the default file loads proves them equal to it.
    assert_eq!(load(&Sources::default()).unwrap().effective.len(), KEYS.len());
}

#[test]
fn a_key_that_the_types_lack_or_need_would_be_noticed() {
    let table: toml::Table = DEFAULT_FILE.parse().unwrap();
    assert!(table.clone().try_into::<super::Settings>().is_ok());
    for (section, keys) in &table {
        let mut more = table.clone();
        more[section].as_table_mut().unwrap().insert("surplus".into(), 1.into());
        assert!(more.try_into::<super::Settings>().is_err(), "[{section}] takes what it does not know");
        for key in keys.as_table().unwrap().keys() {
            let mut less = table.clone();
            less[section].as_table_mut().unwrap().remove(key);
            assert!(less.try_into::<super::Settings>().is_err(), "{section}.{key} has a second default");
        }
    }
}

#[test]
fn every_key_of_the_shipped_files_is_explained() {
    for text in [DEFAULT_FILE, include_str!("../../config/development.toml")] {
        let mut explained = false;
        for line in text.lines() {
            if line.starts_with('#') {
                explained = true;
            } else if line.is_empty() || line.starts_with('[') {
                explained = line.starts_with("[[");
            }
            let is_key = line.contains(" = ") && !line.starts_with('#');
            let follows_rule =
                line.starts_with("id =") || line.starts_with("when =") || line.starts_with("head_start_s =");
            let named_by_section = text != DEFAULT_FILE;
            assert!(!is_key || explained || follows_rule || named_by_section, "`{line}` has no explanation");
        }
    }
}

#[test]
fn the_development_file_is_fit_for_use() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/development.toml");
    let loaded = load(&Sources { files: vec![path.clone()], ..Sources::default() }).unwrap();
    assert!(loaded.notices.is_empty(), "{:?}", loaded.notices);
    assert_eq!(shown(&loaded, "node.id"), ("\"development\"", format!("file {}", path.display()).as_str()));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_files_and_a_later_file_over_an_earlier() {
    let (first, second) =
        (file("[limits]\nhello_s = 6\nheartbeat_s = 26\n"), file("[limits]\nhello_s = 7\n"));
    let mut sources = Sources { files: vec![first.path().into()], ..Sources::default() };
    let mut expect = |change: &dyn Fn(&mut Sources), value: u64, origin: &str| {
        change(&mut sources);
        let loaded = load(&sources).unwrap();
        assert_eq!(loaded.settings.limits.hello_s, value);
        assert_eq!(shown(&loaded, "limits.hello_s"), (value.to_string().as_str(), origin));
        assert_eq!(loaded.settings.limits.heartbeat_s, 26, "a later layer hides only what it names");
    };
    expect(&|_| (), 6, &format!("file {}", first.path().display()));
    expect(
        &|sources| sources.files.push(second.path().into()),
        7,
        &format!("file {}", second.path().display()),
    );
    let variable = ("RUSHDESK__LIMITS__HELLO_S".into(), "8".into());
    expect(&|sources| sources.environment.push(variable.clone()), 8, "environment RUSHDESK__LIMITS__HELLO_S");
    expect(&|sources| sources.flags.push(flag("limits.hello_s", "9")), 9, "flag --set limits.hello_s");
}

#[test]
fn a_key_is_read_by_its_kind_in_every_spelling() {
    let loaded = from_environment(&[
        ("RUSHDESK__BOOTSTRAP__ADMIN_PASSWORD", "12345678"),
        ("RUSHDESK__NODE__ID", "true"),
        ("RUSHDESK__BOT__ENABLED", "false"),
        ("RUSHDESK__SERVER__ALLOWED_ORIGINS", "https://a.example, https://b.example:8443"),
        ("RUSHDESK__ATTACHMENTS__TYPES", "[\"image/*\"]"),
        ("RUSHDESK__CONVERSATION__SLOW_REPLY_S", "[1, 2, 3]"),
        ("RUSHDESK__ROUTING__RULES", "[{ id = \"vip\", when = { tier = \"vip\" }, head_start_s = 5 }]"),
        ("RUSHDESK__AUTH__TOKEN_SECRET", ""),
        ("RUSHDESK_SERVICE_PORT", "left alone"),
        ("PATH", "left alone"),
    ])
    .unwrap();
    let settings = loaded.settings;
    assert_eq!(settings.bootstrap.admin_password.unwrap().expose(), "12345678");
    assert_eq!(settings.node.id.unwrap().as_str(), "true");
    assert_eq!(settings.server.allowed_origins, ["https://a.example", "https://b.example:8443"]);
    assert_eq!(settings.attachments.types, ["image/*"]);
    assert_eq!(settings.conversation.slow_reply_s, [1, 2, 3]);
    assert_eq!(settings.routing.rules.len(), 1);
    assert_eq!(settings.auth.token_secret, None);
}

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
        ("store.url", "postgres://db/desk", "single machine only"),
        ("bus.url", "redis://cache", "single machine only"),
        ("bus.url", "redis+sentinel://cache", "single machine only"),
        ("bus.url", "nats://cache", "write \"memory\""),
        ("node.id", "two words", "without spaces"),
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
        ("conversation.promotion", "yes", "write true or false"),
        ("routing.rules", "5", "write a list"),
        ("routing.rules", "[{ id = \"a b\" }]", "without spaces"),
        ("routing.rules", "[{ id = \"a\" }, { id = \"a\" }]", "two rules have the id `a`"),
        ("routing.rules", "[{ when = { tier = \"x\" } }]", "id"),
        ("routing.rules", "[{ id = \"a\", when = { teir = \"x\" } }]", "`tier`"),
        ("routing.rules", "[{ id = \"a\", head_start_s = 90000 }]", "0 to 86400"),
        ("routing.rules", "[{ id = \"a\", when = { sentiment_at_most = -101 } }]", "-100 to 100"),
        ("routing.rules", "[{ id = \"a\", when = { attribute_at_least = { x = nan } } }]", "finite"),
        ("routing.rules", "[{ id = \"a\", group = \"two words\" }]", "without spaces"),
        ("routing.rules", "[{ id = \"a\", steps = [{ needs = { skill = \"x\", level = 6 } }] }]", "1 to 5"),
        ("routing.rules", "[{ id = \"a\", steps = [{ needs = { level = 2 } }] }]", "beside a skill"),
        ("routing.rules", "[{ id = \"a\", steps = [{ needs = { any = [{ skil = \"x\" }] } }] }]", "`skill`"),
        (
            "routing.rules",
            "[{ id = \"a\", steps = [{ needs = { skill = \"x\", group = \"y\" } }] }]",
            "one of skill",
        ),
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
        (&[("limits.frame_bytes", "300000")], "limits.outbox_bytes", "limits.frame_bytes"),
        (&[("limits.fetch_default", "501")], "limits.fetch_default", "limits.fetch_max"),
        (&[("limits.page_default", "501")], "limits.page_default", "limits.page_max"),
        (&[("journal.batch_entries", "5000")], "journal.batch_entries", "journal.queue_entries"),
        (
            &[("auth.argon2_memory_kib", "8"), ("auth.argon2_lanes", "2")],
            "auth.argon2_memory_kib",
            "auth.argon2_lanes",
        ),
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
    let problems = from_flags(&[("store.url", "postgres://desk:hunter42@db/desk")]).unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter42"));
    let problems = from_flags(&[("auth.visitor_secret", "hunter42")]).unwrap_err();
    assert!(!format!("{problems:?}").contains("hunter42"));
}

#[test]
fn what_is_allowed_and_may_surprise_is_noticed() {
    let key = include_str!("../signin/testdata/ed25519.pub.pem");
    for (flags, words) in [
        (&[("store.url", "memory")][..], "nothing survives"),
        (&[("bot.enabled", "true")], "no bot"),
        (&[("auth.visitor_secret", "sixteen-bytes-ok")], "weaker than HS256"),
        (
            &[("auth.visitor_secret", "0123456789abcdef0123456789abcdef"), ("auth.visitor_public_key", key)],
            "both set",
        ),
    ] {
        let notices = from_flags(flags).unwrap().notices;
        assert_eq!(notices.len(), 1, "{notices:?}");
        assert!(notices[0].contains(words), "{notices:?}");
    }
}

#[test]
fn a_public_key_is_given_as_text_or_as_its_file() {
    let pem = include_str!("../signin/testdata/rsa.pub.pem");
    let file = file(pem);
    for given in [pem, file.path().to_str().unwrap()] {
        let loaded = from_flags(&[("auth.visitor_public_key", given)]).unwrap();
        assert_eq!(loaded.settings.auth.visitor_public_key.as_deref(), Some(pem));
    }
}

#[test]
fn a_rule_can_say_all_that_routing_understands() {
    let loaded = from_file(
        r#"
        [[routing.rules]]
        id = "big-cart"
        when = { tier = "vip", attribute = { city = "杭州" }, attribute_at_least = { cart_value = 1000 }, sentiment_at_most = -20 }
        trusted = true
        strict = true
        head_start_s = 60
        group = "vip"
        [[routing.rules.steps]]
        agents = ["ann"]
        for_s = 30
        [[routing.rules.steps]]
        needs = { all = [{ skill = "refund", level = 3 }, { any = [{ language = "zh" }, { group = "desk" }] }] }
        [[routing.rules.steps]]
        "#,
    )
    .unwrap();
    let [rule] = loaded.settings.routing.rules.as_slice() else {
        panic!("the file's rules replace the default ones")
    };
    assert_eq!(rule.when.attribute_at_least["cart_value"], 1000.0);
    assert_eq!((rule.steps[0].agents[0].as_str(), rule.steps[0].for_s), ("ann", Some(30)));
    assert_eq!(rule.steps[1].needs.all[0].level, Some(3));
    assert_eq!(rule.steps[1].needs.all[1].any[1].group.as_ref().unwrap().as_str(), "desk");
    assert_eq!((&rule.steps[2].needs, rule.steps[2].for_s), (&super::Needs::default(), None));
}

#[test]
fn needs_are_bounded_in_depth_and_parts() {
    let nested =
        |depth: usize| format!("{}{{ skill = \"x\" }}{}", "{ any = [".repeat(depth), "] }".repeat(depth));
    let flat = |parts: usize| format!("{{ any = [{}] }}", vec!["{ skill = \"x\" }"; parts].join(", "));
    for (needs, fine) in [(nested(7), true), (nested(8), false), (flat(63), true), (flat(64), false)] {
        let rules = format!("[{{ id = \"a\", steps = [{{ needs = {needs} }}] }}]");
        assert_eq!(from_flags(&[("routing.rules", &rules)]).is_ok(), fine, "{needs}");
    }
}

#[test]
fn promotion_mode_shortens_the_idle_end_and_never_lengthens_it() {
    for (promotion, idle, in_promotion, expected) in
        [("false", "600", "120", 600), ("true", "600", "120", 120), ("true", "100", "120", 100)]
    {
        let loaded = from_flags(&[
            ("conversation.promotion", promotion),
            ("conversation.idle_end_s", idle),
            ("conversation.idle_end_promotion_s", in_promotion),
        ])
        .unwrap();
        assert_eq!(loaded.settings.conversation.idle_end_in_force_s(), expected);
    }
}
