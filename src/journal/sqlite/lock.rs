//! One serving desk per file: an exclusive lock of the operating system on `<file>.lock`, with the holder's pid in it.
//!
//! The lock ends with the process, however it ends. It is a file of its own because closing any handle of the
//! database file would drop SQLite's POSIX locks on it (sqlite.org, "How To Corrupt An SQLite Database File", 2.2).

use super::schema::OpenError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Held as long as the desk serves the file.
#[derive(Debug)]
pub(super) struct ServingLock {
    _file: File,
}

impl ServingLock {
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let unreachable = |error: std::io::Error| OpenError::from_io(database, &error, "");
        let mut name = database.as_os_str().to_owned();
        name.push(".lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(PathBuf::from(name))
            .map_err(unreachable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(unreachable)?;
                return Err(OpenError::InUse {
                    path: database.to_path_buf(),
                    holder: holder.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unreachable(error)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(unreachable)?;
        writeln!(file, "{}", std::process::id()).map_err(unreachable)?;
        Ok(Self { _file: file })
    }
}
