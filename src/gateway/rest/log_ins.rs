//! Who has failed to log in too often. Successes never count.
//!
//! What one address does is that address's own loss: it is refused once it failed too often, at one login or over all.
//! A login that fails often from anywhere is only slowed down, for everybody alike: a refusal would let a stranger lock
//! the desk's people out.

use crate::clock::Timestamp;
use crate::refusal::Refusal;
use crate::settings::Limits;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// Logins and addresses that are counted; beyond it those whose window is over are forgotten, then nobody new counts.
const MOST_COUNTED: usize = 100_000;
/// Each failure beyond the limit of a login makes its attempts wait this much longer, up to the longest wait.
const SLOWER_MS: u64 = 250;
const SLOWEST_MS: u64 = 3_000;
/// Attempts that may be made to wait at once; beyond it nobody waits here, the line before argon2 has a bound of its own.
const MOST_SLOWED: usize = 512;
/// An IPv6 site has at least this many leading bits to itself (RFC 6177), so all its addresses count as one.
const SITE_BITS: u128 = !0 << 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    /// One login from one address. The login by its digest: what strangers send may be long.
    Attempt(u64, IpAddr),
    Address(IpAddr),
    Login(u64),
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
    waiting: AtomicUsize,
    pub(super) refused: AtomicU64,
    pub(super) slowed: AtomicU64,
}

/// Counts one who is made to wait, however the waiting ends.
struct Waiting<'l>(&'l AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl LogIns {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            per_login: limits.login_failures_per_login,
            per_address: limits.login_failures_per_address,
            window_ms: limits.login_failures_window_s.saturating_mul(1_000),
            failures: Mutex::default(),
            waiting: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            slowed: AtomicU64::new(0),
        }
    }

    /// Whether another attempt is taken.
    ///
    /// # Errors
    /// `rate_limited` until the window is over.
    pub(super) fn pass(&self, login: &str, address: IpAddr, now: Timestamp) -> Result<(), Refusal> {
        let address = site(address);
        let asked = [
            (Whose::Attempt(digest(login), address), self.per_login),
            (Whose::Address(address), self.per_address),
        ];
        let failures = self.failures.lock();
        for (whose, most) in asked {
            let Some(failed) = failures.get(&whose).filter(|failed| failed.count >= most) else { continue };
            let left_ms = self.left_ms(failed, now);
            if left_ms > 0 {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(Refusal::rate_limited(
                    "too many log-ins from your address have failed; wait, then try again",
                    left_ms,
                ));
            }
        }
        Ok(())
    }

    /// Returns after the time that an attempt at this login must wait now.
    pub(super) async fn slow_down(&self, login: &str, now: Timestamp) {
        let slower_ms = self.slower_ms(login, now);
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if slower_ms > 0 && before < MOST_SLOWED {
            self.slowed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(slower_ms)).await;
        }
    }

    fn slower_ms(&self, login: &str, now: Timestamp) -> u64 {
        let failures = self.failures.lock();
        let failed = failures.get(&Whose::Login(digest(login)));
        let Some(failed) = failed.filter(|failed| self.left_ms(failed, now) > 0) else { return 0 };
        let beyond = (failed.count + 1).saturating_sub(self.per_login);
        u64::from(beyond).saturating_mul(SLOWER_MS).min(SLOWEST_MS)
    }

    fn left_ms(&self, failed: &Failures, now: Timestamp) -> u64 {
        self.window_ms.saturating_sub(now.since_millis(failed.since))
    }

    pub(super) fn failed(&self, login: &str, address: IpAddr, now: Timestamp) {
        let (login, address) = (digest(login), site(address));
        let mut failures = self.failures.lock();
        if failures.len() >= MOST_COUNTED {
            failures.retain(|_, failed| self.left_ms(failed, now) > 0);
        }
        for whose in [Whose::Address(address), Whose::Attempt(login, address), Whose::Login(login)] {
            if failures.len() >= MOST_COUNTED && !failures.contains_key(&whose) {
                continue;
            }
            let failed = failures.entry(whose).or_insert(Failures { since: now, count: 0 });
            if self.left_ms(failed, now) == 0 {
                *failed = Failures { since: now, count: 0 };
            }
            failed.count = failed.count.saturating_add(1);
        }
    }
}

fn digest(login: &str) -> u64 {
    xxh3_64(login.as_bytes())
}

/// The address by which its owner is counted.
fn site(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & SITE_BITS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_ins() -> LogIns {
        LogIns {
            per_login: 2,
            per_address: 3,
            window_ms: 1_000,
            failures: Mutex::default(),
            waiting: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            slowed: AtomicU64::new(0),
        }
    }

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn failures_make_a_login_wait_at_its_address_and_then_the_address_until_the_window_is_over() {
        let log_ins = log_ins();
        let here = IpAddr::from([127, 0, 0, 1]);
        log_ins.failed("ann", here, at(0));
        assert!(log_ins.pass("ann", here, at(1)).is_ok());
        log_ins.failed("ann", here, at(100));
        let refusal = log_ins.pass("ann", here, at(400)).unwrap_err();
        assert_eq!(refusal.retry_after_ms, Some(600));
        assert!(log_ins.pass("bob", here, at(400)).is_ok(), "the address has failed twice only");
        log_ins.failed("bob", here, at(400));
        assert!(log_ins.pass("cid", here, at(400)).is_err());
        assert!(log_ins.pass("ann", here, at(1_000)).is_ok());
    }

    #[test]
    fn a_strangers_failures_slow_a_login_down_and_lock_nobody_out() {
        let log_ins = log_ins();
        let owner = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(log_ins.slower_ms("admin", at(0)), 0);
        for stranger in 2..=100 {
            log_ins.failed("admin", IpAddr::from([127, 0, 0, stranger]), at(0));
        }
        assert!(log_ins.pass("admin", owner, at(1)).is_ok());
        assert_eq!(log_ins.slower_ms("admin", at(1)), SLOWEST_MS);
        assert_eq!(log_ins.slower_ms("ann", at(1)), 0, "another login is as quick as ever");
        assert_eq!(log_ins.slower_ms("admin", at(1_000)), 0, "the window is over");
    }

    #[test]
    fn a_site_with_many_addresses_counts_as_one() {
        let log_ins = log_ins();
        for address in ["2001:db8::1", "2001:db8::2"] {
            log_ins.failed("ann", address.parse().unwrap(), at(0));
        }
        assert!(log_ins.pass("ann", "2001:db8::3".parse().unwrap(), at(1)).is_err());
        assert!(log_ins.pass("ann", "2001:db8:0:1::3".parse().unwrap(), at(1)).is_ok());
    }
}
