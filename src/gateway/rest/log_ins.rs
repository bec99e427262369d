//! Who has failed to log in too often: failures are counted for each login and each address, successes never.

use crate::clock::Timestamp;
use crate::refusal::Refusal;
use crate::settings::Limits;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

/// Logins and addresses that are counted; beyond it those whose window is over are forgotten, then nobody new counts.
const MOST_COUNTED: usize = 100_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    Login(String),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Timestamp,
    count: u32,
}

/// Failed log-ins of the running windows.
pub(super) struct LogIns {
    per_login: u32,
    per_address: u32,
    window_ms: u64,
    failures: Mutex<HashMap<Whose, Failures>>,
    pub(super) refused: AtomicU64,
}

impl LogIns {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            per_login: limits.login_failures_per_login,
            per_address: limits.login_failures_per_address,
            window_ms: limits.login_failures_window_s.saturating_mul(1_000),
            failures: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Whether another attempt is taken.
    ///
    /// # Errors
    /// `rate_limited` until the window is over.
    pub(super) fn pass(&self, login: &str, address: IpAddr, now: Timestamp) -> Result<(), Refusal> {
        let failures = self.failures.lock();
        let asked =
            [(Whose::Login(login.to_owned()), self.per_login), (Whose::Address(address), self.per_address)];
        for (whose, most) in asked {
            let Some(failed) = failures.get(&whose).filter(|failed| failed.count >= most) else { continue };
            let left_ms = self.window_ms.saturating_sub(now.since_millis(failed.since));
            if left_ms > 0 {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(Refusal::rate_limited(
                    "too many log-ins have failed; wait, then try again",
                    left_ms,
                ));
            }
        }
        Ok(())
    }

    pub(super) fn failed(&self, login: &str, address: IpAddr, now: Timestamp) {
        let mut failures = self.failures.lock();
        let over = |failed: &Failures| now.since_millis(failed.since) >= self.window_ms;
        if failures.len() >= MOST_COUNTED {
            failures.retain(|_, failed| !over(failed));
        }
        for whose in [Whose::Address(address), Whose::Login(login.to_owned())] {
            if failures.len() >= MOST_COUNTED && !failures.contains_key(&whose) {
                continue;
            }
            let failed = failures.entry(whose).or_insert(Failures { since: now, count: 0 });
            if over(failed) {
                *failed = Failures { since: now, count: 0 };
            }
            failed.count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_make_a_login_wait_and_then_an_address_until_the_window_is_over() {
        let log_ins = LogIns {
            per_login: 2,
            per_address: 3,
            window_ms: 1_000,
            failures: Mutex::default(),
            refused: AtomicU64::new(0),
        };
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let at = Timestamp::from_millis;
        log_ins.failed("ann", here, at(0));
        assert!(log_ins.pass("ann", here, at(1)).is_ok());
        log_ins.failed("ann", here, at(100));
        let refusal = log_ins.pass("ann", there, at(400)).unwrap_err();
        assert_eq!(refusal.retry_after_ms, Some(600));
        assert!(log_ins.pass("bob", here, at(400)).is_ok(), "the address has failed twice only");
        log_ins.failed("bob", here, at(400));
        assert!(log_ins.pass("cid", here, at(400)).is_err());
        assert!(log_ins.pass("ann", here, at(1_000)).is_ok());
    }
}
