//! Secrets and passwords that the desk makes itself, from the operating system's random source.
//!
//! Here and not in pure code: chance is an effect.

use argon2::password_hash::try_generate_salt;

/// A fresh signing secret: 256 bits in hexadecimal.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn fresh_secret() -> Result<String, String> {
    let bytes = [random_bytes()?, random_bytes()?].concat();
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A fresh password of 100 bits that a person can copy: letters and digits that are not mistaken for one another, and
/// none that a command line or a spreadsheet would take for something else.
///
/// # Errors
/// The operating system gave no random bytes.
pub fn fresh_password() -> Result<String, String> {
    /// Thirty-two signs, so that five random bits choose each without a bias.
    const SIGNS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789_";
    const LENGTH: usize = 20;
    let bytes = [random_bytes()?, random_bytes()?].concat();
    let signs = bytes.iter().take(LENGTH).filter_map(|byte| SIGNS.get(usize::from(byte % 32)));
    Ok(signs.map(|sign| char::from(*sign)).collect())
}

fn random_bytes() -> Result<[u8; 16], String> {
    try_generate_salt().map_err(|error| format!("the operating system gave no random bytes: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_passwords_have_their_length_and_differ_each_time() {
        let (one, other) = (fresh_secret().unwrap(), fresh_secret().unwrap());
        assert_eq!(one.len(), 64);
        assert!(one.chars().all(|c| c.is_ascii_hexdigit()));
        assert_ne!(one, other);
        let (one, other) = (fresh_password().unwrap(), fresh_password().unwrap());
        assert_eq!((one.len(), other.len()), (20, 20));
        assert_ne!(one, other);
    }
}
