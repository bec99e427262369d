//! What processes have used: CPU seconds and resident memory, from the kernel's own accounts.

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// The kernel counts CPU time for `/proc` in hundredths of a second on every Linux (`USER_HZ`).
const TICKS_PER_S: f64 = 100.0;

/// A process at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Account {
    /// User and system time together.
    pub(crate) cpu_s: f64,
    pub(crate) rss_kib: u64,
}

impl Account {
    /// # Errors
    /// There is no such process, or `/proc` is not Linux's.
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let unreadable = || io::Error::other(format!("/proc/{pid} is not what it should be"));
        Ok(Self {
            cpu_s: cpu_s(&stat).ok_or_else(unreadable)?,
            rss_kib: rss_kib(&status).ok_or_else(unreadable)?,
        })
    }
}

/// CPU seconds of each of these processes together with all that it has begun and that still run, as PostgreSQL's do; in
/// the same order. A process that is not there has used nothing.
///
/// # Errors
/// `/proc` is not Linux's.
pub(crate) fn families_cpu_s(pids: &[u32]) -> io::Result<Vec<f64>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ends meanwhile has no account any more.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        all.insert(pid, (parent(&stat), cpu_s(&stat).unwrap_or_default()));
    }
    let is_of = |mut pid: u32, head: u32| {
        while pid != head {
            match all.get(&pid) {
                Some((Some(parent), _)) => pid = *parent,
                Some((None, _)) | None => return false,
            }
        }
        true
    };
    let family_s = |head: &u32| all.iter().filter(|(pid, _)| is_of(**pid, *head)).map(|(_, (_, s))| s).sum();
    Ok(pids.iter().map(family_s).collect())
}

/// The second field is a name in brackets that may hold anything; fields are counted from behind it.
fn fields(stat: &str) -> Option<Vec<&str>> {
    let (_, rest) = stat.rsplit_once(')')?;
    Some(rest.split_whitespace().collect())
}

fn parent(stat: &str) -> Option<u32> {
    fields(stat)?.get(1)?.parse().ok()
}

fn cpu_s(stat: &str) -> Option<f64> {
    let fields = fields(stat)?;
    let user: f64 = fields.get(11)?.parse().ok()?;
    let system: f64 = fields.get(12)?.parse().ok()?;
    Some((user + system) / TICKS_PER_S)
}

fn rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1 1 1";
        assert_eq!((cpu_s(stat), parent(stat)), (Some(2.0), Some(1)));
        assert_eq!(rss_kib("Name:\tx\nVmRSS:\t    1234 kB\n"), Some(1234));
        assert_eq!(cpu_s("nonsense"), None);
        assert_eq!(rss_kib(""), None);
    }

    #[test]
    fn this_very_process_has_an_account() {
        let account = Account::of(std::process::id()).expect("our own account");
        assert!(account.rss_kib > 100, "{account:?}");
        let families_s = families_cpu_s(&[std::process::id(), u32::MAX]).expect("all accounts");
        assert!(families_s[0] >= account.cpu_s, "{families_s:?} of {account:?}");
        assert_eq!(families_s[1..], [0.0], "nobody");
    }
}
