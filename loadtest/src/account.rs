//! What the server's process has used: CPU seconds and resident memory, from the kernel's own accounts.

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

fn cpu_s(stat: &str) -> Option<f64> {
    // The second field is a name in brackets that may hold anything; fields are counted from behind it.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
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
        assert_eq!(cpu_s(stat), Some(2.0));
        assert_eq!(rss_kib("Name:\tx\nVmRSS:\t    1234 kB\n"), Some(1234));
        assert_eq!(cpu_s("nonsense"), None);
        assert_eq!(rss_kib(""), None);
    }

    #[test]
    fn this_very_process_has_an_account() {
        let account = Account::of(std::process::id()).expect("our own account");
        assert!(account.rss_kib > 100, "{account:?}");
    }
}
