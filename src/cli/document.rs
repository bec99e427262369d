//! `rushdesk openapi` and `rushdesk asyncapi`: the documents of the two interfaces, on standard output.

use super::{Failure, answer};
use crate::gateway::rest;
use crate::wire::asyncapi as sockets;

/// Prints the OpenAPI document.
///
/// # Errors
/// The answer cannot be written.
pub fn openapi() -> Result<(), Failure> {
    answer(&format!("{:#}", rest::document()))
}

/// Prints the AsyncAPI document.
///
/// # Errors
/// The answer cannot be written.
pub fn asyncapi() -> Result<(), Failure> {
    answer(&format!("{:#}", sockets::document()))
}
