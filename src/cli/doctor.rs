//! `rushdesk doctor`: checks the environment and says what to mend.

use super::healthcheck;
use super::{Context, Failure, answer, answer_json};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::journal::sqlite;
use crate::settings::{Settings, StoreUrl};
use serde_json::json;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

/// Files that a desk opens beside its sockets.
const OTHER_FILES: u64 = 200;
/// Less free room than this fills within a busy day.
const FREE_BYTES: u64 = 1024 * 1024 * 1024;
/// 2025-01-01: a clock before it was never set.
const CLOCK_IS_SET_MS: u64 = 1_735_689_600_000;

/// What one check found.
struct Finding {
    check: &'static str,
    /// What was seen where it is fine, what to mend where it is not.
    seen: Result<String, String>,
}

/// Checks the environment.
///
/// # Errors
/// The settings are wrong, or something must be mended.
pub fn run(context: &Context) -> Result<(), Failure> {
    let settings = context.load_and_log()?.settings;
    let now = SystemClock::default().now();
    let findings = [
        Finding { check: "store", seen: store(&settings.store.url) },
        Finding { check: "store folder", seen: store_folder(&settings.store.url) },
        Finding { check: "disk space", seen: disk_space(&settings) },
        Finding { check: "attachments", seen: writable(&settings.attachments.dir) },
        Finding { check: "open files", seen: open_files(settings.server.max_sockets) },
        Finding { check: "clock", seen: clock(now) },
        Finding { check: "bus", seen: Ok(format!("{}: one process, nothing to reach", settings.bus.url)) },
        Finding { check: "listen", seen: listen(settings.server.listen) },
    ];
    if context.json() {
        let lines = findings.iter().map(|finding| {
            let (ok, message) = match &finding.seen {
                Ok(seen) => (true, seen),
                Err(mend) => (false, mend),
            };
            json!({ "check": finding.check, "ok": ok, "message": message })
        });
        answer_json(&lines.collect())?;
    } else {
        for finding in &findings {
            let line = match &finding.seen {
                Ok(seen) => format!("ok    {}: {seen}", finding.check),
                Err(mend) => format!("mend  {}: {mend}", finding.check),
            };
            answer(&line)?;
        }
    }
    match findings.iter().filter(|finding| finding.seen.is_err()).count() {
        0 => Ok(()),
        wrong => Err(Failure::Failed(format!("{wrong} of {} checks ask for mending", findings.len()))),
    }
}

fn store(store: &StoreUrl) -> Result<String, String> {
    match store {
        StoreUrl::Memory => Ok("memory: for trials, without a file".to_owned()),
        StoreUrl::Sqlite(path) if !path.exists() => {
            Ok(format!("{} will be made at the first start", path.display()))
        }
        StoreUrl::Sqlite(path) => match sqlite::kept_secret(path, "") {
            Ok(_) => Ok(format!("{} can be read", path.display())),
            Err(error) => Err(error.to_string()),
        },
    }
}

fn store_folder(store: &StoreUrl) -> Result<String, String> {
    match store {
        StoreUrl::Memory => Ok("none is needed".to_owned()),
        StoreUrl::Sqlite(path) => writable(folder_of(path)),
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a file can be made in `folder`, or the folder itself where there is none yet.
fn writable(folder: &Path) -> Result<String, String> {
    let existing = existing(folder);
    let probe = existing.join(format!(".rushdesk-doctor-{}", std::process::id()));
    let tried = std::fs::write(&probe, b"probe").and_then(|()| std::fs::remove_file(&probe));
    match tried {
        Ok(()) if existing == folder => Ok(format!("{} can be written", folder.display())),
        Ok(()) => Ok(format!("{} can be made", folder.display())),
        Err(error) => {
            Err(format!("{} cannot be written ({error}): give it to this user", existing.display()))
        }
    }
}

/// The nearest folder above that exists.
fn existing(folder: &Path) -> &Path {
    folder
        .ancestors()
        .find(|above| above.is_dir())
        .filter(|above| !above.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// `df` is asked: the standard library tells no free space.
fn disk_space(settings: &Settings) -> Result<String, String> {
    let folder = match &settings.store.url {
        StoreUrl::Memory => settings.attachments.dir.as_path(),
        StoreUrl::Sqlite(path) => folder_of(path),
    };
    let told = Command::new("df").arg("-Pk").arg(existing(folder)).output();
    let told = told.map_err(|error| format!("`df` cannot be asked for free space: {error}"))?;
    let text = String::from_utf8_lossy(&told.stdout);
    let free_bytes = free_bytes(&text).ok_or("`df` gave no answer that can be read; look by hand")?;
    let free_mib = free_bytes / (1024 * 1024);
    if free_bytes >= FREE_BYTES {
        return Ok(format!("{free_mib} MiB are free"));
    }
    Err(format!("{free_mib} MiB are free: make room, a full disk makes the desk read-only"))
}

/// The fourth column of the second line of `df -Pk`, in bytes.
fn free_bytes(told: &str) -> Option<u64> {
    let free_kib: u64 = told.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    free_kib.checked_mul(1024)
}

fn open_files(max_sockets: usize) -> Result<String, String> {
    let limits = match std::fs::read_to_string("/proc/self/limits") {
        Ok(limits) => limits,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok("this system does not tell its limit; see `ulimit -n`".to_owned());
        }
        Err(error) => return Err(format!("/proc/self/limits cannot be read: {error}")),
    };
    let needed = (max_sockets as u64).saturating_add(OTHER_FILES);
    match soft_limit(&limits) {
        None => Ok("unlimited".to_owned()),
        Some(limit) if limit >= needed => Ok(format!("{limit} may be open, {needed} are needed")),
        Some(limit) => Err(format!(
            "{limit} may be open, server.max_sockets needs {needed}: raise `ulimit -n`, or lower server.max_sockets"
        )),
    }
}

/// `None`: unlimited.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn clock(now: Timestamp) -> Result<String, String> {
    if now.millis() >= CLOCK_IS_SET_MS {
        return Ok(format!("{now}"));
    }
    Err(format!("it is {now} here: set the machine's clock, tokens depend on it"))
}

fn listen(listen: SocketAddr) -> Result<String, String> {
    match TcpListener::bind(listen) {
        Ok(_) => Ok(format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            match healthcheck::ask(healthcheck::reachable(listen)) {
                Ok(response) if response.contains("\"parts\"") => {
                    Ok(format!("{listen} is held by a running desk"))
                }
                Ok(_) | Err(_) => Err(format!(
                    "{listen} is held by another program: end it, or choose another server.listen"
                )),
            }
        }
        Err(error) => Err(format!("{listen} cannot be listened on ({error}): choose another server.listen")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let df = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 100 60 40 60% /\n";
        assert_eq!(free_bytes(df), Some(40 * 1024));
        assert_eq!(free_bytes("nonsense"), None);
        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024      4096      files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(soft_limit("Max open files   unlimited   unlimited   files\n"), None);
    }

    #[test]
    fn a_clock_that_was_never_set_is_told() {
        assert!(clock(Timestamp::from_millis(0)).is_err());
        assert!(clock(Timestamp::from_millis(CLOCK_IS_SET_MS)).is_ok());
    }

    #[test]
    fn a_folder_that_can_be_made_is_fine_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        assert!(writable(&dir.path().join("a/b")).unwrap().ends_with("can be made"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn an_address_held_by_another_program_is_to_mend() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        drop(std::thread::spawn(move || held.accept().map(drop)));
        assert!(listen(address).unwrap_err().contains("another program"));
    }
}
