//! A desk under test: the real program on a store of its own, which can be killed, stopped and started again.

use rushdesk::rehearsal::http::{Answer, Ask, Http};
use rushdesk::rehearsal::target::Target;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const ADMIN_PASSWORD: &str = "the-admin-of-the-tests";
pub(crate) const VISITOR_SECRET: &str = "the-visitor-secret-of-the-tests!";
const PROGRAM: &str = env!("CARGO_BIN_EXE_rushdesk");
/// Where a desk on a disk of its own has it, within its folder.
const DISK: &str = "disk";
const READY_WITHIN: Duration = Duration::from_secs(30);
const STOPPED_WITHIN: Duration = Duration::from_secs(40);

/// A running desk; it is killed when this is dropped.
pub(crate) struct Desk {
    folder: TempDir,
    pub(crate) how: How,
    child: Child,
    pub(crate) target: Target,
    admin: Option<String>,
}

/// How a desk is started.
#[derive(Default, Clone)]
pub(crate) struct How {
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    /// Another version of the program, from the next start on.
    pub(crate) program: Option<PathBuf>,
    /// The store lies on a disk of its own of so many bytes.
    disk_bytes: Option<u64>,
}

impl Desk {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With settings as `section.key=value`, over those of the tests.
    pub(crate) fn with(settings: &[&str]) -> Self {
        Self::begin(How { settings: owned(settings), ..How::default() })
    }

    /// With variables of the environment that are no settings' of the tests.
    pub(crate) fn with_environment(settings: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::of_version(None, settings, environment)
    }

    /// By another version of the program, where one is named.
    pub(crate) fn of_version(
        version: Option<&Path>,
        settings: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let program = version.map(Path::to_owned);
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::begin(How { settings: owned(settings), environment, program, disk_bytes: None })
    }

    /// With its store on a disk of its own, which is gone with the process (see `disk`).
    pub(crate) fn on_a_disk_of(bytes: u64, settings: &[&str]) -> Self {
        Self::begin(How { settings: owned(settings), disk_bytes: Some(bytes), ..How::default() })
    }

    fn begin(how: How) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (child, target) = spawn(&folder, &how);
        Self { folder, how, child, target, admin: None }
    }

    /// The disk of `on_a_disk_of`, as it is seen from here.
    pub(crate) fn disk(&self) -> PathBuf {
        let inside = self.folder.path().join(DISK);
        PathBuf::from(format!("/proc/{}/root{}", self.pid(), inside.display()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("rushdesk.db")
    }

    /// What the desk has logged so far, over all its lives.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// SIGKILL: nothing can be tidied up.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a running desk");
        self.child.wait().expect("a dead desk");
    }

    /// SIGKILL for a desk on a disk of its own; what the disk held becomes the store of the next start. The disk lives as
    /// long as its files are open here.
    pub(crate) fn kill_and_rescue(&mut self) {
        let disk = self.disk();
        let names = ["rushdesk.db", "rushdesk.db-wal"];
        let files = names.map(|name| File::open(disk.join(name)).expect("a file of the store"));
        self.kill();
        for (name, mut file) in names.into_iter().zip(files) {
            let mut kept = File::create(self.folder.path().join(name)).expect("a file");
            std::io::copy(&mut file, &mut kept).expect("a copy");
        }
        self.how.disk_bytes = None;
    }

    /// SIGTERM, and waits for the end.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    /// Waits for the end, which somebody else brings about.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a desk") {
                return status;
            }
            assert!(began.elapsed() < STOPPED_WITHIN, "the desk does not stop:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status();
        assert!(sent.expect("kill").success());
    }

    /// A new process on the same store, on the same port so that clients find it again.
    pub(crate) fn start_again(&mut self) {
        let mut how = self.how.clone();
        how.settings.push(format!("server.listen={}", self.target.address()));
        let (child, target) = spawn(&self.folder, &how);
        self.child = child;
        assert_eq!(target, self.target);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a desk").is_none()
    }

    /// Asks over REST.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        self.ask_with(method, path, token, body, &[]).await
    }

    pub(crate) async fn ask_with(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let ask = Ask { method, path, token, headers, body };
        Http::new(self.target).ask(&ask).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// The answer's JSON; panics unless the status is 2xx.
    pub(crate) async fn must(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Value {
        let answer = self.ask(method, path, Some(token), body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {} {}", answer.status, answer.text());
        answer.json()
    }

    /// A log-in's token.
    pub(crate) async fn log_in(&self, login: &str, password: &str) -> String {
        let body = json!({"login": login, "password": password});
        let answer = self.ask("POST", "/api/v1/auth/login", None, Some(body)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        text(&answer.json(), "token")
    }

    /// The administrator's token.
    pub(crate) async fn admin(&mut self) -> String {
        if self.admin.is_none() {
            self.admin = Some(self.log_in("admin", ADMIN_PASSWORD).await);
        }
        self.admin.clone().expect("just made")
    }

    /// A new visitor: id and token.
    pub(crate) async fn visitor(&self) -> (String, String) {
        let answer = self.ask("POST", "/api/v1/visitors", None, Some(json!({"name": "顾客"}))).await;
        assert!((200..300).contains(&answer.status), "{}", answer.text());
        let made = answer.json();
        (text(&made["visitor"], "id"), text(&made, "token"))
    }

    /// A new agent of `general`: id and token.
    pub(crate) async fn agent(&mut self, login: &str, capacity: u32) -> (String, String) {
        self.hire(login, "agent", &["general"], capacity).await
    }

    pub(crate) async fn hire(
        &mut self,
        login: &str,
        role: &str,
        groups: &[&str],
        capacity: u32,
    ) -> (String, String) {
        let admin = self.admin().await;
        let password = format!("{login}-has-a-long-password");
        let body = json!({"login": login, "name": format!("Agent {login}"), "password": password, "role": role,
            "groups": groups, "capacity": capacity});
        let made = self.must("POST", "/api/v1/agents", &admin, Some(body)).await;
        (text(&made, "id"), self.log_in(login, &password).await)
    }

    /// The whole log as the administrator sees it.
    pub(crate) async fn entries(&mut self, conversation: &str) -> Vec<Value> {
        let admin = self.admin().await;
        let path = format!("/api/v1/conversations/{conversation}/entries?limit=500");
        self.must("GET", &path, &admin, None).await["items"].as_array().expect("items").clone()
    }

    /// One metric's value, by its name with labels as it stands on the page.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let page = self.ask("GET", "/metrics", None, None).await.text();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no `{name}` in:\n{page}")).parse().expect("a whole number")
    }

    /// Resident memory of the process.
    pub(crate) fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running desk");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.split_whitespace().next().expect("a number").parse().expect("a number")
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // It may be dead already, by the test's own hand.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(4_000);
            eprintln!("--- the desk's log ends:\n{}", String::from_utf8_lossy(&log.as_bytes()[tail..]));
        }
    }
}

pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {value}")).to_owned()
}

fn owned(settings: &[&str]) -> Vec<String> {
    settings.iter().map(|setting| (*setting).to_owned()).collect()
}

/// The program with a clean environment of settings.
pub(crate) fn program(folder: &Path) -> Command {
    in_a_clean_environment(Command::new(PROGRAM), folder, &folder.join("rushdesk.db"))
}

/// As `program`, with its store on a disk of its own: a file system in memory that only this process sees. `before` is
/// shell, run once the disk is there; `$1` is the program.
pub(crate) fn program_on_a_disk(folder: &Path, bytes: u64, before: &str) -> Command {
    let script =
        format!("mkdir -p {DISK}; mount -t tmpfs -o size={bytes} tmpfs {DISK}; {before} exec \"$@\"");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-ec", &script, "sh", PROGRAM]);
    in_a_clean_environment(command, folder, &folder.join(DISK).join("rushdesk.db"))
}

/// Whether this machine lets a test have a disk of its own. Some containers do not; what is said then stands in the
/// test's output.
pub(crate) fn may_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-ec", "mount -t tmpfs tmpfs /tmp"])
        .output();
    let may = tried.as_ref().is_ok_and(|out| out.status.success());
    if !may {
        println!("not tried, for want of a disk of its own: {tried:?}");
    }
    may
}

fn in_a_clean_environment(mut command: Command, folder: &Path, store: &Path) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RUSHDESK__")) {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env("RUSHDESK__SERVER__LISTEN", "127.0.0.1:0")
        .env("RUSHDESK__STORE__URL", format!("sqlite://{}", store.display()))
        .env("RUSHDESK__BOOTSTRAP__ADMIN_PASSWORD", ADMIN_PASSWORD)
        .env("RUSHDESK__AUTH__VISITOR_SECRET", VISITOR_SECRET)
        // The cheapest that is allowed: these tests are not about guessing passwords.
        .env("RUSHDESK__AUTH__ARGON2_MEMORY_KIB", "8192")
        .env("RUSHDESK__AUTH__ARGON2_PASSES", "1")
        .env("RUSHDESK__SERVER__DRAIN_S", "1");
    command
}

fn spawn(folder: &TempDir, how: &How) -> (Child, Target) {
    let log = File::options().create(true).append(true).open(folder.path().join("log")).expect("a log file");
    let mut command = match (how.disk_bytes, &how.program) {
        (Some(bytes), _) => program_on_a_disk(folder.path(), bytes, ""),
        (None, Some(other)) => {
            in_a_clean_environment(Command::new(other), folder.path(), &folder.path().join("rushdesk.db"))
        }
        (None, None) => program(folder.path()),
    };
    command.envs(how.environment.iter().map(|(name, value)| (name, value))).arg("serve");
    for setting in &how.settings {
        command.arg("--set").arg(setting);
    }
    let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program");
    let out = child.stdout.take().expect("standard output");
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("listening on ") {
                drop(tell.send(address.to_owned()));
            }
        }
    });
    let Ok(address) = told.recv_timeout(READY_WITHIN) else {
        drop(child.kill());
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("the desk did not say `listening on …` within {READY_WITHIN:?}; it logged:\n{log}");
    };
    (child, address.parse().expect("a loopback address"))
}
