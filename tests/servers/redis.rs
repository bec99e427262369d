//! A redis-server of the tests' own: on a free port of the loopback, keeping nothing, gone with the process.
//!
//! A shell script runs it and obeys orders on its standard input; when that closes, however the process ended, it ends the
//! server and removes its folder. Knows nothing of the desk: unit tests and whole-process tests include this file alike.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

const SCRIPT: &str = r#"
folder="$1"; shift
mkdir -m 700 "$folder" || exit 1
start() {
  redis-server --bind 127.0.0.1 --dir "$folder" --save '' --appendonly no "$@" </dev/null >>"$folder/log" 2>&1 &
  server=$!
}
start "$@"; echo started
while read -r order; do
  case "$order" in
    kill) kill -KILL "$server"; wait "$server" 2>/dev/null ;;
    start) start "$@" ;;
    freeze) kill -STOP "$server" ;;
    thaw) kill -CONT "$server" ;;
  esac
  echo "$order"
done
kill -KILL "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -rf "$folder"
"#;

/// How long a server may be silent before a test falls.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A running server.
pub(crate) struct RedisServer {
    port: u16,
    script: Child,
    orders: Mutex<Option<(ChildStdin, BufReader<ChildStdout>)>>,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with settings as on redis-server's command line.
    pub(crate) fn start_with(settings: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = std::env::temp_dir().join(format!("rushdesk-redis-{}-{port}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "redis-of-the-tests"]).arg(&folder);
        command.args(["--port", &port.to_string()]).args(settings).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut script = command.spawn().expect("a shell runs the server");
        let orders = (script.stdin.take().unwrap(), BufReader::new(script.stdout.take().unwrap()));
        let server = Self { port, script, orders: Mutex::new(Some(orders)) };
        server.expect("started");
        server.await_answer();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends the server as a crash would.
    pub(crate) fn kill(&self) {
        self.order("kill");
    }

    /// Starts it again, empty, on the same port.
    pub(crate) fn restart(&self) {
        self.order("start");
        self.await_answer();
    }

    /// Stops it in its tracks: connections stay, nothing is answered.
    pub(crate) fn freeze(&self) {
        self.order("freeze");
    }

    pub(crate) fn thaw(&self) {
        self.order("thaw");
    }

    /// Says one command on a connection of its own, and tells the first line of the answer.
    pub(crate) fn say<Part: AsRef<[u8]>>(&self, command: &[Part]) -> String {
        let mut answer = String::new();
        BufReader::new(self.stranger(command)).read_line(&mut answer).expect("redis-server answers");
        answer.trim_end().to_owned()
    }

    /// A connection that has said one command and reads nothing.
    pub(crate) fn stranger<Part: AsRef<[u8]>>(&self, command: &[Part]) -> TcpStream {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("redis-server listens");
        stream.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
        let mut spoken = format!("*{}\r\n", command.len()).into_bytes();
        for part in command.iter().map(AsRef::as_ref) {
            spoken.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
            spoken.extend_from_slice(part);
            spoken.extend_from_slice(b"\r\n");
        }
        stream.write_all(&spoken).unwrap();
        stream
    }

    fn await_answer(&self) {
        for _ in 0..400 {
            let answers = TcpStream::connect(("127.0.0.1", self.port)).is_ok_and(|mut stream| {
                stream.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
                // Whatever it says, an error too: one that asks for a password answers as well.
                stream.write_all(b"PING\r\n").is_ok() && stream.read(&mut [0; 1]).is_ok_and(|read| read == 1)
            });
            if answers {
                return;
            }
            self.pause();
        }
        panic!(
            "redis-server gives no answer: install it (apt-get install redis-server), these tests start their own"
        );
    }

    #[expect(clippy::disallowed_methods, reason = "a test may wait")]
    fn pause(&self) {
        std::thread::sleep(Duration::from_millis(25));
    }

    fn order(&self, order: &str) {
        writeln!(self.orders.lock().unwrap().as_mut().unwrap().0, "{order}").unwrap();
        self.expect(order);
    }

    fn expect(&self, wanted: &str) {
        let mut line = String::new();
        self.orders.lock().unwrap().as_mut().unwrap().1.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), wanted, "the script of the tests' redis-server");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        drop(self.orders.lock().unwrap().take());
        self.script.wait().unwrap();
    }
}
