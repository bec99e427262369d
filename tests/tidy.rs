//! The house rules as a test: which room may know which, and what a file may look like (`docs/ARCHITECTURE.md`).
//!
//! `source` reads files as plain text with comments, strings and test modules told apart; `directions` holds the rules
//! about who may name whom, `manners` those about form. Every rule is a function of files, so each is proved here by a
//! file that breaks it. Refuses to parse Rust: a rule that needs more than words is a lint's business.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fall over where it stands")]

#[path = "tidy/directions.rs"]
mod directions;
#[path = "tidy/manners.rs"]
mod manners;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/violations.rs"]
mod violations;

use source::Source;

/// What is wrong in a file, with the line where there is one.
type Findings = Vec<String>;

/// A rule about one file.
type Rule = fn(&Source) -> Findings;

fn demand(rules: &[Rule], files: &[Source]) {
    let findings: Findings = files.iter().flat_map(|file| rules.iter().flat_map(|rule| rule(file))).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn rooms_know_only_whom_they_may_know() {
    let files = source::read(&["src", "loadtest/src"]);
    assert!(files.len() > 100, "only {} files were found: the rules looked at nothing", files.len());
    demand(directions::RULES, &files);
}

#[test]
fn files_keep_their_form() {
    demand(manners::RULES, &source::read(&["src", "loadtest/src", "tests", "benches"]));
}

#[test]
fn pure_rooms_exist_and_exceptions_are_still_needed() {
    let files = source::read(&["src"]);
    let stale: Findings = directions::missing(&files).into_iter().chain(manners::stale(&files)).collect();
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}
