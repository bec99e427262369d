//! The play: agents come first, visitors arrive as the plan says, and at the end everybody comes to rest.
//!
//! Bounded by the plan: so many visitors in all and at one time. It ends by itself, or by `close`.

use super::clerk;
use super::plan::Plan;
use super::shopper::{self, Visit};
use super::stage::{Act, Record, Stage};
use super::target::Target;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};

/// Traffic that runs in the background of the present tokio runtime.
#[derive(Debug)]
pub struct Traffic {
    stage: Arc<Stage>,
    director: JoinHandle<()>,
}

impl Traffic {
    /// Begins to play `plan` against `target`, writing down into `record` what shall be judged.
    pub fn start(plan: Plan, target: Target, record: Record) -> Self {
        let stage = Arc::new(Stage::new(target, record));
        let director = tokio::spawn(direct(stage.clone(), Arc::new(plan)));
        Self { stage, director }
    }

    /// Live counters, the clock and the act.
    pub const fn stage(&self) -> &Arc<Stage> {
        &self.stage
    }

    /// Lets the play come to its end: nobody new comes, conversations are closed.
    pub fn close(&self) {
        self.stage.go_to(Act::Closing);
    }

    pub fn is_over(&self) -> bool {
        self.director.is_finished()
    }

    /// Waits until everybody has left, and hands the stage back for its meters. All notes have then been written.
    pub async fn over(self) -> Arc<Stage> {
        drop(self.director.await);
        self.stage
    }
}

async fn direct(stage: Arc<Stage>, plan: Arc<Plan>) {
    let mut agents = JoinSet::new();
    for (number, sign_in) in (1..).zip(&plan.agents) {
        agents.spawn(clerk::serve(stage.clone(), plan.clone(), number, sign_in.clone()));
    }
    let visitors = admit(&stage, &plan).await;
    stage.go_to(Act::Closing);
    visitors.join_all().await;
    stage.go_to(Act::Resting);
    agents.join_all().await;
}

/// Lets visitors in as they come.
async fn admit(stage: &Arc<Stage>, plan: &Arc<Plan>) -> JoinSet<()> {
    let mut visitors = JoinSet::new();
    for (number, at_ms) in (1..).zip(plan.arrivals()) {
        let at_us = at_ms * 1_000;
        tokio::select! {
            () = tokio::time::sleep_until(stage.at(at_us).into()) => {}
            () = stage.reached(Act::Closing) => break,
        }
        while visitors.try_join_next().is_some() {}
        stage.meters.came.one();
        if visitors.len() >= plan.present {
            stage.meters.sent_away.one();
            continue;
        }
        visitors.spawn(host(stage.clone(), plan.clone(), number, at_us));
    }
    if stage.act() == Act::Playing {
        see_out(stage, plan, &mut visitors).await;
    }
    visitors
}

/// The last visitors play their scripts to the end, if they do so within the patience that anybody has.
async fn see_out(stage: &Stage, plan: &Plan, visitors: &mut JoinSet<()>) {
    let longest = Duration::from_secs(plan.patience_s.saturating_mul(2).saturating_add(30));
    let all_out = async { while visitors.join_next().await.is_some() {} };
    tokio::select! {
        () = all_out => {}
        () = tokio::time::sleep(longest) => {}
        () = stage.reached(Act::Closing) => {}
    }
}

async fn host(stage: Arc<Stage>, plan: Arc<Plan>, number: u64, came_us: u64) {
    stage.meters.present.one();
    let visit = shopper::visit(stage.clone(), plan, number, came_us).await;
    stage.meters.present.drop_one();
    match visit {
        Visit::Served => stage.meters.served.one(),
        Visit::GaveUp => stage.meters.gave_up.one(),
        Visit::NotLetIn => stage.meters.sent_away.one(),
    }
}
