//! Whose customer a visitor is: the id that a shop's token stands for.
//!
//! Pure. Two shops may both have a customer `42`; the desk must never take one for the other, so the mapping from
//! (scope, subject) to the visitor's id is injective. The scope is the token's issuer, or else its shop; the default
//! shop without an issuer has none.

use crate::ident::{IdentError, ShopId, VisitorId};

/// The id of `subject` as vouched for by `issuer`, or else by `shop`: `scope:subject`, and the plain `subject` where
/// there is no scope. A plain subject that holds a `:` gets another in front; `:` and `%` within a scope are
/// percent-encoded, so that the first `:` always ends the scope.
pub(super) fn visitor_id(
    subject: &str,
    issuer: Option<&str>,
    shop: &ShopId,
) -> Result<VisitorId, IdentError> {
    let scope = issuer.or_else(|| (*shop != ShopId::default_shop()).then(|| shop.as_str()));
    match scope {
        Some(scope) => VisitorId::new(&format!("{}:{subject}", encoded(scope))),
        None if subject.contains(':') => VisitorId::new(&format!(":{subject}")),
        None => VisitorId::new(subject),
    }
}

fn encoded(scope: &str) -> String {
    scope.replace('%', "%25").replace(':', "%3A")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(subject: &str, issuer: Option<&str>, shop: &str) -> String {
        visitor_id(subject, issuer, &ShopId::new(shop).unwrap()).unwrap().to_string()
    }

    #[test]
    fn a_subject_is_scoped_by_issuer_or_else_by_shop() {
        for (subject, issuer, shop, expected) in [
            ("42", None, "default", "42"),
            ("42", None, "shoes", "shoes:42"),
            ("42", Some("crm"), "default", "crm:42"),
            ("42", Some("crm"), "shoes", "crm:42"),
            ("crm:42", None, "default", ":crm:42"),
            (":42", None, "default", "::42"),
            ("42", Some("https://shop.example"), "default", "https%3A//shop.example:42"),
            ("42", Some("50%"), "default", "50%25:42"),
        ] {
            assert_eq!(id(subject, issuer, shop), expected);
        }
    }

    #[test]
    fn an_id_that_would_be_too_long_is_refused() {
        assert!(visitor_id(&"x".repeat(200), None, &ShopId::default_shop()).is_ok());
        assert!(visitor_id(&"x".repeat(200), Some("crm"), &ShopId::default_shop()).is_err());
    }

    proptest! {
        #[test]
        fn no_two_customers_share_an_id(
            one in ("[ab:%]{1,4}", proptest::option::of("[ab:%]{1,3}")),
            other in ("[ab:%]{1,4}", proptest::option::of("[ab:%]{1,3}")),
        ) {
            let shop = ShopId::default_shop();
            let first = visitor_id(&one.0, one.1.as_deref(), &shop).unwrap();
            let second = visitor_id(&other.0, other.1.as_deref(), &shop).unwrap();
            prop_assert_eq!(first == second, one == other);
        }
    }
}
