//! `rushdesk audit`: checks what the store holds against the desk's invariants.

use super::place::Place;
use super::{Context, Failure, answer, answer_json};
use crate::ident::ConversationId;
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Only this conversation
    #[arg(long, value_name = "ID")]
    pub conversation: Option<ConversationId>,
}

/// Checks what the store holds; the desk may run meanwhile.
///
/// # Errors
/// The settings are wrong, the store cannot be read, or an invariant does not hold.
pub fn run(args: &AuditArgs, context: &Context) -> Result<(), Failure> {
    let settings = context.load_and_log()?.settings;
    let audit = Place::existing(&settings)?.audit(args.conversation)?;
    if context.json() {
        answer_json(&json!({
            "conversations": audit.conversations,
            "entries": audit.entries,
            "findings": audit.findings,
        }))?;
    } else {
        for finding in &audit.findings {
            answer(finding)?;
        }
        answer(&format!(
            "{} conversations, {} entries, {} findings",
            audit.conversations,
            audit.entries,
            audit.findings.len()
        ))?;
    }
    if audit.findings.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed("the store breaks its own rules; keep a copy of it for examination".to_owned()))
}
