//! One serving desk per file: an exclusive lock of the operating system on `<file>.lock`, with the holder's pid in it.
//!
//! The file is named by its own path, whichever symbolic link led to it; one that has a second name altogether (a hard
//! link) is refused, since each name would have a lock of its own. The lock ends with the process, however it ends. It is a file of its own because closing any handle of the
//! database file would drop SQLite's POSIX locks on it (sqlite.org, "How To Corrupt An SQLite Database File", 2.2).

use super::schema::OpenError;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Error, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Held as long as the desk serves the file.
#[derive(Debug)]
pub(super) struct ServingLock {
    _file: File,
}

impl ServingLock {
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let unreachable = |error: Error| OpenError::from_io(database, &error, "");
        let own = own_path(database).map_err(unreachable)?;
        let mut name = own.into_os_string();
        name.push(".lock");
        if fs::metadata(database).is_ok_and(|known| known.is_file() && known.nlink() > 1) {
            return Err(OpenError::ManyNames { path: database.to_path_buf() });
        }
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

/// The path without symbolic links. A file that is not there yet lies in a folder that is, also where a link leads to it.
fn own_path(database: &Path) -> Result<PathBuf, Error> {
    match fs::canonicalize(database) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")))?;
            match fs::read_link(database) {
                Ok(target) => own_path(&folder.join(target)),
                Err(_) => database.file_name().map(|name| folder.join(name)).ok_or(error),
            }
        }
        path => path,
    }
}
