//! `rushdesk openapi` and `rushdesk asyncapi`: the documents of the two interfaces, on standard output.

use super::{Context, Failure};

/// Prints the OpenAPI document.
///
/// # Errors
/// The answer cannot be written.
pub fn openapi(_context: &Context) -> Result<(), Failure> {
    Err(Failure::not_in_this_build("openapi"))
}

/// Prints the AsyncAPI document.
///
/// # Errors
/// The answer cannot be written.
pub fn asyncapi(_context: &Context) -> Result<(), Failure> {
    Err(Failure::not_in_this_build("asyncapi"))
}
