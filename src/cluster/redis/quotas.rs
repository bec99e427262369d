//! Limits over all nodes: amounts on their way to Redis, and what it says of them.
//!
//! A script adds each amount and tells what holds, so that nodes that ask at once are counted one after the other. Each
//! name is one key with a hash tag of its own, so that a Redis Cluster may keep them anywhere. Amounts go as they stand,
//! what gathered during the last round trip together, on the connection that publishes. Keys end by themselves.
//!
//! Refuses to wait for long, to repeat, and to end the bus: who is not answered goes on by the node's own limits.

use super::Shared;
use super::link::Link;
use super::meters::{BusMeters, add};
use crate::cluster::quotas::{Charge, Rule, Standing, Told};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_128;

/// Amounts that may wait; further ones are not told.
const MOST_WAITING: usize = 4_096;
/// Amounts of one round trip: Redis does nothing else meanwhile (some microseconds each).
const ROUND: usize = 128;
/// An answer that takes longer helps nobody.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Rates are kept as the moment at which the bucket is full again (GCRA), in microseconds of Redis's own clock. What was let
/// through beyond the limit before nodes heard of it is a debt; it is forgiven above one further burst.
pub(super) const SCRIPT: &str = r"
local amount = tonumber(ARGV[2])
if ARGV[1] == 'window' then
  local count
  if amount > 0 then count = redis.call('INCRBY', KEYS[1], amount) else count = tonumber(redis.call('GET', KEYS[1]) or '0') end
  if count == 0 then return {0, 0} end
  local left = redis.call('PTTL', KEYS[1])
  if left < 0 then
    left = tonumber(ARGV[3])
    redis.call('PEXPIRE', KEYS[1], left)
  end
  return {count, left}
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local each = 1000000 / tonumber(ARGV[3])
local room = each * tonumber(ARGV[4])
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
full = math.min(full + amount * each, now + 2 * room)
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 1)
return {0, math.max(0, math.ceil((full - now - room) / 1000))}
";

/// One run of the script: its key and its arguments.
pub(super) struct Call {
    pub(super) key: String,
    pub(super) arguments: [String; 4],
}

impl Call {
    fn of(prefix: &str, charge: &Charge) -> Self {
        let Charge { what, whose, rule, amount } = charge;
        let (kind, first, second) = match rule {
            Rule::Rate { per_s, burst } => ("rate", u64::from((*per_s).max(1)), *burst),
            Rule::Window { window_ms } => ("window", (*window_ms).max(1), 0),
        };
        let key = format!("{prefix}:{{limit:{what}:{:032x}}}", xxh3_128(whose.as_bytes()));
        Self { key, arguments: [kind.to_owned(), amount.to_string(), first.to_string(), second.to_string()] }
    }
}

struct Waiting {
    charge: Charge,
    told: Told,
}

/// The amounts that wait.
#[derive(Default)]
pub(super) struct Charges {
    waiting: Mutex<VecDeque<Waiting>>,
    ready: Notify,
}

impl Charges {
    /// Queues an amount, or counts it as untold where too many wait.
    pub(super) fn push(&self, charge: Charge, told: Told, meters: &BusMeters) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MOST_WAITING {
            drop(waiting);
            add(&meters.amounts_untold, 1);
            return;
        }
        waiting.push_back(Waiting { charge, told });
        drop(waiting);
        self.ready.notify_one();
    }

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(ROUND);
        let taken = waiting.drain(..count).collect();
        if !waiting.is_empty() {
            self.ready.notify_one();
        }
        taken
    }

    /// Nobody can be asked any more.
    pub(super) fn let_go(&self, meters: &BusMeters) {
        let left = std::mem::take(&mut *self.waiting.lock());
        add(&meters.amounts_untold, left.len());
    }
}

/// Tells what waits, round after round, for as long as the link lives.
pub(super) async fn settle(shared: &Shared, link: &Link) -> Infallible {
    let mut is_answered = true;
    loop {
        shared.charges.ready.notified().await;
        let taken = shared.charges.take();
        if taken.is_empty() {
            continue;
        }
        let calls: Vec<Call> = taken.iter().map(|one| Call::of(&shared.prefix, &one.charge)).collect();
        let answered = match timeout(ANSWER_WITHIN, link.count(&shared.address, &calls)).await {
            Ok(answered) => answered,
            Err(_elapsed) => Err(format!("{} is slow", shared.address)),
        };
        match answered {
            Ok(standings) => {
                is_answered = true;
                add(&shared.meters.amounts_told, taken.len());
                for (one, (count, wait_ms)) in taken.into_iter().zip(standings) {
                    (one.told)(Standing { count, wait_ms });
                }
            }
            Err(reason) => {
                add(&shared.meters.amounts_untold, taken.len());
                if std::mem::take(&mut is_answered) {
                    tracing::warn!(reason, "limits over all nodes cannot be asked for: each node's own hold");
                }
            }
        }
    }
}
