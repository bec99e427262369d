//! Texts of flags and environment variables, read by what their key may hold; and values, written as TOML.
//!
//! The key decides, not the look of the text: a password of digits stays a text.

use super::allowed::{Allowed, KEYS};
use figment::value::Value;
use serde::Deserialize;

/// Opens every environment variable that is a setting.
pub(super) const ENVIRONMENT_PREFIX: &str = "RUSHDESK__";

/// `server.listen` as an environment variable.
pub(super) fn variable(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// The key that an environment variable spells; `None` where the variable is no setting.
pub(super) fn key_of_variable(variable: &str) -> Option<String> {
    variable.strip_prefix(ENVIRONMENT_PREFIX).map(|rest| rest.replace("__", ".").to_lowercase())
}

/// The key that a variable was meant to spell which has single underscores where two belong. Other names that begin so
/// are left alone: a cluster sets some for each of its services (RUSHDESK_SERVICE_HOST).
pub(super) fn key_misspelled_by(variable: &str) -> Option<&'static str> {
    let rest = variable.strip_prefix("RUSHDESK_").filter(|rest| !rest.starts_with('_'))?;
    let plain = rest.replace("__", "_").to_lowercase();
    KEYS.iter().map(|(key, _)| *key).find(|key| key.replace('.', "_") == plain)
}

/// Reads `text` as a value of a key that holds `allowed`.
///
/// # Errors
/// A sentence that says how such a value is spelled.
pub(super) fn read(allowed: Allowed, text: &str) -> Result<Value, String> {
    match allowed {
        Allowed::Text(_) | Allowed::Secret(_) => Ok(Value::from(text)),
        Allowed::Whole { min, max } => match text.trim().parse::<i64>() {
            Ok(number) => Ok(Value::from(number)),
            Err(_) => Err(format!("is `{text}`; a whole number from {min} to {max} is allowed")),
        },
        Allowed::Flag => match text.trim().parse::<bool>() {
            Ok(flag) => Ok(Value::from(flag)),
            Err(_) => Err(format!("is `{text}`; write true or false")),
        },
        Allowed::Texts(_) if !text.trim_start().starts_with('[') => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::from(items.map(Value::from).collect::<Vec<_>>()))
        }
        Allowed::Texts(_) => {
            read_toml(text, "write texts with commas between them, or a list as [\"a\", \"b\"]")
        }
        Allowed::Rising { count, .. } => read_toml(
            text,
            &format!("write {} rising whole numbers, as {}", in_words(count), rising_example(count)),
        ),
        Allowed::Rules => read_toml(
            text,
            "write a list, as [{ id = \"vip\", when = { tier = \"vip\" }, head_start_s = 300 }]",
        ),
    }
}

/// How many numbers a list holds, as a sentence says it.
pub(super) fn in_words(count: usize) -> String {
    match count {
        3 => "three".to_owned(),
        4 => "four".to_owned(),
        other => other.to_string(),
    }
}

/// A list of so many rising numbers, as one may be written.
pub(super) fn rising_example(count: usize) -> String {
    let numbers: Vec<String> = (1..=count).map(|nth| (nth * 20).to_string()).collect();
    format!("[{}]", numbers.join(", "))
}

fn read_toml(text: &str, rule: &str) -> Result<Value, String> {
    #[derive(Deserialize)]
    struct Holder {
        value: Value,
    }
    toml::from_str::<Holder>(&format!("value = {text}"))
        .map(|holder| holder.value)
        .map_err(|error| format!("cannot be read ({}); {rule}", error.message()))
}

/// A value as it stands in a TOML file, on one line.
pub(super) fn shown(value: &Value) -> String {
    match toml::Value::try_from(value) {
        Ok(value) => value.to_string(),
        Err(_) => format!("{value:?}"),
    }
}
