//! Tables of what rules match and what they add up to.

use super::*;
use crate::routing::input::{Claim, Fact};

fn rule(id: &str, head_start_s: u64, when: When) -> Rule {
    Rule {
        id: RuleId::new(id).unwrap(),
        when,
        trusted: false,
        head_start_s,
        strict: false,
        group: None,
        steps: Vec::new(),
    }
}

fn facts() -> Facts {
    let fact = |name: &str, value: &str, trusted| Fact { name: name.into(), value: value.into(), trusted };
    Facts {
        shop: ShopId::default_shop(),
        channel: ChannelId::web(),
        intent: Some(Claim { value: "payment_failure".into(), trusted: false }),
        tier: Some("gold".into()),
        attributes: vec![
            fact("cart_value", "250.50", true),
            fact("claimed_value", "9999", false),
            fact("page", "checkout", false),
        ],
        returning: true,
        sentiment: Some(-40),
    }
}

fn group(name: &str) -> GroupId {
    GroupId::new(name).unwrap()
}

const LIMITS: ScoreLimits = ScoreLimits { max_head_start_s: 900, strict_allowed: false };

fn attribute(name: &str, test: ValueTest) -> When {
    When { attributes: vec![AttributeTest { name: name.into(), test }], ..When::default() }
}

#[test]
fn a_rule_matches_when_everything_it_asks_is_there() {
    let expected = [
        ("nothing asked", When::default(), true),
        ("intent", When { intent: Some("payment_failure".into()), ..When::default() }, true),
        ("other intent", When { intent: Some("complaint".into()), ..When::default() }, false),
        ("tier", When { tier: Some("gold".into()), ..When::default() }, true),
        ("other tier", When { tier: Some("silver".into()), ..When::default() }, false),
        ("channel", When { channel: Some(ChannelId::web()), ..When::default() }, true),
        ("other channel", When { channel: Some(ChannelId::new("app").unwrap()), ..When::default() }, false),
        ("shop", When { shop: Some(ShopId::new("other").unwrap()), ..When::default() }, false),
        ("group", When { group: Some(group("vip")), ..When::default() }, true),
        ("other group", When { group: Some(group("general")), ..When::default() }, false),
        ("returning", When { returning: Some(true), ..When::default() }, true),
        ("newcomer", When { returning: Some(false), ..When::default() }, false),
        ("angry enough", When { sentiment_at_most: Some(-40), ..When::default() }, true),
        ("not that angry", When { sentiment_at_most: Some(-41), ..When::default() }, false),
        ("value", attribute("cart_value", ValueTest::AtLeast(250.5)), true),
        ("higher value", attribute("cart_value", ValueTest::AtLeast(250.51)), false),
        ("a claimed value", attribute("claimed_value", ValueTest::AtLeast(1.0)), false),
        ("a value that is no number", attribute("page", ValueTest::AtLeast(0.0)), false),
        ("claimed word", attribute("page", ValueTest::Equals("checkout".into())), true),
        ("absent attribute", attribute("colour", ValueTest::Equals("red".into())), false),
    ];
    let fact = group("vip");
    for (name, when, matched) in expected {
        let rules = Rules::new(vec![rule("r", 60, when)]).unwrap();
        let score = rules.score(&facts(), Some(GroupFact { group: &fact, trusted: false }), LIMITS);
        assert_eq!(score.head_start_ms == 60_000, matched, "{name}");
    }
}

#[test]
fn a_rule_that_asks_for_trust_does_not_take_claims() {
    let claims = [
        When { intent: Some("payment_failure".into()), ..When::default() },
        When { group: Some(group("vip")), ..When::default() },
        attribute("page", ValueTest::Equals("checkout".into())),
    ];
    let fact = group("vip");
    for when in claims {
        let rules = Rules::new(vec![Rule { trusted: true, ..rule("r", 60, when.clone()) }]).unwrap();
        let score = rules.score(&facts(), Some(GroupFact { group: &fact, trusted: false }), LIMITS);
        assert_eq!(score.head_start_ms, 0, "{when:?}");
    }
}

#[test]
fn matching_rules_add_up_to_the_clamp_and_the_first_that_names_something_decides() {
    let any = When::default;
    let list = vec![
        rule("a", 300, any()),
        Rule { group: Some(group("payment")), ..rule("b", 200, any()) },
        Rule { group: Some(group("vip")), ..rule("c", 100, any()) },
    ];
    let rules = Rules::new(list.clone()).unwrap();
    let score = rules.score(&facts(), None, LIMITS);
    assert_eq!(score, Score { head_start_ms: 600_000, strict: false, deciding: Some(1) });
    let tight = ScoreLimits { max_head_start_s: 450, ..LIMITS };
    assert_eq!(rules.score(&facts(), None, tight).head_start_ms, 450_000);
    let parts: Vec<_> = rules.parts(&facts(), None).into_iter().map(|(_, seconds)| seconds).collect();
    assert_eq!(parts, [300, 200, 100]);
}

#[test]
fn a_strict_class_counts_only_where_the_desk_allows_it() {
    let rules = Rules::new(vec![Rule { strict: true, ..rule("a", 0, When::default()) }]).unwrap();
    assert!(!rules.score(&facts(), None, LIMITS).strict);
    assert!(rules.score(&facts(), None, ScoreLimits { strict_allowed: true, ..LIMITS }).strict);
}

#[test]
fn lists_without_measure_are_refused() {
    assert!(Rules::new(vec![rule("r", 0, When::default()); MAX_RULES + 1]).is_err());
    let step = Step { needs: Needs::Anyone, agents: Vec::new(), for_s: None };
    let long = Rule { steps: vec![step; MAX_STEPS + 1], ..rule("r", 0, When::default()) };
    assert!(Rules::new(vec![long]).is_err());
}
