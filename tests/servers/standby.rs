//! A standby of the tests' PostgreSQL, its promotion, and copies of what a server holds: for tests that lose a server.

use crate::postgres_server::{PostgresServer, room};
use std::path::Path;
use std::process::Command;

impl PostgresServer {
    /// A standby that follows `primary` from now on. It is asynchronous; see `waits_for_standby`.
    pub(crate) fn standby_of(primary: &Self) -> Self {
        Self::begin(&room(), Some(&primary.folder))
    }

    /// The URL of a desk's place on this server, which may be its standby instead.
    pub(crate) fn url_with_standby(&self, desk_url: &str, standby: &Self) -> String {
        let place = |server: &Self| server.folder.display().to_string().replace('/', "%2F");
        desk_url.replacen(&place(self), &format!("{},{}", place(self), place(standby)), 1)
    }

    /// The URL of a desk's place, on this server instead of the one where it was made.
    pub(crate) fn url_of(&self, other: &Self, desk_url: &str) -> String {
        desk_url.replacen(&other.url("postgres"), &self.url("postgres"), 1)
    }

    /// No commit returns from now on before the standby has it on disk.
    pub(crate) fn waits_for_standby(&self) {
        self.run("postgres", "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
        self.run("postgres", "SELECT pg_reload_conf()");
        let waits = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        self.until("postgres", waits, "1");
    }

    /// This standby receives nothing any more.
    pub(crate) fn is_cut_off(&self, primary: &Self) {
        self.run("postgres", "ALTER SYSTEM SET primary_conninfo = ''");
        self.run("postgres", "SELECT pg_reload_conf()");
        primary.until("postgres", "SELECT count(*) FROM pg_stat_replication", "0");
    }

    /// Runs a question again and again until it has this answer.
    #[expect(clippy::disallowed_methods, reason = "a test may wait")]
    pub(crate) fn until(&self, place: &str, sql: &str, answer: &str) {
        for _ in 0..400 {
            if self.run(place, sql) == answer {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
        panic!("{sql} never answers {answer}, but {}", self.run(place, sql));
    }

    /// A standby becomes a server of its own.
    pub(crate) fn promote(&self) {
        self.order("promote");
        self.expect("promoted");
    }

    /// Dumps the desk at a URL, in the form that `restore` reads.
    pub(crate) fn dump(&self, desk_url: &str, file: &Path) {
        let schema = desk_url.rsplit("application_name=").next().and_then(|rest| rest.split('&').next());
        let mut command = Command::new(self.bin.join("pg_dump"));
        command.args(["-U", "desk", "-d", "postgres", "-Fc", "-n"]).arg(schema.expect("a desk's URL"));
        let output = command.arg("-f").arg(file).arg("-h").arg(&self.folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes what was dumped anew.
    pub(crate) fn restore(&self, file: &Path) {
        let mut command = Command::new(self.bin.join("pg_restore"));
        command.args(["-U", "desk", "-d", "postgres", "--exit-on-error"]).arg(file);
        let output = command.arg("-h").arg(&self.folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
