//! The contract byte for byte: each frame beside the JSON that stands for it, read and written both ways.
//!
//! A change here is a change of the protocol: clients that we have never seen depend on these bytes.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests say no by panicking, and their helpers stand outside of #[test]"
)]

mod asyncapi;
mod client;
mod decoding;
mod entries;
mod malformed;
mod reference;
mod samples;
mod server;

use std::collections::BTreeSet;
use std::path::PathBuf;

fn folder(kind: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", kind].iter().collect()
}

/// The one line of `tests/golden/<kind>/<name>.json`.
fn golden(kind: &str, name: &str) -> String {
    let path = folder(kind).join(format!("{name}.json"));
    match std::fs::read_to_string(&path) {
        Ok(text) => text.trim_end().to_owned(),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// The names of all files of `kind`, so that none can lie there unread.
fn golden_names(kind: &str) -> BTreeSet<String> {
    let listing = std::fs::read_dir(folder(kind)).expect("the folder of golden files");
    listing
        .map(|file| {
            file.expect("a golden file").file_name().to_string_lossy().trim_end_matches(".json").to_owned()
        })
        .collect()
}

/// The frame's type: a golden file is called `<type>` or `<type>.<case>`.
fn type_of(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
