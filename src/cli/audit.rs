//! `rushdesk audit`: checks what the store holds against the desk's invariants.

use super::{Context, Failure};
use crate::ident::ConversationId;
use clap::Args;

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Only this conversation
    #[arg(long, value_name = "ID")]
    pub conversation: Option<ConversationId>,
}

/// Checks what the store holds.
///
/// # Errors
/// The settings are wrong, or an invariant does not hold.
pub fn run(_args: &AuditArgs, context: &Context) -> Result<(), Failure> {
    context.load_and_log()?;
    Err(Failure::not_in_this_build("audit"))
}
