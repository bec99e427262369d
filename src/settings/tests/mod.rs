//! Tables about settings; here what they share: settings given in one spelling.

mod faults;
mod files;
mod layering;

use super::{Flag, Loaded, Problem, Sources, load};
use std::io::Write;
use tempfile::NamedTempFile;

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn flag(key: &str, value: &str) -> Flag {
    Flag { key: key.into(), value: value.into(), spelling: format!("--set {key}") }
}

fn from_file(text: &str) -> Result<Loaded, Vec<Problem>> {
    let file = file(text);
    load(&Sources { files: vec![file.path().into()], ..Sources::default() }).map_err(|error| error.0)
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    load(&Sources { environment, ..Sources::default() }).map_err(|error| error.0)
}

fn from_flags(flags: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let flags = flags.iter().map(|(key, value)| flag(key, value)).collect();
    load(&Sources { flags, ..Sources::default() }).map_err(|error| error.0)
}

fn shown<'a>(loaded: &'a Loaded, key: &str) -> (&'a str, &'a str) {
    let effective = loaded.effective.iter().find(|effective| effective.key == key).unwrap();
    (&effective.value, &effective.origin)
}
