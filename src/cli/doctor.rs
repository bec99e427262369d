//! `rushdesk doctor`: checks the environment and says what to mend.

use super::{Context, Failure};

/// Checks the environment.
///
/// # Errors
/// The settings are wrong, or something must be mended.
pub fn run(context: &Context) -> Result<(), Failure> {
    context.load_and_log()?;
    Err(Failure::not_in_this_build("doctor"))
}
