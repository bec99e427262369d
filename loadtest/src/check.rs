//! Mixed traffic and the verdict: shoppers who lose connections, agents who answer, and the history checker over all.

use rushdesk::rehearsal::history::{Limits, Verdict};
use rushdesk::rehearsal::http::HttpError;
use rushdesk::rehearsal::judge::{Judge, NoVerdict};
use rushdesk::rehearsal::meters::Meters;
use rushdesk::rehearsal::plan::{Errand, Plan, SignIn};
use rushdesk::rehearsal::setup::{Administrator, Staff};
use rushdesk::rehearsal::stage::Stage;
use rushdesk::rehearsal::target::Target;
use rushdesk::rehearsal::traffic::Traffic;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::interval;

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error("the desk could not be set up: {0}")]
    Setup(#[from] HttpError),
    #[error(transparent)]
    NoVerdict(#[from] NoVerdict),
}

/// Who plays.
#[derive(Debug, Clone)]
pub(crate) struct Cast {
    pub(crate) agents: u64,
    pub(crate) capacity: u32,
    pub(crate) plan: Plan,
}

/// Plays the plan and judges it; `each_second` is told the meters while it runs.
///
/// # Errors
/// The desk cannot be set up, or a log cannot be read back.
pub(crate) async fn play(
    target: Target,
    admin: &SignIn,
    cast: Cast,
    mut each_second: impl FnMut(&Meters),
) -> Result<(Arc<Stage>, Verdict), Failed> {
    let (judge, record) = Judge::start(Limits::default());
    let mut administrator = Administrator::sign_in(target, &admin.login, &admin.password).await?;
    // Names of its own for each seed: the judge must know every agent's seats from the beginning.
    let name = format!("check{}-", cast.plan.seed);
    let staff = Staff { count: cast.agents, name: &name, groups: &["general"], capacity: cast.capacity };
    let agents = administrator.hire(&staff, &record).await?;
    let plan = Plan { agents, ..cast.plan };
    let traffic = Traffic::start(plan, target, record);
    let mut tick = interval(Duration::from_secs(1));
    while !traffic.is_over() {
        tokio::select! {
            _ = tick.tick() => each_second(&traffic.stage().meters),
            _ = tokio::signal::ctrl_c() => traffic.close(),
        }
    }
    let stage = traffic.over().await;
    let verdict = judge.verdict(target, administrator.token()).await?;
    Ok((stage, verdict))
}

/// The errand of plain traffic: one kind of visitor, a few lines.
pub(crate) fn plain_errand() -> Errand {
    let lines =
        ["where is my parcel?", "it should have come on monday", "怎么还不发货", "can you look it up?"];
    let replies =
        ["let me look", "it left the warehouse this morning", "您好，正在为您查询", "anything else?"];
    Errand {
        weight: 1,
        group: None,
        intent: None,
        subject: Some("parcel".into()),
        lines: lines.map(Into::into).to_vec(),
        replies: replies.map(Into::into).to_vec(),
    }
}
