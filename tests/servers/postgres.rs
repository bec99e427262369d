//! A PostgreSQL server of the tests' own: made in a temporary folder, reached by a socket in it, gone with the process.
//! The folder lies in memory where there is room: what these tests end is processes, not power.
//!
//! PostgreSQL refuses to run as root, so a shell script runs it as `nobody` where the tests are root. The script obeys
//! orders on its standard input; when that closes, however the process ended, it stops the server and removes the
//! folder. A test in a network of its own has it listen there too (`netns`). A standby is a server of the same kind whose data
//! is a base backup of another one and follows it. Knows nothing of the desk: unit tests and whole-process tests include this
//! file alike.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

const SCRIPT: &str = r#"
folder="$1"; bin="$2"; primary="$3"
mkdir -m 755 "$folder" || exit 1
make() {
  case "$primary" in
    "") "$bin/initdb" -D "$folder/data" -U desk -A trust -E UTF8 --locale=C --no-sync ;;
    *) "$bin/pg_basebackup" -D "$folder/data" -R -X stream -c fast --no-sync \
         -d "host=$primary user=desk application_name=standby" ;;
  esac >"$folder/log" 2>&1
}
start() {
  "$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses="$POSTGRES_OF_THE_TESTS_LISTENS" -c max_connections=200 \
    -c shared_buffers=64MB -c log_min_messages=fatal </dev/null >>"$folder/log" 2>&1 &
  server=$!
  until "$bin/pg_isready" -q -h "$folder"; do
    kill -0 "$server" 2>/dev/null || { echo failed; return; }
    sleep 0.05
  done
  echo ready
}
if make; then start; else echo failed; fi
while read -r order; do
  case "$order" in
    crash) kill -QUIT "$server"; wait "$server"; echo crashed ;;
    start) start ;;
    promote) "$bin/pg_ctl" promote -s -w -D "$folder/data" >>"$folder/log" 2>&1 && echo promoted || echo failed ;;
  esac
done
kill -QUIT "$server" 2>/dev/null; wait "$server"; rm -rf "$folder"
"#;

/// A running server.
pub(crate) struct PostgresServer {
    pub(crate) folder: PathBuf,
    pub(crate) bin: PathBuf,
    script: Child,
    orders: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
    desks: AtomicU32,
}

impl PostgresServer {
    /// The one server of this test process.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<PostgresServer> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server of its own, for tests that stop it or set it up otherwise.
    pub(crate) fn start() -> Self {
        Self::start_in(&room())
    }

    /// A server of its own whose folder is made in this one.
    pub(crate) fn start_in(room: &Path) -> Self {
        Self::begin(room, None)
    }

    /// A server whose folder is made in this one: a new one, or a standby that follows the server in `primary`.
    pub(crate) fn begin(room: &Path, primary: Option<&Path>) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let bin = programs().expect(
            "PostgreSQL is missing: install it (apt-get install postgresql), these tests start their own server",
        );
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let folder = room.join(format!("rushdesk-postgres-{}-{number}", std::process::id()));
        let mut command = as_nobody();
        command.args(["sh", "-c", SCRIPT, "postgres-of-the-tests"]).arg(&folder).arg(&bin);
        command.arg(primary.unwrap_or(Path::new("")));
        command.current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut script = command.spawn().expect("a shell runs the server");
        let orders = (script.stdin.take().unwrap(), BufReader::new(script.stdout.take().unwrap()));
        let server = Self { folder, bin, script, orders: Mutex::new(Some(orders)), desks: AtomicU32::new(0) };
        server.expect("ready");
        server
    }

    /// An empty place for a desk, apart from all others: a schema, which costs less than a database. Tells its URL; the
    /// desk's connections go by the schema's name.
    pub(crate) fn fresh_desk(&self) -> String {
        let name = format!("desk{}", self.desks.fetch_add(1, Ordering::Relaxed));
        self.run("postgres", &format!("CREATE SCHEMA {name}"));
        format!("{}?application_name={name}&options=-csearch_path%3D{name}", self.url("postgres"))
    }

    /// The URL of a database as it is.
    pub(crate) fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://desk@{folder}/{database}")
    }

    /// Runs SQL in a database or at the URL of a desk, and tells what it printed: a row per line, `|` between columns.
    pub(crate) fn run(&self, place: &str, sql: &str) -> String {
        let (place, parameters) = place.split_once('?').unwrap_or((place, ""));
        let database = place.rsplit('/').next().unwrap_or(place);
        let desk = parameters.split('&').find_map(|one| one.strip_prefix("application_name="));
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "desk", "-d", database, "-c", sql]);
        psql.env("PGOPTIONS", desk.map(|name| format!("-csearch_path={name}")).unwrap_or_default());
        let output = psql.arg("-h").arg(&self.folder).stdin(Stdio::null()).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {complaint}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Ends the server as a power loss would.
    pub(crate) fn crash(&self) {
        self.order("crash");
        self.expect("crashed");
    }

    /// Starts it again and waits until it has recovered.
    pub(crate) fn restart(&self) {
        self.order("start");
        self.expect("ready");
    }

    pub(crate) fn order(&self, order: &str) {
        let mut orders = self.orders.lock().unwrap();
        writeln!(orders.as_mut().unwrap().0, "{order}").unwrap();
    }

    pub(crate) fn expect(&self, wanted: &str) {
        let mut line = String::new();
        self.orders.lock().unwrap().as_mut().unwrap().1.read_line(&mut line).unwrap();
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        assert_eq!(line.trim(), wanted, "the tests' PostgreSQL said: {log}");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.orders.lock().unwrap().take());
        self.script.wait().unwrap();
    }
}

/// The command that runs what follows as somebody who may run PostgreSQL.
pub(crate) fn as_nobody() -> Command {
    const NOBODY: u32 = 65_534;
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        return Command::new("env");
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={NOBODY}")).arg(format!("--regid={NOBODY}")).arg("--clear-groups");
    command
}

/// Where folders are made: in memory if a gigabyte is free there.
pub(crate) fn room() -> PathBuf {
    const ENOUGH_KIB: u64 = 1024 * 1024;
    let memory = "/dev/shm";
    let told =
        Command::new("df").args(["-Pk", memory]).output().map(|output| output.stdout).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    let free_kib = told.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    if free_kib.is_some_and(|free| free > ENOUGH_KIB) { memory.into() } else { "/tmp".into() }
}

/// The folder of the newest PostgreSQL's programs.
fn programs() -> Option<PathBuf> {
    let is_complete = |bin: &Path| ["initdb", "postgres", "psql"].iter().all(|name| bin.join(name).exists());
    let mut debian: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|version| Some((version.file_name().to_str()?.parse().ok()?, version.path().join("bin"))))
        .collect();
    debian.sort_unstable();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = debian.into_iter().rev().map(|(_, bin)| bin);
    debian.chain(std::env::split_paths(&path)).find(|bin| is_complete(bin))
}
