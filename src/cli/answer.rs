//! Standard output: what a command answers, and nothing else.

use super::Failure;
use std::io::{ErrorKind, Write};

/// Writes `text` and a line end. A reader that has gone away wants no more, which is no failure.
///
/// # Errors
/// Standard output cannot be written.
pub fn answer(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written =
        out.write_all(text.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("the answer could not be written: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes `value` as JSON on one line.
///
/// # Errors
/// Standard output cannot be written.
pub fn answer_json(value: &serde_json::Value) -> Result<(), Failure> {
    answer(&value.to_string())
}
