//! What can go wrong beneath the journal, and what follows from it.

use super::super::record::RecordError;

/// A store that fails and a record that cannot be read are two things: the first spoils the batch, the second only
/// the operation that needed it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("{0}")]
    Store(#[from] rusqlite::Error),
    #[error("{0}")]
    Record(#[from] RecordError),
}

/// What follows from a failed batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing was written; writes are refused until a probe succeeds.
    ReadOnly,
    /// After a failed flush nobody knows what is on disk, and asking again may lie (fsync(2); the PostgreSQL project's
    /// 2018 findings): the process ends, and the next start reads what is there.
    EndProcess,
    /// The outcome is unknown to the callers; the next batch may work.
    Failed,
}

impl Trouble {
    pub(super) fn fate(&self) -> Fate {
        let Self::Store(error) = self else {
            return Fate::Failed;
        };
        match error.sqlite_error().map(|error| error.extended_code) {
            Some(rusqlite::ffi::SQLITE_FULL) => Fate::ReadOnly,
            Some(rusqlite::ffi::SQLITE_IOERR_FSYNC | rusqlite::ffi::SQLITE_IOERR_DIR_FSYNC) => {
                Fate::EndProcess
            }
            _ => Fate::Failed,
        }
    }

    /// A link of a chain that leads nowhere.
    pub(super) fn missing_entry(pos: i64) -> Self {
        Self::Record(RecordError(format!("there is no entry at position {pos} of the log")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(code: i32) -> Trouble {
        Trouble::Store(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None))
    }

    #[test]
    fn a_full_disk_a_failed_flush_and_the_rest_have_different_fates() {
        assert_eq!(store(rusqlite::ffi::SQLITE_FULL).fate(), Fate::ReadOnly);
        assert_eq!(store(rusqlite::ffi::SQLITE_IOERR_FSYNC).fate(), Fate::EndProcess);
        assert_eq!(store(rusqlite::ffi::SQLITE_IOERR_WRITE).fate(), Fate::Failed);
        assert_eq!(Trouble::missing_entry(3).fate(), Fate::Failed);
    }
}
