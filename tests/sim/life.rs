//! One seed from its beginning to its judgement: a time of faults, a time of healing, and what must hold after it.

use super::auditor::Met;
use super::world::{CALM, VISITORS, World, agent_id, author};
use rushdesk::conversation::event::{Event, View};
use rushdesk::journal::Query;

const FAULTS_MS: u64 = 60_000;
const HEALING_MS: u64 = 60_000;

/// What came of a seed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) found: Vec<String>,
    pub(crate) steps: u64,
    pub(crate) commits: u64,
    pub(crate) acked: u64,
    pub(crate) met: Met,
    /// Which judge spoke first: `auditor`, `liveness` or `history checker`; empty where nothing was found.
    pub(crate) judge: &'static str,
}

pub(crate) fn live(seed: u64) -> Outcome {
    judged(World::new(seed))
}

/// The same life, judged by the history checker alone.
#[cfg(feature = "planted")]
pub(crate) fn live_unaudited(seed: u64) -> Outcome {
    let mut world = World::new(seed);
    world.auditor.silent = true;
    judged(world)
}

fn judged(mut world: World) -> Outcome {
    let mut judge = "auditor";
    let until = world.now().plus_millis(FAULTS_MS);
    world.run(until);
    world.faults = CALM;
    world.healing = true;
    let until = world.now().plus_millis(HEALING_MS);
    world.run(until);
    if world.auditor.found.is_empty() {
        judge = "liveness";
        demand_progress(&mut world);
        demand_rest(&mut world);
    }
    let verdict = world.auditor.verdict();
    if world.auditor.found.is_empty() && !verdict.is_clean() {
        judge = "history checker";
        world.auditor.found.push(verdict.to_string());
    }
    let found = std::mem::take(&mut world.auditor.found);
    let judge = if found.is_empty() { "" } else { judge };
    let (steps, commits, met) = (world.steps, world.auditor.commits, world.auditor.met);
    Outcome { found, steps, commits, acked: verdict.counts.acked, met, judge }
}

/// Everything that was queued has been assigned, and every send has its answer (QU-1).
fn demand_progress(world: &mut World) {
    for state in world.states(Query::Waiting { after: None, limit: 500 }) {
        let told = world.process.as_ref().and_then(|process| process.supervisor.told.get(&state.id).cloned());
        let loads: Vec<_> = (0..3)
            .map(|at| world.process.as_ref().and_then(|it| it.supervisor.engine.load_of(agent_id(at))))
            .collect();
        let why = world.process.as_ref().and_then(|it| it.supervisor.engine.explain(&state.id, world.now()));
        let held: Vec<_> = (0..3)
            .map(|at| world.states(Query::HeldBy(agent_id(at))).iter().map(|s| s.id).collect::<Vec<_>>())
            .collect();
        world.auditor.say(format!(
            "QU-1 {}: still waits ({:?}); told {told:?}; loads {loads:?}; held {held:?}; {why:?}",
            state.id, state.phase
        ));
    }
    for (client, it) in world.clients.iter().enumerate().filter(|(_, it)| !it.outbox.is_empty()) {
        world.auditor.say(format!("QU-1: client {client} has no answer to {:?}", it.outbox));
    }
}

/// Each client has seen a beginning of each log without a gap, and each visitor all of it.
fn demand_rest(world: &mut World) {
    for (client, it) in world.clients.iter().enumerate() {
        let sees = |event: &Event| event.visible_to(it.view);
        for (conversation, place) in &it.places {
            let all = client < VISITORS && it.view == View::Visitor;
            world.auditor.compare_taken(*conversation, sees, &place.taken, all);
            if all {
                world.auditor.rested(&author(client), *conversation, place.have);
            }
        }
    }
}
