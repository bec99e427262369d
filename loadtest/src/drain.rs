//! The backlog: conversations wait while nobody is online, then agents come; and after that, a steady stream.
//!
//! Agents close at once what they are given, so that seats are never what is measured, only the way from the queue to
//! an agent's socket and back.

use crate::account::Account;
use crate::frames::{kind, text_of};
use crate::guests::{self, House, NotSeated};
use rushdesk::ident::ConversationId;
use rushdesk::rehearsal::line::Line;
use rushdesk::rehearsal::meters::{Spread, Tally};
use rushdesk::rehearsal::stage::{Record, Stage};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

const DRAINED_WITHIN: Duration = Duration::from_secs(120);
/// Openings asked of one visitor and not yet on the wire.
const OPENINGS: usize = 4;

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Work {
    /// Visitors, so conversations in the backlog.
    pub(crate) waiting: u64,
    pub(crate) agents: u64,
    pub(crate) capacity: u32,
    /// The steady stream afterwards, in openings per second; 0 for none.
    pub(crate) rate: f64,
    pub(crate) stream: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) waiting: u64,
    pub(crate) drained: u64,
    pub(crate) drain_s: f64,
    pub(crate) assignments_per_s: f64,
    pub(crate) cpu_ms_per_assignment: Option<f64>,
    pub(crate) streamed: u64,
    pub(crate) refused: u64,
    /// Of the stream: from the moment a visitor was to open to `assigned` on the agent's socket.
    pub(crate) assignment: Spread,
}

#[derive(Debug)]
struct Hall {
    stage: Stage,
    assigned: Tally,
    refused: Tally,
    online: watch::Sender<bool>,
}

/// # Errors
/// Somebody is not let in.
pub(crate) async fn measure(
    house: &House,
    work: Work,
    server_pid: Option<u32>,
) -> Result<Outcome, NotSeated> {
    let hall = Arc::new(Hall {
        stage: Stage::new(house.target(), Record::not_kept()),
        assigned: Tally::default(),
        refused: Tally::default(),
        online: watch::Sender::new(false),
    });
    let mut people = JoinSet::new();
    for token in house.agents(work.agents, work.capacity).await? {
        let line = guests::seat_agent(house.target(), &token, "offline").await?;
        people.spawn(take_and_close(hall.clone(), line));
    }
    let mut doors = Vec::new();
    for token in house.visitors(work.waiting).await? {
        let mut line = guests::seat_visitor(house.target(), &token).await?;
        guests::open(&mut line).await?;
        let (open, asked) = mpsc::channel(OPENINGS);
        doors.push(open);
        people.spawn(come_again(hall.clone(), line, asked));
    }
    let before = server_pid.and_then(|pid| Account::of(pid).ok());
    let began = Instant::now();
    hall.online.send_replace(true);
    while hall.assigned.count() < work.waiting && began.elapsed() < DRAINED_WITHIN {
        sleep(Duration::from_millis(1)).await;
    }
    let drain_s = began.elapsed().as_secs_f64();
    let drained = hall.assigned.count();
    let after = server_pid.and_then(|pid| Account::of(pid).ok());
    // The last closings are still under way, and each visitor can open again only after theirs.
    sleep(Duration::from_millis(500)).await;
    let streamed = stream(&hall, work, &doors).await;
    people.shutdown().await;
    #[expect(clippy::cast_precision_loss, reason = "counts of one run lie far below 2^53")]
    let per = |count: u64| count as f64;
    let cpu_s = before.zip(after).map(|(before, after)| after.cpu_s - before.cpu_s);
    Ok(Outcome {
        waiting: work.waiting,
        drained,
        drain_s,
        assignments_per_s: per(drained) / drain_s,
        cpu_ms_per_assignment: cpu_s.filter(|_| drained > 0).map(|cpu_s| cpu_s * 1_000.0 / per(drained)),
        streamed,
        refused: hall.refused.count(),
        assignment: hall.stage.meters.assignment.spread(),
    })
}

/// Openings at the rate, by each visitor in turn; how many were asked for.
async fn stream(hall: &Hall, work: Work, doors: &[mpsc::Sender<u64>]) -> u64 {
    let Ok(interval) = Duration::try_from_secs_f64(1.0 / work.rate) else { return 0 };
    let mut asked = 0;
    let began_us = hall.stage.now_us();
    let end = Instant::now() + work.stream;
    let interval_us = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX).max(1);
    for door in doors.iter().cycle() {
        let intended_us = began_us + interval_us * asked;
        let due = hall.stage.at(intended_us);
        if due >= end {
            break;
        }
        sleep_until(due.into()).await;
        if door.send(intended_us).await.is_err() {
            break;
        }
        asked += 1;
    }
    sleep(Duration::from_secs(1)).await;
    asked
}

/// An agent who comes online when told, and closes what is assigned.
async fn take_and_close(hall: Arc<Hall>, mut line: Line) -> Result<(), NotSeated> {
    let mut online = hall.online.subscribe();
    let mut is_online = false;
    let mut closings = 0_u64;
    loop {
        let frame = tokio::select! {
            frame = line.hear() => frame?,
            _ = online.changed(), if !is_online => {
                is_online = true;
                line.say(r#"{"type":"presence","id":"online","status":"online"}"#.to_owned()).await?;
                continue;
            }
        };
        match kind(&frame) {
            "assigned" => {
                let Some(conversation) = text_of(&frame, r#""conversation":""#) else { continue };
                hall.assigned.one();
                if let Ok(id) = conversation.parse::<ConversationId>() {
                    hall.stage.assigned(id);
                }
                closings += 1;
                line.say(format!(r#"{{"type":"close","id":"c{closings}","conversation":"{conversation}"}}"#))
                    .await?;
            }
            "error" => hall.refused.one(),
            _ => {}
        }
    }
}

/// A visitor who opens whenever told; the number is the intended moment.
async fn come_again(
    hall: Arc<Hall>,
    mut line: Line,
    mut asked: mpsc::Receiver<u64>,
) -> Result<(), NotSeated> {
    let mut intended = VecDeque::new();
    loop {
        let frame = tokio::select! {
            frame = line.hear() => frame?,
            Some(us) = asked.recv() => {
                intended.push_back(us);
                line.say(format!(r#"{{"type":"open","id":"again-{us}"}}"#)).await?;
                continue;
            }
        };
        match kind(&frame) {
            "opened" => {
                let id = text_of(&frame, r#""conversation":""#).and_then(|id| id.parse().ok());
                if let Some((conversation, us)) = id.zip(intended.pop_front()) {
                    hall.stage.opened(conversation, us);
                }
            }
            "error" => {
                intended.pop_front();
                hall.refused.one();
            }
            _ => {}
        }
    }
}
