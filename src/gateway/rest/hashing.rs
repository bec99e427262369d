//! Passwords on their way through argon2: as many at once as there are cores, and a bounded line before them.

use crate::refusal::Refusal;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Passwords that may wait; at some thirty milliseconds each the last one waits for seconds.
const MOST_WAITING: usize = 1_024;
/// When somebody should come back who found the line full.
const TRY_AGAIN_MS: u64 = 3_000;

/// The line before argon2.
pub(super) struct Hashing {
    places: Semaphore,
    waiting: AtomicUsize,
    pub(super) refused: AtomicU64,
}

/// Counts one who waits, however the waiting ends.
struct Waiting<'h>(&'h AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Hashing {
    pub(super) fn new() -> Self {
        let cores = available_parallelism().map_or(2, NonZeroUsize::get);
        Self { places: Semaphore::new(cores), waiting: AtomicUsize::new(0), refused: AtomicU64::new(0) }
    }

    /// A place, kept as long as the permit.
    ///
    /// # Errors
    /// `overloaded` where too many wait already.
    pub(super) async fn place(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        let before = self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        if before >= MOST_WAITING {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Refusal::overloaded("too many sign in at once; repeat it", TRY_AGAIN_MS));
        }
        let place = self.places.acquire().await;
        place.map_err(|_closed| Refusal::unavailable("this node is going away; repeat it elsewhere", 1_000))
    }
}
