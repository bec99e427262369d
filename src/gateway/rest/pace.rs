//! How fast one address or person may ask: a rate with a burst for each.

use crate::refusal::Refusal;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests between two removals of those who have been quiet.
const FORGET_EVERY: u64 = 10_000;

/// Whose pace is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    Address(IpAddr),
    Person(String),
}

/// One limit, kept for each address and person apart.
pub(super) struct Pace {
    limiter: DefaultKeyedRateLimiter<Whose>,
    asked: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Pace {
    pub(super) fn new(per_s: u32, burst: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_s)).allow_burst(at_least_one(burst));
        Self { limiter: RateLimiter::keyed(quota), asked: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// # Errors
    /// `rate_limited`, with the time to wait.
    pub(super) fn pass(&self, whose: &Whose, what: &'static str) -> Result<(), Refusal> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(whose).map_err(|until| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let wait = until.wait_time_from(self.limiter.clock().now());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            Refusal::rate_limited(what, wait_ms.saturating_add(1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;

    #[test]
    fn a_burst_passes_then_one_waits_and_others_do_not() {
        let pace = Pace::new(1, 2);
        let one = Whose::Person("v:1".to_owned());
        assert!(pace.pass(&one, "slow down").is_ok());
        assert!(pace.pass(&one, "slow down").is_ok());
        let refusal = pace.pass(&one, "slow down").unwrap_err();
        assert_eq!(refusal.code, Code::RateLimited);
        assert!(refusal.retry_after_ms.is_some_and(|wait_ms| (1..=1_001).contains(&wait_ms)));
        assert!(pace.pass(&Whose::Person("v:2".to_owned()), "slow down").is_ok());
    }
}
