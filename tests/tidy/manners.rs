//! What a file looks like: it says what it is, stays small, has a name that explains it, and leaves nothing unfinished.

use super::source::{Source, names};
use super::{Findings, Rule};

pub(crate) const RULES: &[Rule] =
    &[says_what_it_is, stays_small, has_a_telling_name, leaves_nothing_unfinished, cites_what_is_here];

const MAX_LINES: usize = 450;

/// An ignored test here is a process that another test starts and kills.
const STARTS_ITSELF: &[&str] = &["src/journal/contract/file.rs"];
/// And here a figure, or a row of the failure matrix, that takes long: `scripts/reliability.sh` runs it.
const LONG: &[&str] = &[
    "tests/cluster/figures/",
    "tests/cluster/partitions.rs",
    "tests/cluster/store_faults.rs",
    "tests/cluster/versions.rs",
];

const PROTOCOL: &str = include_str!("../../docs/PROTOCOL.md");

/// Names of pages that were never part of the repository.
const NO_PAGES: &[&str] =
    &["architecture", "design", "durability", "performance", "product", "protocol", "routing"];

const SAYS_NOTHING: &[&str] =
    &["utils", "util", "common", "helpers", "helper", "manager", "service", "misc", "types"];

pub(crate) fn says_what_it_is(file: &Source) -> Findings {
    if file.text.starts_with("//!") || !file.path.contains("src/") && !file.path.starts_with("tests/") {
        return Findings::new();
    }
    vec![format!("{}: it must open with a `//!` doc: what it is, why, what it refuses to do", file.path)]
}

pub(crate) fn stays_small(file: &Source) -> Findings {
    let lines = file.text.lines().count();
    if lines <= MAX_LINES {
        return Findings::new();
    }
    vec![format!("{}: {lines} lines, at most {MAX_LINES}: give a part of it a name and a file", file.path)]
}

pub(crate) fn has_a_telling_name(file: &Source) -> Findings {
    let nothing = |part: &str| SAYS_NOTHING.contains(&part.trim_end_matches(".rs"));
    if !file.path.split('/').any(nothing) {
        return Findings::new();
    }
    vec![format!("{}: such a name says nothing; name what is in it", file.path)]
}

pub(crate) fn leaves_nothing_unfinished(file: &Source) -> Findings {
    let marks = [["FIX", "ME"], ["X", "XX"], ["HA", "CK"], ["TO", "DO"]].map(|parts| parts.concat());
    let marked = file.text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| names(line, mark)));
    let mut findings: Findings =
        marked.map(|(at, _)| format!("{}:{}: finish it or leave it out", file.path, at + 1)).collect();
    let macros = ["todo!", "unimplemented!", "dbg!", "#[ignore"];
    let is_long = LONG.iter().any(|place| file.path.starts_with(place));
    let started = STARTS_ITSELF.contains(&file.path.as_str()) || is_long;
    for (at, line) in file.all_code().filter(|(_, line)| !(started && line.contains("#[ignore"))) {
        if let Some(name) = macros.iter().find(|name| line.contains(*name)) {
            findings.push(format!("{}:{at}: `{name}` does not stay", file.path));
        }
    }
    findings
}

/// A reader has this repository and no other page: "protocol 4" is a heading of `docs/PROTOCOL.md`.
pub(crate) fn cites_what_is_here(file: &Source) -> Findings {
    let mut findings = Findings::new();
    for (at, line) in file.text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let elsewhere = NO_PAGES.iter().map(|name| format!("{name} page")).find(|page| names(line, page));
        if let Some(page) = elsewhere {
            findings.push(format!("{}:{at}: there is no {page} here; name a file of `docs/`", file.path));
        }
        for cited in numbers_after(line, "protocol ") {
            if !PROTOCOL.contains(&format!("\n## {cited}. ")) {
                findings.push(format!("{}:{at}: docs/PROTOCOL.md has no section {cited}", file.path));
            }
        }
    }
    findings
}

/// The numbers, with dots where there are some, that stand right after `word`.
fn numbers_after<'a>(line: &'a str, word: &str) -> impl Iterator<Item = &'a str> {
    line.match_indices(word).filter_map(move |(at, _)| {
        let rest = &line[at + word.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        Some(rest[..end].trim_end_matches('.')).filter(|number| !number.is_empty())
    })
}

/// Exceptions that no file needs any more.
pub(crate) fn stale(files: &[Source]) -> Findings {
    STARTS_ITSELF
        .iter()
        .filter(|path| !files.iter().any(|file| file.path == **path && file.text.contains("\"--ignored\"")))
        .map(|path| format!("{path} starts no ignored test any more"))
        .collect()
}
