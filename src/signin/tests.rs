//! Tables of tokens: what is believed, and every way not to be. The keys in `testdata/` were made for these tests; the
//! tokens beside them were signed by OpenSSL and Python's hmac, not by our library.

use super::agent::{AgentClaims, AgentTokens};
use super::visitor::{PublicKey, VisitorGrant, VisitorTokens};
use super::{MAX_TOKEN_BYTES, Role, TokenError};
use crate::clock::Timestamp;
use crate::ident::{AgentId, ShopId};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const RSA_PUBLIC: &str = include_str!("testdata/rsa.pub.pem");
const RSA_PRIVATE: &str = include_str!("testdata/rsa.key.pem");
const ED_PUBLIC: &str = include_str!("testdata/ed25519.pub.pem");
const ED_PRIVATE: &str = include_str!("testdata/ed25519.key.pem");
/// `{"alg":"none","typ":"JWT"}` in base64url.
const NONE_HEADER: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";

const NOW_S: u64 = 1_800_000_000;
const NOW: Timestamp = Timestamp::from_millis(NOW_S * 1_000);

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

fn hs256(claims: &Value) -> String {
    signed(Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()), claims)
}

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap()
}

fn ed25519() -> EncodingKey {
    EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap()
}

/// Fitting claims, with `change` laid over them; `null` takes a claim away.
fn claims(change: &Value) -> Value {
    let mut claims = json!({ "sub": "42", "aud": "rushdesk", "exp": NOW_S + 60 });
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn with_secret() -> VisitorTokens {
    VisitorTokens::new(SECRET, None)
}

fn with_public_key(pem: &str) -> VisitorTokens {
    VisitorTokens::new(SECRET, Some(PublicKey::from_pem(pem).unwrap()))
}

fn reason(error: &TokenError) -> &str {
    match error {
        TokenError::Malformed { reason } => reason,
        other => panic!("{other:?} is not about a malformed token"),
    }
}

#[test]
fn a_shops_token_says_who_the_visitor_is() {
    let token = hs256(&claims(&json!({
        "name": "李雷", "tier": "vip", "shop": "shoes",
        "attributes": { "cart_value": 1299.5, "orders": 3, "city": "杭州", "returning": true },
    })));
    let identity = with_secret().verify(&token, NOW).unwrap();
    assert_eq!(identity.id.as_str(), "shoes:42");
    assert_eq!(identity.shop, ShopId::new("shoes").unwrap());
    assert_eq!((identity.name.as_deref(), identity.tier.as_deref()), (Some("李雷"), Some("vip")));
    assert_eq!(identity.expires_at, NOW.plus_secs(60));
    let attributes: Vec<_> =
        identity.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        attributes,
        [("cart_value", "1299.5"), ("city", "杭州"), ("orders", "3"), ("returning", "true")]
    );
}

#[test]
fn a_bare_token_is_of_the_default_shop_and_says_no_more() {
    let identity = with_secret().verify(&hs256(&claims(&json!({}))), NOW).unwrap();
    assert_eq!((identity.id.as_str(), identity.shop), ("42", ShopId::default_shop()));
    assert_eq!((identity.name, identity.tier, identity.attributes), (None, None, BTreeMap::new()));
}

#[test]
fn a_subject_is_scoped_by_who_vouches_for_it() {
    for (change, id) in [
        (json!({ "iss": "crm" }), "crm:42"),
        (json!({ "iss": "https://shop.example" }), "https%3A//shop.example:42"),
        (json!({ "shop": "shoes" }), "shoes:42"),
        (json!({ "shop": "default" }), "42"),
        (json!({ "sub": "crm:42" }), ":crm:42"),
    ] {
        assert_eq!(with_secret().verify(&hs256(&claims(&change)), NOW).unwrap().id.as_str(), id, "{change}");
    }
}

#[test]
fn the_audience_may_be_one_of_several() {
    let both = json!({ "aud": ["crm", "rushdesk"] });
    assert!(with_secret().verify(&hs256(&claims(&both)), NOW).is_ok());
    for aud in [json!("crm"), json!(["crm"]), json!([]), json!(5), json!("Rushdesk"), Value::Null] {
        let token = hs256(&claims(&json!({ "aud": aud })));
        let refusal = with_secret().verify(&token, NOW);
        assert_eq!(refusal, Err(TokenError::WrongAudience { expected: "rushdesk" }), "{aud}");
    }
}

#[test]
fn a_token_holds_until_its_end_and_must_have_one() {
    let token = hs256(&claims(&json!({})));
    let end = NOW.plus_secs(60);
    assert!(with_secret().verify(&token, Timestamp::from_millis(end.millis() - 1)).is_ok());
    assert_eq!(with_secret().verify(&token, end), Err(TokenError::Expired { at: end }));
    let fractional = hs256(&claims(&json!({ "exp": NOW_S as f64 + 0.5 })));
    assert!(with_secret().verify(&fractional, NOW).is_ok());
    assert!(with_secret().verify(&fractional, NOW.plus_millis(500)).is_err());
    for exp in [json!(0), json!(-5), json!(-1e300)] {
        let past = hs256(&claims(&json!({ "exp": exp })));
        assert!(matches!(with_secret().verify(&past, NOW), Err(TokenError::Expired { .. })), "{exp}");
    }
    assert!(with_secret().verify(&hs256(&claims(&json!({ "exp": u64::MAX }))), NOW).is_ok());
    for (exp, word) in
        [(Value::Null, "no `exp`"), (json!("tomorrow"), "`exp` must be"), (json!(true), "`exp` must be")]
    {
        let refusal = with_secret().verify(&hs256(&claims(&json!({ "exp": exp }))), NOW).unwrap_err();
        assert!(reason(&refusal).contains(word), "{exp}: {refusal}");
    }
}

#[test]
fn a_token_of_tomorrow_waits_and_a_clock_that_runs_a_little_ahead_is_forgiven() {
    let from = |seconds: u64| hs256(&claims(&json!({ "nbf": NOW_S + seconds, "exp": NOW_S + 9_999 })));
    assert!(with_secret().verify(&from(60), NOW).is_ok());
    let refusal = with_secret().verify(&from(61), NOW);
    assert_eq!(refusal, Err(TokenError::NotYetValid { at: NOW.plus_secs(61) }));
}

#[test]
fn a_token_of_another_key_or_with_changed_claims_is_forged() {
    let other = EncodingKey::from_secret(b"another secret of thirty-two byt");
    let fitting = claims(&json!({}));
    assert_eq!(
        with_secret().verify(&signed(Algorithm::HS256, &other, &fitting), NOW),
        Err(TokenError::Forged)
    );
    let (mine, better) = (hs256(&fitting), hs256(&claims(&json!({ "tier": "svip" }))));
    let (head, _) = better.rsplit_once('.').unwrap();
    let (_, signature) = mine.rsplit_once('.').unwrap();
    assert_eq!(with_secret().verify(&format!("{head}.{signature}"), NOW), Err(TokenError::Forged));
}

#[test]
fn the_shops_public_key_is_taken_with_its_own_algorithm() {
    for (pem, algorithm, key) in
        [(RSA_PUBLIC, Algorithm::RS256, rsa()), (ED_PUBLIC, Algorithm::EdDSA, ed25519())]
    {
        let token = signed(algorithm, &key, &claims(&json!({})));
        let tokens = with_public_key(pem);
        assert_eq!(tokens.verify(&token, NOW).unwrap().id.as_str(), "42");
        assert!(
            tokens.verify(&hs256(&claims(&json!({}))), NOW).is_ok(),
            "anonymous visitors' tokens stay good"
        );
        let (body, _) = token.rsplit_once('.').unwrap();
        let (_, other) =
            hs256(&claims(&json!({}))).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        assert_eq!(tokens.verify(&format!("{body}.{other}"), NOW), Err(TokenError::Forged));
    }
}

#[test]
fn tokens_made_by_other_software_are_believed() {
    for (token, tokens) in [
        (include_str!("testdata/hs256.jwt"), with_secret()),
        (include_str!("testdata/rs256.jwt"), with_public_key(RSA_PUBLIC)),
        (include_str!("testdata/eddsa.jwt"), with_public_key(ED_PUBLIC)),
    ] {
        let identity = tokens.verify(token.trim_end(), NOW).unwrap();
        assert_eq!((identity.id.as_str(), identity.name.as_deref()), ("42", Some("韩梅梅")));
        assert_eq!(identity.attributes["orders"], "3");
    }
}

proptest! {
    #[test]
    fn no_text_breaks_the_reading_of_a_token(text in ".{0,80}", dotted in "[A-Za-z0-9_-]{0,30}(\\.[A-Za-z0-9_-]{0,30}){0,3}") {
        for token in [&text, &dotted] {
            prop_assert!(with_public_key(ED_PUBLIC).verify(token, NOW).is_err());
        }
    }
}

#[test]
fn the_token_never_chooses_the_algorithm() {
    let fitting = claims(&json!({}));
    let (_, payload) = hs256(&fitting).split_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let (payload, signature) = payload.rsplit_once('.').unwrap();
    let public_key_as_secret = EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    for (case, tokens, token, expected) in [
        ("none, unsigned", with_secret(), format!("{NONE_HEADER}.{payload}."), TokenError::WrongAlgorithm),
        (
            "none, signed",
            with_secret(),
            format!("{NONE_HEADER}.{payload}.{signature}"),
            TokenError::WrongAlgorithm,
        ),
        (
            "a longer digest",
            with_secret(),
            signed(Algorithm::HS512, &secret, &fitting),
            TokenError::WrongAlgorithm,
        ),
        (
            "RS256 where there is a secret",
            with_secret(),
            signed(Algorithm::RS256, &rsa(), &fitting),
            TokenError::WrongAlgorithm,
        ),
        (
            "the public key as HMAC secret",
            with_public_key(RSA_PUBLIC),
            signed(Algorithm::HS256, &public_key_as_secret, &fitting),
            TokenError::Forged,
        ),
        (
            "PS256 for an RSA key",
            with_public_key(RSA_PUBLIC),
            signed(Algorithm::PS256, &rsa(), &fitting),
            TokenError::WrongAlgorithm,
        ),
        (
            "EdDSA for an RSA key",
            with_public_key(RSA_PUBLIC),
            signed(Algorithm::EdDSA, &ed25519(), &fitting),
            TokenError::WrongAlgorithm,
        ),
        (
            "RS256 for an Ed25519 key",
            with_public_key(ED_PUBLIC),
            signed(Algorithm::RS256, &rsa(), &fitting),
            TokenError::WrongAlgorithm,
        ),
    ] {
        assert_eq!(tokens.verify(&token, NOW), Err(expected), "{case}");
    }
}

#[test]
fn what_is_no_token_is_malformed() {
    let long = "x".repeat(MAX_TOKEN_BYTES + 1);
    for token in ["", ".", "..", "a.b", "a.b.c", "a.b.c.d", "not a token", "eyJ.eyJ.x", &long] {
        let refusal = with_secret().verify(token, NOW);
        assert!(matches!(refusal, Err(TokenError::Malformed { .. })), "{token}: {refusal:?}");
    }
}

#[test]
fn claims_out_of_bounds_are_named() {
    let many: BTreeMap<String, u32> = (0..33).map(|n| (n.to_string(), n)).collect();
    let large: BTreeMap<String, String> = (10..15).map(|n| (n.to_string(), "x".repeat(510))).collect();
    for (change, word) in [
        (json!({ "sub": null }), "no `sub`"),
        (json!({ "sub": "" }), "no `sub`"),
        (json!({ "sub": "x".repeat(201) }), "visitor"),
        (json!({ "sub": "a\nb" }), "control characters"),
        (json!({ "sub": 42 }), "invalid type"),
        (json!({ "iss": "" }), "`iss` is empty"),
        (json!({ "shop": "two words" }), "shop"),
        (json!({ "name": "x".repeat(201) }), "`name` is longer"),
        (json!({ "name": "a\u{0}b" }), "`name` holds control"),
        (json!({ "tier": "x".repeat(65) }), "`tier` is longer"),
        (json!({ "attributes": many }), "more than 32"),
        (json!({ "attributes": { "a": [1] } }), "attribute `a`"),
        (json!({ "attributes": { "a": "x".repeat(513) } }), "attribute `a`"),
        (json!({ "attributes": { "": 1 } }), "name of an attribute"),
        (json!({ "attributes": "vip" }), "invalid type"),
        (json!({ "claims": many }), "more than 32"),
        (json!({ "claims": large }), "`claims` hold 2560 bytes"),
    ] {
        let refusal = with_secret().verify(&hs256(&claims(&change)), NOW).unwrap_err();
        assert!(reason(&refusal).contains(word), "{change}: {refusal}");
    }
}

#[test]
fn what_the_desk_signs_it_believes() {
    let grant = VisitorGrant {
        subject: "a:b".into(),
        name: Some("Ann".into()),
        tier: Some("gold".into()),
        attributes: BTreeMap::from([("city".to_owned(), "Berlin".to_owned())]),
        claims: BTreeMap::from([("city".to_owned(), "Paris".to_owned())]),
        shop: Some(ShopId::new("shoes").unwrap()),
        issuer: Some("crm".into()),
        is_anonymous: true,
        expires_at: NOW.plus_millis(60_999),
    };
    let tokens = with_secret();
    let identity = tokens.verify(&tokens.sign(&grant).unwrap(), NOW).unwrap();
    assert_eq!((identity.id.as_str(), identity.shop), ("crm:a:b", grant.shop.clone().unwrap()));
    assert_eq!(
        (identity.name, identity.tier, identity.attributes, identity.claims),
        (grant.name, grant.tier, grant.attributes, grant.claims)
    );
    assert!(identity.is_anonymous);
    assert_eq!(identity.expires_at, NOW.plus_secs(60), "a token's end is a whole second");
}

#[test]
fn what_would_not_be_believed_is_not_signed() {
    let grant = VisitorGrant {
        subject: String::new(),
        name: None,
        tier: None,
        attributes: BTreeMap::new(),
        claims: BTreeMap::new(),
        shop: None,
        issuer: None,
        is_anonymous: false,
        expires_at: NOW.plus_secs(60),
    };
    assert!(matches!(with_secret().sign(&grant), Err(TokenError::Malformed { .. })));
}

#[test]
fn only_a_strong_public_key_is_taken() {
    for (pem, word) in [
        (RSA_PRIVATE, "must stay with the shop"),
        (ED_PRIVATE, "must stay with the shop"),
        (include_str!("testdata/rsa1024.pub.pem"), "less than 2048 bits"),
        (include_str!("testdata/p256.pub.pem"), "RSA or Ed25519"),
        ("", "no public key"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "no public key"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "cannot be read"),
    ] {
        let refusal = PublicKey::from_pem(pem).unwrap_err();
        assert!(refusal.contains(word), "{refusal}");
    }
}

fn agent_claims() -> AgentClaims {
    AgentClaims {
        agent: AgentId::from_u128(7),
        sign_in: Uuid::from_u128(9),
        version: 3,
        role: Role::Supervisor,
        expires_at: NOW.plus_secs(60),
    }
}

#[test]
fn an_agents_token_says_what_it_was_signed_for_until_it_ends() {
    let tokens = AgentTokens::new(SECRET);
    let token = tokens.sign(&agent_claims()).unwrap();
    assert_eq!(tokens.verify(&token, NOW), Ok(agent_claims()));
    assert_eq!(tokens.verify(&token, NOW.plus_secs(60)), Err(TokenError::Expired { at: NOW.plus_secs(60) }));
    assert_eq!(AgentTokens::new("another").verify(&token, NOW), Err(TokenError::Forged));
}

#[test]
fn visitors_and_agents_never_pass_for_one_another_even_under_one_secret() {
    let agent = AgentTokens::new(SECRET).sign(&agent_claims()).unwrap();
    assert_eq!(with_secret().verify(&agent, NOW), Err(TokenError::WrongAudience { expected: "rushdesk" }));
    let visitor = hs256(&claims(&json!({
        "sub": AgentId::from_u128(7).to_string(), "jti": Uuid::from_u128(9).to_string(), "ver": 3, "role": "admin",
    })));
    let refusal = AgentTokens::new(SECRET).verify(&visitor, NOW);
    assert_eq!(refusal, Err(TokenError::WrongAudience { expected: "rushdesk-agent" }));
}

#[test]
fn an_agents_token_with_strange_claims_is_malformed() {
    let fitting = json!({
        "sub": AgentId::from_u128(7).to_string(), "jti": Uuid::from_u128(9).to_string(), "ver": 3, "role": "agent",
        "aud": "rushdesk-agent", "exp": NOW_S + 60,
    });
    assert!(AgentTokens::new(SECRET).verify(&hs256(&fitting), NOW).is_ok());
    for (claim, value) in [
        ("sub", json!("ann")),
        ("jti", json!("x")),
        ("ver", json!("3")),
        ("role", json!("owner")),
        ("role", Value::Null),
    ] {
        let mut strange = fitting.clone();
        strange[claim] = value;
        let refusal = AgentTokens::new(SECRET).verify(&hs256(&strange), NOW);
        assert!(matches!(refusal, Err(TokenError::Malformed { .. })), "{claim}: {refusal:?}");
    }
}
