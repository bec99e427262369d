//! `rushdesk migrate`: brings the store's schema up to date.

use super::{Context, Failure};

/// Brings the store's schema up to date.
///
/// # Errors
/// The settings are wrong, or the store cannot be migrated.
pub fn run(context: &Context) -> Result<(), Failure> {
    context.load_and_log()?;
    Err(Failure::not_in_this_build("migrate"))
}
