//! `rushdesk migrate`: brings the store's schema up to date.

use super::office::{file, make_folder};
use super::{Context, Failure, answer, answer_json};
use crate::store::sqlite::SqliteStore;
use serde_json::json;

/// Brings the store's schema up to date.
///
/// # Errors
/// The settings are wrong, or the store cannot be migrated.
pub fn run(context: &Context) -> Result<(), Failure> {
    let settings = context.load_and_log()?.settings;
    let path = file(&settings)?;
    make_folder(path)?;
    SqliteStore::open(path).map_err(|error| Failure::Failed(error.to_string()))?;
    let file = path.display().to_string();
    if context.json() {
        answer_json(&json!({ "file": file, "up_to_date": true }))
    } else {
        answer(&format!("the schema of {file} is up to date"))
    }
}
