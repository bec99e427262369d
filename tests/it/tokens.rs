//! Tokens that the shop signs with its private key: who is let in by the public one, and who is not.

use crate::client::Client;
use crate::desk::{Desk, VISITOR_SECRET};
use crate::roles::sign_in_ends;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

const RSA_PRIVATE: &str = include_str!("../../src/signin/testdata/rsa.key.pem");
const RSA_PUBLIC: &str = include_str!("../../src/signin/testdata/rsa.pub.pem");
const ED_PRIVATE: &str = include_str!("../../src/signin/testdata/ed25519.key.pem");
const ED_PUBLIC: &str = include_str!("../../src/signin/testdata/ed25519.pub.pem");
/// An Ed25519 key of nobody: PKCS #8 (RFC 8410, 7) around 32 bytes.
const STRANGERS_ED_DER: [u8; 48] = {
    let mut der = [7; 48];
    let head =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let mut at = 0;
    while at < head.len() {
        der[at] = head[at];
        at += 1;
    }
    der
};

fn desk(public_key: &str) -> Desk {
    Desk::with_environment(&[], &[("RUSHDESK__AUTH__VISITOR_PUBLIC_KEY", public_key)])
}

fn now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn claims(more: Value) -> Value {
    let mut claims = json!({"sub": "buyer-9", "name": "王小姐", "tier": "vip", "aud": "rushdesk",
        "exp": now_s() + 600});
    let Value::Object(more) = more else { panic!("claims are an object") };
    claims.as_object_mut().expect("an object").extend(more);
    claims
}

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).expect("a token")
}

fn rsa() -> EncodingKey {
    EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).expect("a key")
}

fn ed() -> EncodingKey {
    EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).expect("a key")
}

async fn is_kept_out(desk: &Desk, what: &str, token: &str) {
    let (code, ended) = sign_in_ends(desk, "/ws/visitor", token).await;
    assert_eq!((code.as_deref(), ended.0), (Some("unauthenticated"), Some(4401)), "{what}");
    let answer = desk.ask("GET", "/api/v1/conversations", Some(token), None).await;
    assert_eq!(answer.status, 401, "{what} over REST: {}", answer.text());
}

#[tokio::test]
async fn a_token_of_the_shops_private_key_lets_its_customer_in() {
    for (algorithm, key, public) in
        [(Algorithm::RS256, rsa(), RSA_PUBLIC), (Algorithm::EdDSA, ed(), ED_PUBLIC)]
    {
        let desk = desk(public);
        let token = signed(algorithm, &key, &claims(json!({})));
        let (mut visitor, welcome) = Client::sign_in(&desk, "/ws/visitor", &token, json!({})).await;
        assert_eq!(welcome["visitor"], json!({"id": "buyer-9", "name": "王小姐", "tier": "vip"}));
        let conversation = visitor.open().await;
        // The secret's tokens hold beside it, and are another visitor where the subject is.
        let by_secret = EncodingKey::from_secret(VISITOR_SECRET.as_bytes());
        let other = signed(Algorithm::HS256, &by_secret, &claims(json!({"sub": "buyer-10"})));
        let (mut other, _) = Client::sign_in(&desk, "/ws/visitor", &other, json!({})).await;
        other.refused(json!({"type": "fetch", "conversation": conversation, "after": 0}), "forbidden").await;
    }
}

#[tokio::test]
async fn a_wrong_key_a_confused_algorithm_and_a_wrong_time_are_kept_out() {
    let stranger = EncodingKey::from_ed_der(&STRANGERS_ED_DER);
    let secret = EncodingKey::from_secret(VISITOR_SECRET.as_bytes());
    let public_as_secret = |public: &str| EncodingKey::from_secret(public.as_bytes());
    let good = claims(json!({}));
    let own = |algorithm, more| {
        let key = if algorithm == Algorithm::RS256 { rsa() } else { ed() };
        signed(algorithm, &key, &claims(more))
    };
    for (algorithm, public) in [(Algorithm::RS256, RSA_PUBLIC), (Algorithm::EdDSA, ED_PUBLIC)] {
        let desk = desk(public);
        let other = if algorithm == Algorithm::RS256 { Algorithm::EdDSA } else { Algorithm::RS256 };
        let sound = own(algorithm, json!({}));
        let (body, signature) = sound.rsplit_once('.').expect("three parts");
        let renamed = signed(Algorithm::HS256, &secret, &good);
        let header = renamed.split('.').next().expect("a header");
        let claimed = body.split('.').nth(1).expect("claims");
        for (what, token) in [
            ("the public key as a secret", signed(Algorithm::HS256, &public_as_secret(public), &good)),
            ("the public key as a secret, trimmed", {
                signed(Algorithm::HS256, &public_as_secret(public.trim()), &good)
            }),
            ("a stranger's key", signed(Algorithm::EdDSA, &stranger, &good)),
            ("a key of the other algorithm", own(other, json!({}))),
            ("a good signature under another header", format!("{header}.{claimed}.{signature}")),
            ("no signature", format!("{body}.")),
            ("expired", own(algorithm, json!({"exp": now_s() - 1}))),
            ("not yet valid", own(algorithm, json!({"nbf": now_s() + 300}))),
            ("without an end", own(algorithm, json!({"exp": null}))),
            ("for somebody else", own(algorithm, json!({"aud": "another-desk"}))),
            ("of nobody", own(algorithm, json!({"sub": ""}))),
        ] {
            is_kept_out(&desk, &format!("{algorithm:?}: {what}"), &token).await;
        }
        let (mut visitor, _) = Client::sign_in(&desk, "/ws/visitor", &sound, json!({})).await;
        visitor.still_serves().await;
    }
}
