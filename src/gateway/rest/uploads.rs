//! How much one person has uploaded within the hour: files and bytes, counted as they come and never given back, so that
//! uploads which break off are no way around it.

use crate::clock::Timestamp;
use crate::refusal::Refusal;
use crate::settings::Attachments;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

const HOUR_MS: u64 = 3_600_000;
/// People that are counted; beyond it those whose hour is over are forgotten, then nobody new may upload.
const MOST_COUNTED: usize = 100_000;
/// When somebody should come back for whom there was no room.
const TRY_AGAIN_MS: u64 = 60_000;

/// What one person has uploaded since the hour began.
#[derive(Debug, Clone, Copy)]
struct Used {
    since: Timestamp,
    files: u32,
    bytes: u64,
}

/// Uploads of the running hours, by person.
pub(super) struct Uploads {
    files_per_h: u32,
    bytes_per_h: u64,
    used: Mutex<HashMap<String, Used>>,
    pub(super) refused: AtomicU64,
}

impl Uploads {
    pub(super) fn new(attachments: &Attachments) -> Self {
        Self {
            files_per_h: attachments.files_per_h,
            bytes_per_h: attachments.bytes_per_h,
            used: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// Counts a file that begins and says to have `declared_bytes`.
    ///
    /// # Errors
    /// `rate_limited` until the hour is over, `overloaded` where too many people are counted.
    pub(super) fn begin(&self, whose: &str, declared_bytes: u64, now: Timestamp) -> Result<(), Refusal> {
        let mut used = self.used.lock();
        if used.len() >= MOST_COUNTED && !used.contains_key(whose) {
            used.retain(|_, used| now.since_millis(used.since) < HOUR_MS);
            if used.len() >= MOST_COUNTED {
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(Refusal::overloaded("too many people upload files; try again", TRY_AGAIN_MS));
            }
        }
        let fresh = Used { since: now, files: 0, bytes: 0 };
        let own = used.entry(whose.to_owned()).or_insert(fresh);
        if now.since_millis(own.since) >= HOUR_MS {
            *own = fresh;
        }
        if own.files >= self.files_per_h {
            let most = self.files_per_h;
            return Err(self.over(
                *own,
                now,
                format!("{most} files are taken from one person within an hour"),
            ));
        }
        if own.bytes.saturating_add(declared_bytes) > self.bytes_per_h {
            return Err(self.too_much(*own, now));
        }
        own.files += 1;
        Ok(())
    }

    /// Counts bytes of a file that has begun.
    ///
    /// # Errors
    /// `rate_limited` until the hour is over.
    pub(super) fn more(&self, whose: &str, bytes: u64, now: Timestamp) -> Result<(), Refusal> {
        let mut used = self.used.lock();
        let Some(own) = used.get_mut(whose) else { return Ok(()) };
        own.bytes = own.bytes.saturating_add(bytes);
        if own.bytes > self.bytes_per_h { Err(self.too_much(*own, now)) } else { Ok(()) }
    }

    fn too_much(&self, own: Used, now: Timestamp) -> Refusal {
        let most = self.bytes_per_h;
        self.over(own, now, format!("{most} bytes are taken from one person within an hour"))
    }

    fn over(&self, own: Used, now: Timestamp, sentence: String) -> Refusal {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let left_ms = HOUR_MS.saturating_sub(now.since_millis(own.since)).max(1);
        Refusal::rate_limited(format!("{sentence}; send this file later, or a smaller one"), left_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Code;

    const fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn uploads() -> Uploads {
        Uploads { files_per_h: 2, bytes_per_h: 100, used: Mutex::default(), refused: AtomicU64::new(0) }
    }

    #[test]
    fn a_person_has_so_many_files_an_hour_and_others_have_theirs() {
        let uploads = uploads();
        assert!(uploads.begin("v:1", 0, at(0)).is_ok());
        assert!(uploads.begin("v:1", 0, at(600_000)).is_ok());
        let refusal = uploads.begin("v:1", 0, at(600_000)).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after_ms), (Code::RateLimited, Some(3_000_000)));
        assert!(uploads.begin("v:2", 0, at(600_000)).is_ok());
        assert!(uploads.begin("v:1", 0, at(HOUR_MS)).is_ok());
        assert_eq!(uploads.refused.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn bytes_count_as_they_come_whatever_was_declared() {
        let uploads = uploads();
        assert!(uploads.begin("v:1", 101, at(0)).is_err());
        assert!(uploads.begin("v:1", 100, at(0)).is_ok());
        assert!(uploads.more("v:1", 60, at(1)).is_ok());
        assert!(uploads.more("v:1", 41, at(1)).is_err());
        assert!(uploads.begin("v:1", 1, at(2)).is_err(), "what broke off stays counted");
    }
}
