//! A PgBouncer of the tests' own before one of their PostgreSQL servers: transactions of all clients share few connections.
//!
//! A shell script runs it and ends it when the test process is gone, however that ended.

use crate::postgres_server::{PostgresServer, as_nobody};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};

const SCRIPT: &str = r#"
folder="$1"
mkdir -m 755 "$folder" || exit 1
printf '%s\n' "$2" >"$folder/pooler.ini"
pgbouncer "$folder/pooler.ini" </dev/null >"$folder/log" 2>&1 &
pooler=$!
until [ -S "$folder/.s.PGSQL.5432" ]; do
  kill -0 "$pooler" 2>/dev/null || { echo failed; cat "$folder/log" >&2; break; }
  sleep 0.05
done
echo ready
cat >/dev/null
kill "$pooler" 2>/dev/null; wait "$pooler" 2>/dev/null; rm -rf "$folder"
"#;

/// A running pooler.
pub(crate) struct Pooler {
    folder: PathBuf,
    script: Child,
}

impl Pooler {
    /// The server's connections that all clients share.
    pub(crate) const SHARED: usize = 4;

    /// Hands out connections of this server for one transaction each.
    pub(crate) fn before(server: &PostgresServer) -> Self {
        let folder = std::env::temp_dir().join(format!("rushdesk-pooler-{}", std::process::id()));
        let settings = format!(
            "[databases]\npostgres = host={} user=desk\n[pgbouncer]\npool_mode = transaction\nauth_type = any\n\
             default_pool_size = {}\nmax_client_conn = 200\nlisten_addr =\nlisten_port = 5432\n\
             unix_socket_dir = {}\n",
            folder_of(&server.url("postgres")),
            Self::SHARED,
            folder.display()
        );
        let mut command = as_nobody();
        command.args(["sh", "-c", SCRIPT, "pooler-of-the-tests"]).arg(&folder).arg(settings);
        command.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut script = command.spawn().expect("a shell runs the pooler");
        let mut line = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "PgBouncer does not run: install it (apt-get install pgbouncer)");
        Self { folder, script }
    }

    /// The URL of a desk's store behind it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://desk@{}/postgres", self.folder.display().to_string().replace('/', "%2F"))
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        self.script.wait().unwrap();
    }
}

/// The folder of the socket that such a URL names.
fn folder_of(url: &str) -> String {
    let host = url.split('@').nth(1).and_then(|rest| rest.split('/').next());
    host.expect("a URL with a host").replace("%2F", "/")
}
