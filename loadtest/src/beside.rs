//! The bare relay as a process of its own, so that its CPU can be told from the driver's.

use rushdesk::rehearsal::target::Target;
use std::io;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A running bare relay; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Floor {
    child: Child,
    pub(crate) target: Target,
}

impl Floor {
    /// Starts this very program as a bare relay, on `core` where one is named.
    ///
    /// # Errors
    /// It cannot be started, or does not say where it listens.
    pub(crate) async fn start(core: Option<u32>, for_s: u64) -> io::Result<Self> {
        let program = std::env::current_exe()?;
        let mut command = match core {
            Some(core) => {
                let mut bound = Command::new("taskset");
                bound.arg("-c").arg(core.to_string()).arg(program);
                bound
            }
            None => Command::new(program),
        };
        command.args(["floor", "--for-s", &for_s.to_string()]).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let silent = || io::Error::other("the bare relay did not say where it listens");
        let mut lines = BufReader::new(child.stdout.take().ok_or_else(silent)?).lines();
        let line = lines.next_line().await?.ok_or_else(silent)?;
        let target =
            line.strip_prefix("listening on ").and_then(|address| address.parse().ok()).ok_or_else(silent)?;
        Ok(Self { child, target })
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        // `taskset` becomes the program it starts: the process stays the same.
        self.child.id()
    }
}
