//! A network of a test's own. The test runs again, as a process in a network namespace and a mount namespace that nobody
//! else is in: servers, nodes and clients are its children, so nothing reaches the machine's network, and both namespaces
//! are gone with the last of them, however they end.
//!
//! All of them speak TCP over that namespace's loopback. Each node has an address of its own for each server (127.0.1.2
//! is the store as node 2 reaches it), so the packet filter can lose what one node sends to one server, what comes back,
//! or both, and a share of everything. Packets are lost on arrival, as on a wire: nobody is told.
//!
//! Nodes speak to each other by the store and Redis only: there is no way between two nodes that could be cut. Delay is
//! `fault_proxy`'s: not every kernel has netem.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

/// Set in the process that is inside.
const INSIDE: &str = "RUSHDESK_TESTS_NETWORK";
/// What the tests' PostgreSQL listens to beside its socket (`postgres`).
const LISTENS: &str = "POSTGRES_OF_THE_TESTS_LISTENS";
const TABLE: &str = "add table ip faults
    add chain ip faults arriving { type filter hook input priority 0; }
    flush chain ip faults arriving\n";

/// Plays in a network of its own. `test` is the name by which the test program knows the test that calls this.
pub(crate) fn apart(test: &str, play: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(play);
        return;
    }
    if let Err(why) = may_be_apart() {
        let must = std::env::var_os("CI").is_some() || is_root();
        assert!(!must, "{test} must run here and cannot: {why}");
        eprintln!("NOT TRIED: {test}: {why}");
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "sh", "-ec", "ip link set lo up; exec \"$@\"", "sh"]).arg(program);
    command.args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"]);
    command.env(INSIDE, "1").env(LISTENS, "*").stdin(Stdio::null());
    let output = command.output().expect("unshare");
    let [out, err] = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    print!("{out}");
    eprint!("{err}");
    assert!(output.status.success(), "{test}, in a network of its own: {}", output.status);
    assert!(out.contains(" 1 passed;"), "there is no test {test} in this program");
}

/// Says what is missing where it cannot be.
fn may_be_apart() -> Result<(), String> {
    if !is_root() {
        return Err("network namespaces ask for root: run the tests as root, or with sudo -E".to_owned());
    }
    for (program, package) in [("unshare", "util-linux"), ("ip", "iproute2"), ("nft", "nftables")] {
        if Command::new(program).arg("-V").output().is_err() {
            return Err(format!("`{program}` is missing: apt-get install {package}"));
        }
    }
    let tried = Command::new("unshare").args(["--net", "--mount", "nft", "list", "ruleset"]).output();
    let tried = tried.map_err(|error| error.to_string())?;
    let said =
        || format!("no network namespace with a packet filter: {}", String::from_utf8_lossy(&tried.stderr));
    if tried.status.success() { Ok(()) } else { Err(said()) }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// What a node reaches by an address of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Server {
    Store,
    Redis,
}

/// What is lost between a node and a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    Asks,
    Answers,
    Both,
}

/// Where node `node`, counted from 1, finds a server.
pub(crate) fn address(server: Server, node: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, if server == Server::Store { 1 } else { 2 }, node)
}

/// The packet filter of the namespace.
#[derive(Default)]
pub(crate) struct Network {
    rules: BTreeSet<String>,
}

impl Network {
    /// From now on this is lost, until `heal`.
    pub(crate) fn cut(&mut self, node: u8, server: Server, lost: Lost) {
        let address = address(server, node);
        if lost != Lost::Answers {
            self.rules.insert(format!("ip daddr {address}"));
        }
        if lost != Lost::Asks {
            self.rules.insert(format!("ip saddr {address}"));
        }
        self.enforce();
    }

    /// One packet of a hundred is lost, whoever sends it, until `heal`.
    pub(crate) fn lose_one_of_a_hundred(&mut self) {
        self.rules.insert("numgen random mod 100 < 1".to_owned());
        self.enforce();
    }

    /// Everything arrives again. A fault that met no packet was none: the test would have proved nothing.
    pub(crate) fn heal(&mut self) {
        let told = nft(&["list", "chain", "ip", "faults", "arriving"], "");
        let rules = std::mem::take(&mut self.rules);
        let met = |rule: &String| {
            let is_of = |line: &&str| line.contains(rule.as_str()) && !line.contains("packets 0 ");
            told.lines().find(is_of).inspect(|line| println!("lost: {}", line.trim())).is_some()
        };
        let met: Vec<&str> = rules.iter().filter(|rule| met(rule)).map(|rule| place(rule)).collect();
        // Where nothing is asked nothing is answered: of two directions one may be empty.
        let untouched = rules.iter().find(|rule| !met.contains(&place(rule)));
        assert_eq!(untouched, None, "nothing was lost there: {told}");
        self.enforce();
    }

    fn enforce(&self) {
        let mut script = TABLE.to_owned();
        for rule in &self.rules {
            script.push_str(&format!("add rule ip faults arriving {rule} counter drop\n"));
        }
        nft(&["-f", "-"], &script);
    }
}

/// What a rule is about: its last word.
fn place(rule: &str) -> &str {
    rule.rsplit(' ').next().unwrap_or(rule)
}

fn nft(arguments: &[&str], script: &str) -> String {
    assert!(std::env::var_os(INSIDE).is_some(), "not in the machine's own network");
    let mut command = Command::new("nft");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("nft");
    child.stdin.take().expect("its input").write_all(script.as_bytes()).expect("a script");
    let output = child.wait_with_output().expect("nft");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
