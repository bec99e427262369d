//! Texts that must not be shown: they print as stars wherever they are logged or listed.

use serde::{Deserialize, Deserializer};
use std::fmt;

/// What stands in place of a secret that is set.
pub(super) const MASK: &str = "********";

/// A secret or password. `Debug` and `Display` are masked; `expose` hands the text to the one who needs it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The text itself, for signing and hashing only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Reads a secret of which the empty text means "not set".
pub(super) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then_some(Secret(text)))
}

/// Hides the password of a URL that carries one (`scheme://user:password@host`, or `password=` among its parameters). In
/// doubt more is hidden than must be: a password may hold `/`, `?` and `@` where somebody forgot to write them in `%`.
pub(super) fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    if scheme == "sqlite" {
        return url.to_owned();
    }
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user_info, rest)) => match user_info.split_once(':') {
            Some((user, _)) => (format!("{user}:{MASK}@"), rest),
            None => (format!("{user_info}@"), rest),
        },
        None => (String::new(), rest),
    };
    let Some((place, parameters)) = rest.split_once('?') else { return format!("{scheme}://{user}{rest}") };
    let shown: Vec<String> = parameters.split('&').map(masked_parameter).collect();
    format!("{scheme}://{user}{place}?{}", shown.join("&"))
}

fn masked_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name, _)) if name.contains("password") => format!("{name}={MASK}"),
        Some(_) | None => parameter.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_prints_its_text() {
        let secret = Secret::new("hunter42");
        assert_eq!(format!("{secret} {secret:?}"), "******** ********");
        assert_eq!(secret.expose(), "hunter42");
    }

    #[test]
    fn the_password_of_a_url_is_hidden_and_nothing_else() {
        for (url, shown) in [
            ("postgres://desk:s3cret@db:5432/desk?x=1", "postgres://desk:********@db:5432/desk?x=1"),
            ("postgres://desk:a/b?c@d@db/desk", "postgres://desk:********@db/desk"),
            ("postgres://db/desk?password=s3cret&x=1", "postgres://db/desk?password=********&x=1"),
            ("redis://:s3cret@cache", "redis://:********@cache"),
            ("redis://user@cache", "redis://user@cache"),
            ("sqlite://./data/a@b:c.db", "sqlite://./data/a@b:c.db"),
            ("memory", "memory"),
        ] {
            assert_eq!(mask_url(url), shown);
        }
    }
}
