//! `rushdesk doctor`: checks the environment and says what to mend.

use super::healthcheck;
use super::{Context, Failure, answer, answer_json};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::cluster::redis;
use crate::gateway::blob::try_out;
use crate::journal::postgres::{self, Address, Found};
use crate::journal::{Durability, sqlite};
use crate::settings::{BusUrl, Secret, Settings, StoreUrl};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::UNIX_EPOCH;

/// Files that a desk opens beside its sockets.
const OTHER_FILES: u64 = 200;
/// Less free room than this fills within a busy day, and less than that before it is noticed.
const FREE_BYTES: u64 = 1024 * 1024 * 1024;
const LEAST_FREE_BYTES: u64 = 100 * 1024 * 1024;
/// 2025-01-01: a clock before it was never set.
const CLOCK_IS_SET_MS: u64 = 1_735_689_600_000;
/// A store that was written this much later than now tells that the clock was set back.
const CLOCK_WENT_BACK_MS: u64 = 60_000;

/// What was seen, and what to do where it is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Fine(String),
    /// The desk runs, and less well than it could.
    Doubtful(String),
    /// The desk does not run so.
    Wrong(String),
}

use Seen::{Doubtful, Fine, Wrong};

impl Seen {
    fn told(&self) -> (&'static str, &str) {
        match self {
            Fine(seen) => ("ok", seen),
            Doubtful(mend) => ("warn", mend),
            Wrong(mend) => ("fail", mend),
        }
    }
}

/// What one check found.
struct Finding {
    check: &'static str,
    seen: Seen,
}

/// Checks the environment. Doubts are told and do not fail.
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
        Finding { check: "attachments", seen: folder(&settings.attachments.dir) },
        Finding { check: "open files", seen: open_files(settings.server.max_sockets) },
        Finding { check: "clock", seen: clock(now, last_written_ms(&settings.store.url)) },
        Finding { check: "bus", seen: bus(&settings.bus.url) },
        Finding { check: "listen", seen: listen(settings.server.listen) },
    ];
    if context.json() {
        let lines = findings.iter().map(|Finding { check, seen }| {
            let (level, message) = seen.told();
            json!({ "check": check, "level": level, "ok": level != "fail", "message": message })
        });
        answer_json(&lines.collect())?;
    } else {
        for Finding { check, seen } in &findings {
            let (level, message) = seen.told();
            answer(&format!("{level:<5} {check}: {message}"))?;
        }
    }
    match findings.iter().filter(|finding| matches!(finding.seen, Wrong(_))).count() {
        0 => Ok(()),
        wrong => Err(Failure::Failed(format!("{wrong} of {} checks ask for mending", findings.len()))),
    }
}

fn store(store: &StoreUrl) -> Seen {
    let path = match store {
        StoreUrl::Memory => return Doubtful("memory: for trials, nothing outlives the process".to_owned()),
        StoreUrl::Postgres(url) => return database(url),
        StoreUrl::Sqlite(path) => path,
    };
    if !path.exists() {
        return Fine(format!("{} will be made at the first start", path.display()));
    }
    if let Err(error) = sqlite::kept_secret(path, "") {
        return Wrong(error.to_string());
    }
    match OpenOptions::new().append(true).open(path) {
        Ok(_) => Fine(format!("{} is a desk's, can be read and written", path.display())),
        Err(error) => Wrong(format!(
            "{} cannot be written ({error}): give it to the user that runs the desk",
            path.display()
        )),
    }
}

fn database(url: &Secret) -> Seen {
    let looked = Address::parse(url.expose()).and_then(|address| Ok((postgres::look(&address)?, address)));
    match looked {
        Err(error) => Wrong(error.to_string()),
        Ok((Found { is_empty: true, .. }, address)) => {
            Fine(format!("{address} can be reached; its tables will be made at the first start"))
        }
        Ok((Found { lost: Some((entries, at)), .. }, address)) => Doubtful(format!(
            "{address} came back without {entries} acknowledged entries, last found at {at}: see `PostgreSQL is away` in \
             docs/OPERATIONS.md; once the shop knows, DELETE FROM rushdesk WHERE name LIKE 'lost_%' ends this line"
        )),
        Ok((Found { durability, .. }, address)) => Fine(format!(
            "{address} is a desk's and can be reached; what is acknowledged is on {}",
            match durability {
                Durability::Local => "that server's disk (no standby waits for it)",
                Durability::Replicated => "a standby too",
            }
        )),
    }
}

fn bus(bus: &BusUrl) -> Seen {
    let BusUrl::Redis(url) = bus else { return Fine("memory: one process, nothing to reach".to_owned()) };
    match redis::look(url.expose()) {
        Err(mend) => Wrong(mend),
        Ok(redis::Found { place, version: Some(version) }) => {
            Fine(format!("Redis {version} answers at {place}"))
        }
        Ok(redis::Found { place, version: None }) => {
            Fine(format!("a Redis answers at {place}; this user may not ask for its version"))
        }
    }
}

fn store_folder(store: &StoreUrl) -> Seen {
    match store {
        StoreUrl::Memory | StoreUrl::Postgres(_) => Fine("none is needed".to_owned()),
        StoreUrl::Sqlite(path) => folder(folder_of(path)),
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn folder(folder: &Path) -> Seen {
    match try_out(folder) {
        Ok(()) if folder.exists() => Fine(format!("{} can be written", folder.display())),
        Ok(()) => Fine(format!("{} can be made", folder.display())),
        Err(mend) => Wrong(mend),
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
fn disk_space(settings: &Settings) -> Seen {
    let folder = match &settings.store.url {
        StoreUrl::Memory | StoreUrl::Postgres(_) => settings.attachments.dir.as_path(),
        StoreUrl::Sqlite(path) => folder_of(path),
    };
    match Command::new("df").arg("-Pk").arg(existing(folder)).output() {
        Err(error) => Doubtful(format!("`df` cannot be asked for free space ({error}): look by hand")),
        Ok(told) => match free_bytes(&String::from_utf8_lossy(&told.stdout)) {
            None => Doubtful("`df` gave no answer that can be read: look by hand".to_owned()),
            Some(free_bytes) => enough(free_bytes),
        },
    }
}

fn enough(free_bytes: u64) -> Seen {
    let free_mib = free_bytes / (1024 * 1024);
    let mend = format!("{free_mib} MiB are free: make room, a full disk makes the desk read-only");
    match free_bytes {
        FREE_BYTES.. => Fine(format!("{free_mib} MiB are free")),
        LEAST_FREE_BYTES.. => Doubtful(mend),
        _ => Wrong(mend),
    }
}

/// The fourth column of the second line of `df -Pk`, in bytes.
fn free_bytes(told: &str) -> Option<u64> {
    let free_kib: u64 = told.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    free_kib.checked_mul(1024)
}

fn open_files(max_sockets: usize) -> Seen {
    match std::fs::read_to_string("/proc/self/limits") {
        Ok(limits) => enough_files(soft_limit(&limits), max_sockets as u64),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Fine("this system does not tell its limit; see `ulimit -n`".to_owned())
        }
        Err(error) => Doubtful(format!("/proc/self/limits cannot be read ({error}): see `ulimit -n`")),
    }
}

/// Less than all sockets need is a doubt, for the others are served; less than the desk itself needs is wrong.
fn enough_files(limit: Option<u64>, max_sockets: u64) -> Seen {
    let needed = max_sockets.saturating_add(OTHER_FILES);
    let Some(limit) = limit else { return Fine("unlimited".to_owned()) };
    let mend = format!(
        "{limit} may be open, server.max_sockets needs {needed}: raise `ulimit -n`, or lower server.max_sockets"
    );
    match limit {
        _ if limit >= needed => Fine(format!("{limit} may be open, {needed} are needed")),
        _ if limit > OTHER_FILES => Doubtful(mend),
        _ => Wrong(mend),
    }
}

/// `None`: unlimited.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When the store's file was last written, in milliseconds since 1970.
fn last_written_ms(store: &StoreUrl) -> Option<u64> {
    let StoreUrl::Sqlite(path) = store else { return None };
    let written = path.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(written.as_millis()).ok()
}

fn clock(now: Timestamp, last_written_ms: Option<u64>) -> Seen {
    if now.millis() < CLOCK_IS_SET_MS {
        return Wrong(format!("it is {now} here: set the machine's clock, tokens depend on it"));
    }
    match last_written_ms.map(Timestamp::from_millis) {
        Some(written) if written.millis() > now.millis().saturating_add(CLOCK_WENT_BACK_MS) => {
            Doubtful(format!(
                "it is {now} here, and the store was written at {written}: the clock was set back; let it be kept by NTP"
            ))
        }
        Some(_) | None => Fine(format!("{now}")),
    }
}

fn listen(listen: SocketAddr) -> Seen {
    match TcpListener::bind(listen) {
        Ok(_) => Fine(format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            match healthcheck::ready(healthcheck::reachable(listen)) {
                Ok(response) if response.contains("\"parts\"") => {
                    Fine(format!("{listen} is held by a running desk"))
                }
                Ok(_) | Err(_) => Wrong(format!(
                    "{listen} is held by another program: end it, or choose another server.listen"
                )),
            }
        }
        Err(error) => {
            Wrong(format!("{listen} cannot be listened on ({error}): choose another server.listen"))
        }
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
    fn room_and_files_are_enough_too_few_for_all_or_too_few_to_run() {
        for (free_bytes, level) in
            [(FREE_BYTES, "ok"), (FREE_BYTES - 1, "warn"), (LEAST_FREE_BYTES - 1, "fail")]
        {
            assert_eq!(enough(free_bytes).told().0, level, "{free_bytes}");
        }
        for (limit, level) in [(None, "ok"), (Some(1_200), "ok"), (Some(1_199), "warn"), (Some(200), "fail")]
        {
            assert_eq!(enough_files(limit, 1_000).told().0, level, "{limit:?}");
        }
    }

    #[test]
    fn a_clock_that_was_never_set_or_was_set_back_is_told() {
        let at = Timestamp::from_millis;
        let set = CLOCK_IS_SET_MS;
        for (now_ms, written_ms, level) in [
            (0, None, "fail"),
            (set, None, "ok"),
            (set, Some(set + CLOCK_WENT_BACK_MS), "ok"),
            (set, Some(set + CLOCK_WENT_BACK_MS + 1), "warn"),
        ] {
            assert_eq!(clock(at(now_ms), written_ms).told().0, level, "{now_ms} {written_ms:?}");
        }
    }

    #[test]
    fn a_store_that_is_no_desks_is_wrong() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "this is no database at all, however long it is looked at").unwrap();
        let seen = store(&StoreUrl::Sqlite(file.path().into()));
        assert!(seen.told().1.contains("is not a desk's database"), "{seen:?}");
        assert_eq!(seen.told().0, "fail");
    }

    #[test]
    fn an_address_held_by_another_program_is_wrong() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        drop(std::thread::spawn(move || held.accept().map(drop)));
        let Wrong(mend) = listen(address) else { panic!("the address is held") };
        assert!(mend.contains("another program"), "{mend}");
    }
}
