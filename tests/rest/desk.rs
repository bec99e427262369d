//! A desk of its own for each test: the program on a temporary store and a free port, and a client that speaks HTTP.

use rushdesk::store::sqlite::SqliteStore;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Of the agent `admin`.
pub(crate) const PASSWORD: &str = "open sesame";
/// In the desk's folder.
const LOG: &str = "log";

/// A running desk; ended when it is dropped.
pub(crate) struct Desk {
    process: Child,
    pub(crate) address: String,
    folder: PathBuf,
    variables: Vec<(String, String)>,
    kept: Option<tempfile::TempDir>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of an answer with this status.
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// Checks that it is problem details with this status and code; gives back what is wrong.
    pub(crate) fn refused(&self, status: u16, code: &str) -> String {
        let problem = self.expect(status);
        assert!(self.head.contains("application/problem+json"), "{self:?}");
        assert_eq!((problem["code"].as_str(), problem["status"].as_u64()), (Some(code), Some(status.into())));
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Desk {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With settings of its own beside the test's.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let kept = tempfile::tempdir().unwrap();
        let folder = kept.path().to_path_buf();
        let fixed = [
            ("RUSHDESK__SERVER__LISTEN", "127.0.0.1:0"),
            ("RUSHDESK__SERVER__WORKERS", "1"),
            ("RUSHDESK__SERVER__DRAIN_S", "0"),
            ("RUSHDESK__AUTH__ARGON2_MEMORY_KIB", "8"),
            ("RUSHDESK__AUTH__ARGON2_PASSES", "1"),
            ("RUSHDESK__BOOTSTRAP__ADMIN_PASSWORD", PASSWORD),
            ("RUSHDESK__LOG__LEVEL", "warn"),
        ];
        let variables = fixed.iter().chain(settings);
        let variables =
            variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>();
        let (process, address) = run(&folder, &variables);
        Self { process, address, folder, variables, kept: Some(kept) }
    }

    /// Kills the process and starts another one on the same store.
    pub(crate) fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let (process, address) = run(&self.folder, &self.variables);
        self.process = process;
        self.address = address;
    }

    /// Runs another command of the program beside the desk, on its store.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_rushdesk"))
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .envs(self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())))
            .current_dir(&self.folder)
            .output()
            .unwrap()
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        self.ask_from([127, 0, 0, 1], method, path, headers, body)
    }

    /// As `ask`, from another address of this machine.
    pub(crate) fn ask_from(
        &self,
        own: [u8; 4],
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let mut socket = self.connect_from(own);
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: desk\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        // A desk that refuses a body early may close before all of it was sent; the answer counts.
        drop(socket.write_all(body));
        let mut bytes = Vec::new();
        drop(socket.read_to_end(&mut bytes));
        let answer = String::from_utf8_lossy(&bytes).into_owned();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let text = if chunked { unchunked(text) } else { text.to_owned() };
        Response { status, head: head.to_owned(), text }
    }

    fn connect_from(&self, own: [u8; 4]) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((own, 0)).into()).unwrap();
        socket.connect(&self.address.parse::<SocketAddr>().unwrap().into()).unwrap();
        socket.into()
    }

    /// How many files lie in the folder of attachments; each attachment has two.
    pub(crate) fn attachments(&self) -> usize {
        std::fs::read_dir(self.folder.join("data/attachments")).unwrap().count()
    }

    /// The configuration store in the desk's file, as another process has it.
    pub(crate) fn store_beside(&self) -> SqliteStore {
        SqliteStore::open(&self.folder.join("data/rushdesk.db")).unwrap()
    }

    /// What the desk has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join(LOG)).unwrap()
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> Response {
        self.ask("GET", path, &[("Authorization", &format!("Bearer {token}"))], b"")
    }

    pub(crate) fn post(&self, path: &str, token: &str, body: Value) -> Response {
        self.keyed("POST", path, token, None, body)
    }

    pub(crate) fn patch(&self, path: &str, token: &str, body: Value) -> Response {
        self.keyed("PATCH", path, token, None, body)
    }

    pub(crate) fn delete(&self, path: &str, token: &str) -> Response {
        self.ask("DELETE", path, &[("Authorization", &format!("Bearer {token}"))], b"")
    }

    pub(crate) fn keyed(
        &self,
        method: &str,
        path: &str,
        token: &str,
        key: Option<&str>,
        body: Value,
    ) -> Response {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Content-Type", "application/json")];
        if !token.is_empty() {
            headers.push(("Authorization", &bearer));
        }
        if let Some(key) = key {
            headers.push(("Idempotency-Key", key));
        }
        self.ask(method, path, &headers, body.to_string().as_bytes())
    }

    /// Asks, and goes away without waiting for the answer.
    pub(crate) fn hang_up(&self, method: &str, path: &str, token: &str, key: &str, body: &Value) {
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: desk\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {key}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        TcpStream::connect(&self.address).unwrap().write_all(request.as_bytes()).unwrap();
    }

    /// Logs in; gives back the token.
    pub(crate) fn log_in(&self, login: &str, password: &str) -> String {
        let answer = self.post("/api/v1/auth/login", "", json!({ "login": login, "password": password }));
        answer.expect(200)["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn admin(&self) -> String {
        self.log_in("admin", PASSWORD)
    }

    /// Adds an agent with the password `password`; gives back id and token.
    pub(crate) fn agent(&self, admin: &str, login: &str, role: &str, groups: &[&str]) -> (String, String) {
        let body = json!({
            "login": login, "name": login, "password": "password", "role": role, "groups": groups, "capacity": 2
        });
        let added = self.post("/api/v1/agents", admin, body).expect(201);
        (added["id"].as_str().unwrap().to_owned(), self.log_in(login, "password"))
    }

    /// Makes an anonymous visitor; gives back id and token.
    pub(crate) fn visitor(&self) -> (String, String) {
        let made = self.post("/api/v1/visitors", "", json!({ "name": "Vi" })).expect(201);
        (made["visitor"]["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned())
    }

    /// Opens a visitor's conversation with `hello`; gives back its id.
    pub(crate) fn open(&self, visitor: &str, group: &str) -> String {
        let body = json!({ "group": group, "subject": "size", "content": text("hello") });
        let opened = self.post("/api/v1/conversations", visitor, body).expect(201);
        opened["id"].as_str().unwrap().to_owned()
    }

    /// Asks until `done` finds what it waits for.
    pub(crate) fn until(&self, path: &str, token: &str, done: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..400 {
            let answer = self.get(path, token).expect(200);
            if done(&answer) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
        panic!("{path} never came to it: {:?}", self.get(path, token));
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
        if std::thread::panicking() {
            eprintln!("--- the desk's log:\n{}", self.log());
        }
        drop(self.kept.take());
    }
}

pub(crate) fn text(text: &str) -> Value {
    json!({ "kind": "text", "text": text })
}

fn run(folder: &Path, variables: &[(String, String)]) -> (Child, String) {
    let log = OpenOptions::new().create(true).append(true).open(folder.join(LOG)).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_rushdesk"))
        .arg("serve")
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
    (process, address.to_owned())
}

fn unchunked(text: &str) -> String {
    let (mut whole, mut rest) = (String::new(), text);
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
    whole
}
