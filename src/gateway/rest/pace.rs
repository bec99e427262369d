//! How fast one address or person may ask: a rate with a burst for each, on this node at once and over all nodes as soon as
//! they have heard of each other (`cluster::quotas`).

use crate::clock::Timestamp;
use crate::cluster::quotas::{Charge, Quotas, Rule, Standing};
use crate::cluster::spending::Spending;
use crate::refusal::Refusal;
use dashmap::DashMap;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Requests between two removals of those who have been quiet.
const FORGET_EVERY: u64 = 10_000;

/// Whose pace is counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    Address(IpAddr),
    Person(String),
}

impl Whose {
    fn name(&self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Person(key) => key.clone(),
        }
    }
}

/// What all nodes together let through.
struct Overall {
    what: &'static str,
    per_s: u32,
    burst: u32,
    quotas: Arc<dyn Quotas>,
    spendings: Arc<DashMap<Whose, Spending>>,
}

impl Overall {
    /// # Errors
    /// The milliseconds to wait.
    fn pass(&self, whose: &Whose, now: Timestamp) -> Result<(), u64> {
        let mut spending = self.spendings.entry(whose.clone()).or_default();
        let shut_ms = spending.shut_for_ms(now);
        if shut_ms > 0 {
            return Err(shut_ms);
        }
        let Some(amount) = spending.take(self.burst) else { return Ok(()) };
        drop(spending);
        let (spendings, told_of) = (self.spendings.clone(), whose.clone());
        let told = move |standing: Standing| {
            if standing.wait_ms > 0 {
                spendings.entry(told_of).or_default().shut(now, standing.wait_ms);
            }
        };
        let rule = Rule::Rate { per_s: self.per_s, burst: self.burst };
        self.quotas.charge(Charge { what: self.what, whose: whose.name(), rule, amount }, Box::new(told));
        Ok(())
    }

    fn forget_the_quiet(&self, now: Timestamp) {
        self.spendings.retain(|_, spending| spending.shut_for_ms(now) > 0);
    }
}

/// One limit, kept for each address and person apart.
pub(super) struct Pace {
    limiter: DefaultKeyedRateLimiter<Whose>,
    overall: Option<Overall>,
    asked: AtomicU64,
    pub(super) refused: AtomicU64,
}

impl Pace {
    pub(super) fn new(per_s: u32, burst: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_s)).allow_burst(at_least_one(burst));
        Self {
            limiter: RateLimiter::keyed(quota),
            overall: None,
            asked: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// One that all nodes keep together under the name `what`, where there is a way to the others.
    pub(super) fn over_all_nodes(
        what: &'static str,
        per_s: u32,
        burst: u32,
        quotas: Option<Arc<dyn Quotas>>,
    ) -> Self {
        let spendings = Arc::default();
        let overall = quotas.map(|quotas| Overall { what, per_s, burst, quotas, spendings });
        Self { overall, ..Self::new(per_s, burst) }
    }

    /// # Errors
    /// `rate_limited`, with the time to wait.
    pub(super) fn pass(&self, whose: &Whose, what: &'static str, now: Timestamp) -> Result<(), Refusal> {
        if self.asked.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.limiter.retain_recent();
            self.overall.iter().for_each(|overall| overall.forget_the_quiet(now));
        }
        self.limiter.check_key(whose).map_err(|until| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let wait = until.wait_time_from(self.limiter.clock().now());
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            Refusal::rate_limited(what, wait_ms.saturating_add(1))
        })?;
        let Some(overall) = &self.overall else { return Ok(()) };
        overall.pass(whose, now).map_err(|wait_ms| {
            self.refused.fetch_add(1, Ordering::Relaxed);
            Refusal::rate_limited(what, wait_ms)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;

    #[test]
    fn a_burst_passes_then_one_waits_and_others_do_not() {
        let (pace, now) = (Pace::new(1, 2), Timestamp::from_millis(1));
        let one = Whose::Person("v:1".to_owned());
        assert!(pace.pass(&one, "slow down", now).is_ok());
        assert!(pace.pass(&one, "slow down", now).is_ok());
        let refusal = pace.pass(&one, "slow down", now).unwrap_err();
        assert_eq!(refusal.code, Code::RateLimited);
        assert!(refusal.retry_after_ms.is_some_and(|wait_ms| (1..=1_001).contains(&wait_ms)));
        assert!(pace.pass(&Whose::Person("v:2".to_owned()), "slow down", now).is_ok());
    }

    /// Says of every amount that nothing more may be taken for 500 ms.
    struct Strict;

    impl Quotas for Strict {
        fn charge(&self, charge: Charge, told: crate::cluster::quotas::Told) {
            assert_eq!((charge.what, &*charge.whose, charge.amount), ("sign_ups", "127.0.0.1", 1));
            told(Standing { count: 0, wait_ms: 500 });
        }
    }

    #[test]
    fn what_all_nodes_know_shuts_the_door_that_this_one_would_leave_open() {
        let pace = Pace::over_all_nodes("sign_ups", 5, 5, Some(Arc::new(Strict)));
        let (here, now) = (Whose::Address(IpAddr::from([127, 0, 0, 1])), Timestamp::from_millis(1_000));
        assert!(pace.pass(&here, "slow down", now).is_ok());
        let refusal = pace.pass(&here, "slow down", now.plus_millis(100)).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after_ms), (Code::RateLimited, Some(400)));
        assert!(pace.pass(&here, "slow down", now.plus_millis(500)).is_ok());
        assert_eq!(pace.refused.load(Ordering::Relaxed), 1);
    }
}
