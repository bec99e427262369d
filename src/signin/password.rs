//! Agents' passwords: hashed with argon2id (RFC 9106), stored as PHC strings that carry their own cost.
//!
//! Both functions take tens of milliseconds and some megabytes on purpose: call them on a thread that may block,
//! and bound how many run at once.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// A password with fewer characters is taken with a warning (NIST SP 800-63B, 5.1.1.1: at least eight, and nothing about
/// their kinds). It is not refused: the contract of `POST /agents` names no shortest password.
pub const GOOD_PASSWORD_CHARS: usize = 8;
/// Longest accepted password, so that length buys no hashing time.
pub const MAX_PASSWORD_BYTES: usize = 128;

/// What one hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordCost {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

/// Why no answer about a password could be given. A wrong password is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("a password is not empty: choose one of at least {GOOD_PASSWORD_CHARS} characters")]
    Empty,
    #[error("a password has at most {MAX_PASSWORD_BYTES} bytes: choose a shorter one")]
    TooLong,
    #[error("the cost of password hashing cannot be used: {reason}")]
    Cost { reason: String },
    #[error("the stored password hash cannot be read: set the password anew ({reason})")]
    Stored { reason: String },
    #[error("the password could not be hashed: {reason}")]
    Failed { reason: String },
}

/// Whether `password` may be set.
///
/// # Errors
/// The password is empty or too long.
pub fn check(password: &str) -> Result<(), PasswordError> {
    if password.is_empty() {
        return Err(PasswordError::Empty);
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(PasswordError::TooLong);
    }
    Ok(())
}

/// Whether `password` is shorter than what is good.
pub fn is_short(password: &str) -> bool {
    password.chars().count() < GOOD_PASSWORD_CHARS
}

/// Hashes a password under a random salt, into the text that is stored. Whether it may be set, `check` says.
///
/// # Errors
/// The password is too long, or the cost is out of argon2's bounds.
pub fn hash(password: &str, cost: PasswordCost) -> Result<String, PasswordError> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(PasswordError::TooLong);
    }
    let hash: PasswordHash = hasher(cost)?
        .hash_password(password.as_bytes())
        .map_err(|error| PasswordError::Failed { reason: error.to_string() })?;
    Ok(hash.to_string())
}

/// Whether `password` is the one that `stored` was made of, at the cost that `stored` carries.
///
/// # Errors
/// What is stored is no argon2 hash.
pub fn verify(password: &str, stored: &str) -> Result<bool, PasswordError> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Ok(false);
    }
    let unreadable = |reason: String| PasswordError::Stored { reason };
    let stored = PasswordHash::new(stored).map_err(|error| unreadable(error.to_string()))?;
    match Argon2::default().verify_password(password.as_bytes(), &stored) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(error) => Err(unreadable(error.to_string())),
    }
}

/// Takes as long as `verify` and answers nothing: for log-ins that do not exist, so that the time of a refusal does
/// not tell which do.
///
/// # Errors
/// The cost is out of argon2's bounds.
pub fn verify_nobody(cost: PasswordCost) -> Result<(), PasswordError> {
    hash("nobody", cost).map(drop)
}

fn hasher(cost: PasswordCost) -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, None)
        .map_err(|error| PasswordError::Cost { reason: error.to_string() })?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: PasswordCost = PasswordCost { memory_kib: 8, passes: 1, lanes: 1 };

    #[test]
    fn the_right_password_is_known_again_and_no_other() {
        let stored = hash("öffne dich 芝麻", CHEAP).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{stored}");
        for (password, right) in [("öffne dich 芝麻", true), ("offne dich 芝麻", false), ("", false)] {
            assert_eq!(verify(password, &stored), Ok(right), "{password}");
        }
    }

    #[test]
    fn a_hash_is_verified_at_its_own_cost_and_under_its_own_salt() {
        let dear = PasswordCost { memory_kib: 64, passes: 2, lanes: 2 };
        let stored = hash("password", dear).unwrap();
        assert_ne!(stored, hash("password", dear).unwrap());
        assert_eq!(verify("password", &stored), Ok(true));
    }

    #[test]
    fn a_password_that_is_set_is_not_empty_and_has_not_too_many_bytes() {
        assert_eq!(check(""), Err(PasswordError::Empty));
        for fine in ["1", "芝麻开门芝麻开门", &"x".repeat(MAX_PASSWORD_BYTES)] {
            assert_eq!(check(fine), Ok(()), "{fine}");
        }
        for (password, short) in [("1234567", true), ("芝麻开门芝麻开", true), ("芝麻开门芝麻开门", false)]
        {
            assert_eq!(is_short(password), short, "{password}");
        }
        assert_eq!(check(&"x".repeat(MAX_PASSWORD_BYTES + 1)), Err(PasswordError::TooLong));
    }

    #[test]
    fn what_cannot_be_hashed_is_refused() {
        assert_eq!(hash(&"x".repeat(MAX_PASSWORD_BYTES + 1), CHEAP), Err(PasswordError::TooLong));
        let none = PasswordCost { memory_kib: 1, ..CHEAP };
        assert!(matches!(hash("password", none), Err(PasswordError::Cost { .. })));
    }

    #[test]
    fn what_is_no_hash_is_an_error_and_an_endless_password_is_only_wrong() {
        for stored in ["", "plain", "$argon2id$v=19$m=8,t=1,p=1$"] {
            assert!(!matches!(verify("p", stored), Ok(true)), "{stored}");
        }
        assert!(matches!(verify("p", "plain"), Err(PasswordError::Stored { .. })));
        assert_eq!(verify(&"x".repeat(MAX_PASSWORD_BYTES + 1), "plain"), Ok(false));
    }

    #[test]
    fn the_time_of_a_stranger_is_taken_too() {
        assert_eq!(verify_nobody(CHEAP), Ok(()));
    }
}
