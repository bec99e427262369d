//! Forgetting old conversations while the desk runs, for administrators and the command line.

use super::call::Call;
use super::route::{Repeat, Route};
use super::serve::Reply;
use crate::clock::Timestamp;
use crate::refusal::Refusal;
use crate::signin::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Forgets conversations closed before a moment, and tells how many. Blocks.
pub type Forget = Box<dyn Fn(Timestamp) -> Result<u64, String> + Send + Sync>;

/// `POST /admin/prune`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PruneBody {
    /// Age from the close on.
    older_than_s: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Pruned {
    /// Conversations that are gone.
    conversations: u64,
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/v1/admin/prune", |call| Box::pin(prune(call)))
            .about("Deletes closed conversations of this age with all their entries, for good.")
            .desk(Role::Admin)
            .repeat(Repeat::Ignored)
            .takes::<PruneBody>()
            .answers::<Pruned>(),
    ]
}

async fn prune(call: Call) -> Result<Reply, Refusal> {
    let body: PruneBody = call.read()?;
    let reopen_s = call.gate.settings.conversation.reopen_h * 3_600;
    // What may still be reopened is not old, and what is under way must not vanish between two of its entries.
    if body.older_than_s < reopen_s.max(1) {
        return Err(Refusal::bad_frame(format!(
            "`older_than_s`: at least {} are needed, as long as conversation.reopen_h lets them be reopened",
            reopen_s.max(1)
        )));
    }
    let now = call.desk().clock.now();
    let closed_before =
        Timestamp::from_millis(now.millis().saturating_sub(body.older_than_s.saturating_mul(1_000)));
    let asker = call.agent()?.id;
    let conversations = call
        .block(move |gate| {
            let none = || Refusal::conflict("this store keeps nothing that could be pruned");
            let forget = gate.office.forget.as_ref().ok_or_else(none)?;
            forget(closed_before).map_err(|reason| {
                tracing::error!(%reason, "old conversations could not be deleted");
                Refusal::unavailable("not all could be deleted; what is gone stays gone, repeat it", 1_000)
            })
        })
        .await?;
    tracing::info!(%asker, %closed_before, conversations, "deleted old conversations");
    Reply::ok(&Pruned { conversations })
}
