//! `rushdesk migrate`: brings the store's schema up to date.

use super::place::Place;
use super::{Context, Failure, answer, answer_json};
use serde_json::json;

/// Brings the store's schema up to date.
///
/// # Errors
/// The settings are wrong, or the store cannot be migrated.
pub fn run(context: &Context) -> Result<(), Failure> {
    let settings = context.load_and_log()?.settings;
    let place = Place::of(&settings.store.url)?;
    place.open()?;
    let named = match place {
        Place::File(_) => "file",
        Place::Database(_) => "database",
    };
    if context.json() {
        answer_json(&json!({ named: place.to_string(), "up_to_date": true }))
    } else {
        answer(&format!("the schema of {place} is up to date"))
    }
}
