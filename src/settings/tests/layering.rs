//! What wins, how each kind is read, and what settings say once they are loaded.

use super::super::{Needs, Sources, load};
use super::{file, flag, from_environment, from_file, from_flags, shown};
use crate::ident::{AgentId, SkillId};

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
fn what_is_allowed_and_may_surprise_is_noticed() {
    let key = include_str!("../../signin/testdata/ed25519.pub.pem");
    for (flags, words) in [
        (&[("store.url", "memory")][..], "nothing survives"),
        (&[("bot.enabled", "true")], "no bot"),
        (&[("bootstrap.admin_password", "1234567")], "fewer than 8 characters"),
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
    let pem = include_str!("../../signin/testdata/rsa.pub.pem");
    let file = file(pem);
    for given in [pem, file.path().to_str().unwrap()] {
        let loaded = from_flags(&[("auth.visitor_public_key", given)]).unwrap();
        assert_eq!(loaded.settings.auth.visitor_public_key.as_deref(), Some(pem));
    }
}

#[test]
fn a_rule_can_say_all_that_the_rest_interface_takes() {
    let loaded = from_file(
        r#"
        [[routing.rules]]
        id = "big-cart"
        when = { tier = "vip", attribute = { city = "杭州" }, attribute_min = { cart_value = 1000 }, sentiment_at_most = -20 }
        trusted = true
        strict = true
        head_start_s = 60
        group = "vip"
        [[routing.rules.steps]]
        needs = { agents = ["00000000-0000-0000-0000-000000000007"] }
        for_s = 30
        [[routing.rules.steps]]
        needs = { skills = { refund = 3 }, languages = ["zh", "en"], groups = ["desk"] }
        [[routing.rules.steps]]
        "#,
    )
    .unwrap();
    let [rule] = loaded.settings.routing.rules.as_slice() else {
        panic!("the file's rules replace the default ones")
    };
    assert_eq!(rule.when.attribute_min["cart_value"], 1000.0);
    assert_eq!(
        (&rule.steps[0].needs.agents[..], rule.steps[0].for_s),
        (&[AgentId::from_u128(7)][..], Some(30))
    );
    assert_eq!(rule.steps[1].needs.skills[&SkillId::new("refund").unwrap()], 3);
    assert_eq!((rule.steps[1].needs.languages.len(), rule.steps[1].needs.groups[0].as_str()), (2, "desk"));
    assert_eq!((&rule.steps[2].needs, rule.steps[2].for_s), (&Needs::default(), None));
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
