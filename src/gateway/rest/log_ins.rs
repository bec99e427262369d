//! Who has failed to log in too often. Successes never count.
//!
//! What one address does is that address's own loss: it is refused once it failed too often, at one login or over all.
//! A login that fails often from anywhere is only slowed down, for everybody alike: a refusal would let a stranger lock
//! the desk's people out.
//!
//! Failures are counted over all nodes where there is a way to the others (`cluster::quotas`): each is told, and before an
//! attempt the others' count is asked for, since checking a password takes longer than that. No answer: what is known here.

use crate::clock::Timestamp;
use crate::cluster::quotas::{Charge, Quotas, Rule, Standing};
use crate::refusal::Refusal;
use crate::settings::Limits;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;
use xxhash_rust::xxh3::xxh3_64;

/// Logins and addresses that are counted; beyond it those whose window is over are forgotten, then nobody new counts.
const MOST_COUNTED: usize = 100_000;
/// Each failure beyond the limit of a login makes its attempts wait this much longer, up to the longest wait.
const SLOWER_MS: u64 = 250;
const SLOWEST_MS: u64 = 3_000;
/// Attempts that may be made to wait at once; beyond it nobody waits here, the line before argon2 has a bound of its own.
const MOST_SLOWED: usize = 512;
/// How long an attempt waits for what other nodes have counted.
const ELSEWHERE_WITHIN: Duration = Duration::from_millis(100);
/// An IPv6 site has at least this many leading bits to itself (RFC 6177), so all its addresses count as one.
const SITE_BITS: u128 = !0 << 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    /// One login from one address. The login by its digest: what strangers send may be long.
    Attempt(u64, IpAddr),
    Address(IpAddr),
    Login(u64),
}

impl Whose {
    fn name(self) -> String {
        match self {
            Self::Attempt(login, address) => format!("{login:016x} {address}"),
            Self::Address(address) => address.to_string(),
            Self::Login(login) => format!("{login:016x}"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Timestamp,
    count: u32,
}

impl Failures {
    fn left_ms(self, window_ms: u64, now: Timestamp) -> u64 {
        window_ms.saturating_sub(now.since_millis(self.since))
    }
}

/// All that are counted, at most `MOST_COUNTED`.
#[derive(Debug, Default)]
struct Counted(HashMap<Whose, Failures>);

impl Counted {
    /// Room for `whose`; false where too many others are counted whose windows are not over.
    fn has_room(&mut self, whose: Whose, window_ms: u64, now: Timestamp) -> bool {
        if self.0.len() >= MOST_COUNTED && !self.0.contains_key(&whose) {
            self.0.retain(|_, failed| failed.left_ms(window_ms, now) > 0);
        }
        self.0.len() < MOST_COUNTED || self.0.contains_key(&whose)
    }

    fn add_one(&mut self, whose: Whose, window_ms: u64, now: Timestamp) {
        if !self.has_room(whose, window_ms, now) {
            return;
        }
        let failed = self.0.entry(whose).or_insert(Failures { since: now, count: 0 });
        if failed.left_ms(window_ms, now) == 0 {
            *failed = Failures { since: now, count: 0 };
        }
        failed.count = failed.count.saturating_add(1);
    }

    /// Takes over what all nodes have counted where it is more than what is known here.
    fn learn(&mut self, whose: Whose, standing: Standing, window_ms: u64, now: Timestamp) {
        let count = u32::try_from(standing.count).unwrap_or(u32::MAX);
        let known = self.0.get(&whose).filter(|failed| failed.left_ms(window_ms, now) > 0);
        if count > known.map_or(0, |failed| failed.count) && self.has_room(whose, window_ms, now) {
            let past_ms = window_ms.saturating_sub(standing.wait_ms);
            let since = Timestamp::from_millis(now.millis().saturating_sub(past_ms));
            self.0.insert(whose, Failures { since, count });
        }
    }
}

/// Failed log-ins of the running windows.
pub(super) struct LogIns {
    per_login: u32,
    per_address: u32,
    window_ms: u64,
    failures: Arc<Mutex<Counted>>,
    /// `None` where this node counts by itself.
    quotas: Option<Arc<dyn Quotas>>,
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
    pub(super) fn new(limits: &Limits, quotas: Option<Arc<dyn Quotas>>) -> Self {
        Self {
            per_login: limits.login_failures_per_login,
            per_address: limits.login_failures_per_address,
            window_ms: limits.login_failures_window_s.saturating_mul(1_000),
            failures: Arc::default(),
            quotas,
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
            let Some(failed) = failures.0.get(&whose).filter(|failed| failed.count >= most) else { continue };
            let left_ms = failed.left_ms(self.window_ms, now);
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
        let failed = failures.0.get(&Whose::Login(digest(login)));
        let Some(failed) = failed.filter(|failed| failed.left_ms(self.window_ms, now) > 0) else { return 0 };
        let beyond = (failed.count + 1).saturating_sub(self.per_login);
        u64::from(beyond).saturating_mul(SLOWER_MS).min(SLOWEST_MS)
    }

    pub(super) fn failed(&self, login: &str, address: IpAddr, now: Timestamp) {
        let counted = counted_as(login, address);
        let mut failures = self.failures.lock();
        for whose in counted {
            failures.add_one(whose, self.window_ms, now);
        }
        drop(failures);
        if let Some(quotas) = &self.quotas {
            counted.into_iter().for_each(|whose| self.tell(&**quotas, whose, 1, now, None));
        }
    }

    /// Learns what all nodes have counted of this login and address; gives up soon, and then what is known here holds.
    pub(super) async fn look_elsewhere(&self, login: &str, address: IpAddr, now: Timestamp) {
        let Some(quotas) = &self.quotas else { return };
        // Nobody sends: the channel ends with the last of those who hold it, whether they were called or dropped.
        let (hold, mut all_are_gone) = mpsc::channel::<()>(1);
        for whose in counted_as(login, address) {
            self.tell(&**quotas, whose, 0, now, Some(hold.clone()));
        }
        drop(hold);
        if timeout(ELSEWHERE_WITHIN, all_are_gone.recv()).await.is_err() {
            tracing::debug!("what other nodes know of failed log-ins was not told in time");
        }
    }

    /// Adds to what all nodes count, and learns what that is; `held` is let go then.
    fn tell(
        &self,
        quotas: &dyn Quotas,
        whose: Whose,
        amount: u32,
        now: Timestamp,
        held: Option<mpsc::Sender<()>>,
    ) {
        let (window_ms, failures) = (self.window_ms, self.failures.clone());
        let told = move |standing: Standing| {
            failures.lock().learn(whose, standing, window_ms, now);
            drop(held);
        };
        let rule = Rule::Window { window_ms };
        quotas.charge(Charge { what: "log_ins", whose: whose.name(), rule, amount }, Box::new(told));
    }
}

/// Under which names a failure counts.
fn counted_as(login: &str, address: IpAddr) -> [Whose; 3] {
    let (login, address) = (digest(login), site(address));
    [Whose::Address(address), Whose::Attempt(login, address), Whose::Login(login)]
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
            failures: Arc::default(),
            quotas: None,
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

    #[test]
    fn what_other_nodes_have_counted_is_taken_over_and_never_less_than_is_known_here() {
        let log_ins = log_ins();
        let here = IpAddr::from([127, 0, 0, 1]);
        log_ins.failed("ann", here, at(10_400));
        let learn = |count, wait_ms| {
            let standing = Standing { count, wait_ms };
            for whose in counted_as("ann", here) {
                log_ins.failures.lock().learn(whose, standing, log_ins.window_ms, at(10_500));
            }
        };
        learn(0, 0);
        assert!(log_ins.pass("ann", here, at(10_500)).is_ok(), "one failure of two");
        learn(2, 300);
        assert_eq!(log_ins.pass("ann", here, at(10_500)).unwrap_err().retry_after_ms, Some(300));
        assert!(
            log_ins.pass("ann", here, at(10_800)).is_ok(),
            "the window began when the first node counted"
        );
        log_ins.failed("ann", here, at(10_800));
        learn(1, 900);
        assert!(log_ins.pass("ann", here, at(10_801)).is_ok());
    }

    /// Has counted two failures of everybody.
    struct Knows;

    impl Quotas for Knows {
        fn charge(&self, charge: Charge, told: crate::cluster::quotas::Told) {
            assert_eq!((charge.what, charge.rule), ("log_ins", Rule::Window { window_ms: 1_000 }));
            told(Standing { count: 2, wait_ms: 1_000 });
        }
    }

    #[tokio::test]
    async fn an_attempt_is_refused_for_what_failed_on_another_node() {
        let log_ins = LogIns { quotas: Some(Arc::new(Knows)), ..log_ins() };
        let here = IpAddr::from([127, 0, 0, 1]);
        assert!(log_ins.pass("ann", here, at(0)).is_ok(), "nothing is known here");
        log_ins.look_elsewhere("ann", here, at(0)).await;
        assert!(log_ins.pass("ann", here, at(1)).is_err());
    }
}
