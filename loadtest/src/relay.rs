//! The relay: visitors talk, agents listen; how many messages, how late, and what the server paid for them.
//!
//! Closed loop (a fixed number in flight per visitor) for the most that goes; open loop (`rate`) for latency, from the
//! moment each message was to be said. The warm-up is not counted.

use crate::account::{Account, families_cpu_s};
use crate::arguments::Beside;
use crate::frames::{self, kind, moment_us, text_of};
use crate::guests::{self, House, NotSeated};
use rushdesk::rehearsal::line::{Gone, Line};
use rushdesk::rehearsal::meters::{Spread, Tally, Times};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout, timeout_at};

/// Below the contract's 16 sends in flight per connection.
const MOST_IN_FLIGHT: usize = 15;
const ALL_ASSIGNED_WITHIN: Duration = Duration::from_secs(60);
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(3);

/// What is measured.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) visitors: u64,
    pub(crate) agents: u64,
    pub(crate) message_bytes: usize,
    /// Messages per second over all visitors; `None` for the closed loop.
    pub(crate) rate: Option<f64>,
    /// Of each visitor, in the closed loop.
    pub(crate) in_flight: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measure: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) acked: u64,
    pub(crate) delivered: u64,
    pub(crate) refused: u64,
    pub(crate) lost_connections: u64,
    pub(crate) acked_per_s: f64,
    pub(crate) ack: Spread,
    pub(crate) delivery: Spread,
    /// CPU seconds of the server per million acked messages.
    pub(crate) cpu_s_per_million: Option<f64>,
    pub(crate) cpu_share: Option<f64>,
    /// CPU seconds per million of the processes beside it, by their names.
    pub(crate) beside_cpu_s_per_million: Vec<(String, f64)>,
}

/// Shared by everybody in the room.
#[derive(Debug)]
struct Room {
    started: Instant,
    /// Only what was to be said in between counts; nothing before the talk begins.
    from_us: AtomicU64,
    until_us: AtomicU64,
    assigned: Tally,
    acked: Tally,
    delivered: Tally,
    refused: Tally,
    lost_connections: Tally,
    ack: Times,
    delivery: Times,
}

impl Room {
    fn new() -> Self {
        Self {
            started: Instant::now(),
            from_us: AtomicU64::new(u64::MAX),
            until_us: AtomicU64::new(u64::MAX),
            assigned: Tally::default(),
            acked: Tally::default(),
            delivered: Tally::default(),
            refused: Tally::default(),
            lost_connections: Tally::default(),
            ack: Times::default(),
            delivery: Times::default(),
        }
    }

    fn now_us(&self) -> u64 {
        us(self.started.elapsed())
    }

    fn begin(&self, work: &Work) {
        let from = self.now_us() + us(work.warm_up);
        self.from_us.store(from, Ordering::Relaxed);
        self.until_us.store(from + us(work.measure), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.now_us() >= self.until_us.load(Ordering::Relaxed)
    }

    fn counts(&self, intended_us: u64) -> bool {
        let window = self.from_us.load(Ordering::Relaxed)..self.until_us.load(Ordering::Relaxed);
        window.contains(&intended_us)
    }

    fn since(&self, intended_us: u64) -> Duration {
        Duration::from_micros(self.now_us().saturating_sub(intended_us))
    }
}

/// Seats everybody, lets them talk, and tells.
///
/// # Errors
/// Somebody is not let in, or not everybody is assigned in time.
pub(crate) async fn measure(
    house: &House,
    work: &Work,
    server_pid: Option<u32>,
    beside: &[Beside],
) -> Result<Outcome, NotSeated> {
    let seats = u32::try_from(work.visitors.div_ceil(work.agents.max(1))).unwrap_or(u32::MAX);
    let room = Arc::new(Room::new());
    let mut listeners = JoinSet::new();
    for token in house.agents(work.agents, seats).await? {
        let line = guests::seat_agent(house.agents_at(), &token, "online").await?;
        listeners.spawn(listen(room.clone(), line));
    }
    let mut lines = Vec::new();
    for token in house.visitors(work.visitors).await? {
        let mut line = guests::seat_visitor(house.target(), &token).await?;
        let conversation = guests::open(&mut line).await?;
        lines.push((line, conversation));
    }
    await_assignments(&room, work.visitors).await?;
    room.begin(work);
    let mut talkers = JoinSet::new();
    for (number, (line, conversation)) in (0..).zip(lines) {
        let pace = Pace::of(work, number, room.now_us());
        talkers.spawn(talk(room.clone(), line, conversation, pace, work.message_bytes));
    }
    sleep(work.warm_up).await;
    let (acked, before) = (room.acked.count(), Bill::of(server_pid, beside).await);
    sleep(work.measure).await;
    let (acked, after) = (room.acked.count() - acked, Bill::of(server_pid, beside).await);
    drop(timeout(LAST_ANSWERS_WITHIN * 3, talkers.join_all()).await);
    // What was acked is on its way to the agents.
    sleep(Duration::from_millis(200)).await;
    listeners.shutdown().await;
    Ok(sum_up(&room, work, acked, &before, &after))
}

/// CPU seconds of everybody who works for the relay, at one moment.
struct Bill {
    server_s: Option<f64>,
    beside_s: Vec<(String, f64)>,
}

impl Bill {
    /// Read on another thread: a walk through `/proc` would hold the talk up.
    async fn of(server_pid: Option<u32>, beside: &[Beside]) -> Self {
        let (names, pids): (Vec<String>, Vec<u32>) =
            beside.iter().map(|beside| (beside.name.clone(), beside.pid)).unzip();
        let read = move || {
            let server_s = server_pid.and_then(|pid| Account::of(pid).ok()).map(|account| account.cpu_s);
            let beside_s =
                if pids.is_empty() { Vec::new() } else { families_cpu_s(&pids).unwrap_or_default() };
            Self { server_s, beside_s: names.into_iter().zip(beside_s).collect() }
        };
        let empty = |_panicked| Self { server_s: None, beside_s: Vec::new() };
        tokio::task::spawn_blocking(read).await.unwrap_or_else(empty)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run lie far below 2^53")]
fn sum_up(room: &Room, work: &Work, acked: u64, before: &Bill, after: &Bill) -> Outcome {
    let seconds = work.measure.as_secs_f64();
    let cpu_s = after.server_s.zip(before.server_s).map(|(after, before)| after - before);
    let per_million = |cpu_s: f64| cpu_s * 1e6 / acked.max(1) as f64;
    let beside = after.beside_s.iter().zip(&before.beside_s);
    let beside = beside.map(|((name, after), (_, before))| (name.clone(), per_million(after - before)));
    Outcome {
        acked,
        delivered: room.delivered.count(),
        refused: room.refused.count(),
        lost_connections: room.lost_connections.count(),
        acked_per_s: acked as f64 / seconds,
        ack: room.ack.spread(),
        delivery: room.delivery.spread(),
        cpu_s_per_million: cpu_s.filter(|_| acked > 0).map(per_million),
        cpu_share: cpu_s.map(|cpu_s| cpu_s / seconds),
        beside_cpu_s_per_million: beside.collect(),
    }
}

async fn await_assignments(room: &Room, wanted: u64) -> Result<(), NotSeated> {
    let last = Instant::now() + ALL_ASSIGNED_WITHIN;
    while room.assigned.count() < wanted {
        if Instant::now() >= last {
            let found = room.assigned.count();
            return Err(NotSeated::Refused(format!("only {found} of {wanted} conversations were assigned")));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// An agent who only reads.
async fn listen(room: Arc<Room>, mut line: Line) {
    loop {
        let Ok(frame) = line.hear().await else {
            room.lost_connections.one();
            return;
        };
        match kind(&frame) {
            "assigned" => room.assigned.one(),
            "entry" => {
                if let Some(intended_us) = moment_us(&frame).filter(|us| room.counts(*us)) {
                    room.delivered.one();
                    room.delivery.record(room.since(intended_us));
                }
            }
            _ => {}
        }
    }
}

/// When a visitor speaks.
#[derive(Debug)]
struct Pace {
    /// In the open loop: when the next message is to be said, and how far apart they are.
    next_us: Option<u64>,
    interval_us: u64,
    most_in_flight: usize,
}

impl Pace {
    fn of(work: &Work, number: u64, now_us: u64) -> Self {
        let Some(rate) = work.rate else {
            return Self {
                next_us: None,
                interval_us: 0,
                most_in_flight: work.in_flight.min(MOST_IN_FLIGHT),
            };
        };
        #[expect(clippy::cast_precision_loss, reason = "visitors of one machine")]
        let interval = Duration::try_from_secs_f64(work.visitors as f64 / rate).unwrap_or(Duration::MAX);
        let interval_us = us(interval).max(1);
        // Visitors begin one after the other, so that together they keep the rate and not a drum beat.
        let offset_us = interval_us * number / work.visitors.max(1);
        Self { next_us: Some(now_us + offset_us), interval_us, most_in_flight: MOST_IN_FLIGHT }
    }

    /// The moment at which the next message was to be said, if that has come.
    fn ready(&mut self, now_us: u64, in_flight: usize) -> Option<u64> {
        if in_flight >= self.most_in_flight {
            return None;
        }
        let Some(next_us) = self.next_us else { return Some(now_us) };
        (next_us <= now_us).then(|| {
            self.next_us = Some(next_us + self.interval_us);
            next_us
        })
    }
}

/// A visitor who talks until the measurement is over, waits for the last answers, and leaves no seat taken.
async fn talk(room: Arc<Room>, mut line: Line, conversation: String, mut pace: Pace, bytes: usize) {
    let mut pending = VecDeque::new();
    if converse(&room, &mut line, &conversation, &mut pace, &mut pending, bytes).await.is_err() {
        room.lost_connections.one();
        return;
    }
    let goodbye = format!(r#"{{"type":"close","id":"goodbye","conversation":"{conversation}"}}"#);
    if line.say(goodbye).await.is_ok() {
        // The bare relay does not know the word and hangs up: then there is no seat either.
        drop(timeout(LAST_ANSWERS_WITHIN, guests::await_kind(&mut line, "ack")).await);
    }
}

async fn converse(
    room: &Room,
    line: &mut Line,
    conversation: &str,
    pace: &mut Pace,
    pending: &mut VecDeque<(u64, u64)>,
    bytes: usize,
) -> Result<(), Gone> {
    let mut said = 0;
    let mut last: Option<Instant> = None;
    while last.is_none_or(|last| Instant::now() < last && !pending.is_empty()) {
        if last.is_none() && room.is_over() {
            last = Some(Instant::now() + LAST_ANSWERS_WITHIN);
        }
        while last.is_none()
            && let Some(intended_us) = pace.ready(room.now_us(), pending.len())
        {
            said += 1;
            pending.push_back((said, intended_us));
            line.queue(frames::send(said, conversation, intended_us, bytes)).await?;
        }
        line.flush().await?;
        hear_some(room, line, pending, pace).await?;
    }
    Ok(())
}

/// Waits for an answer or the next message's moment, and takes everything that is there.
async fn hear_some(
    room: &Room,
    line: &mut Line,
    pending: &mut VecDeque<(u64, u64)>,
    pace: &Pace,
) -> Result<(), Gone> {
    let nap_us = room.now_us() + 100_000;
    let due_us = pace.next_us.filter(|_| pending.len() < pace.most_in_flight).unwrap_or(nap_us).min(nap_us);
    let due = room.started + Duration::from_micros(due_us);
    let Ok(first) = timeout_at(due.into(), line.hear()).await else { return Ok(()) };
    answer(room, &first?, pending);
    while let Some(more) = line.hear_ready() {
        answer(room, &more?, pending);
    }
    Ok(())
}

fn answer(room: &Room, frame: &str, pending: &mut VecDeque<(u64, u64)>) {
    let kind = kind(frame);
    if kind != "ack" && kind != "error" {
        return;
    }
    let re: Option<u64> = text_of(frame, r#""re":""#).and_then(|re| re.parse().ok());
    let Some(at) = re.and_then(|re| pending.iter().position(|(id, _)| *id == re)) else { return };
    let Some((_, intended_us)) = pending.remove(at) else { return };
    if kind == "error" {
        room.refused.one();
        return;
    }
    room.acked.one();
    if room.counts(intended_us) {
        room.ack.record(room.since(intended_us));
    }
}

fn us(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(rate: Option<f64>) -> Work {
        Work {
            visitors: 10,
            agents: 2,
            message_bytes: 190,
            rate,
            in_flight: 2,
            warm_up: Duration::ZERO,
            measure: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_open_loop_keeps_its_moments_however_late_it_is() {
        let mut pace = Pace::of(&work(Some(100.0)), 5, 1_000_000);
        assert_eq!(pace.ready(1_049_999, 0), None);
        // 100 ms apart, half an interval in: the fifth of ten visitors.
        assert_eq!(pace.ready(1_500_000, 0), Some(1_050_000));
        assert_eq!(pace.ready(1_500_000, 1), Some(1_150_000));
        assert_eq!(pace.ready(1_500_000, MOST_IN_FLIGHT), None);
    }

    #[test]
    fn the_closed_loop_keeps_its_number_in_flight() {
        let mut pace = Pace::of(&work(None), 0, 0);
        assert_eq!(pace.ready(7, 0), Some(7));
        assert_eq!(pace.ready(8, 1), Some(8));
        assert_eq!(pace.ready(9, 2), None);
    }

    #[tokio::test]
    async fn the_bare_relay_is_measured_to_the_end() {
        let (listener, address) = crate::floor::bind().await.expect("a free port");
        let relay = tokio::spawn(crate::floor::run(listener));
        let target = rushdesk::rehearsal::target::Target::new(address).expect("loopback");
        let work = Work { measure: Duration::from_millis(300), ..work(None) };
        let own = Beside { name: "itself".to_owned(), pid: std::process::id() };
        let outcome = measure(&House::Floor { target }, &work, Some(std::process::id()), &[own]).await;
        let outcome = outcome.expect("a measurement");
        relay.abort();
        assert!(outcome.acked > 0 && outcome.delivered > 0, "{outcome:?}");
        assert_eq!((outcome.refused, outcome.lost_connections), (0, 0), "{outcome:?}");
        assert!(outcome.cpu_share.is_some());
        assert_eq!(outcome.beside_cpu_s_per_million.len(), 1);
    }
}
