//! A Rust file as lines of words: code without comments and strings, and where its test module begins.
//!
//! Good enough for words, not a parser: char literals with a quote and nested block comments are not looked into.

use std::path::{Path, PathBuf};

/// One file.
pub(crate) struct Source {
    /// From the repository's root, with forward slashes.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Line by line without comments and string contents; as many lines as `text`.
    code: Vec<String>,
    /// Lines of code before the file's own test module.
    shipped_lines: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code: Vec<String> = without_comments_and_strings(text).lines().map(Into::into).collect();
        let tests = code.windows(2).position(|pair| {
            pair[0].trim() == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        });
        let shipped_lines = tests.unwrap_or(code.len());
        Self { path: path.into(), text: text.into(), code, shipped_lines }
    }

    /// `src/routing/queue.rs` → `routing/queue.rs`; empty for files outside `src`.
    pub(crate) fn room(&self) -> &str {
        self.path.strip_prefix("src/").unwrap_or("")
    }

    /// Compiled for tests only.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or("");
        !self.path.contains("src/")
            || self.path.contains("/tests/")
            || self.path.contains("/contract/")
            || name == "tests.rs"
            || name == "contract.rs"
            || name.ends_with("_tests.rs")
    }

    /// Numbered lines of code that ship, without comments and strings.
    pub(crate) fn shipped(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = if self.is_test() { 0 } else { self.shipped_lines };
        self.code.iter().take(lines).enumerate().map(|(at, line)| (at + 1, line.as_str()))
    }

    /// Numbered lines of all code, tests included.
    pub(crate) fn all_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.iter().enumerate().map(|(at, line)| (at + 1, line.as_str()))
    }

    /// Findings for every shipped line that names one of `words`.
    pub(crate) fn naming(&self, words: &[&str], rule: &str) -> Vec<String> {
        self.shipped()
            .filter_map(|(at, line)| {
                let word = words.iter().find(|word| names(line, word))?;
                Some(format!("{}:{at}: `{word}`: {rule}", self.path))
            })
            .collect()
    }
}

/// Whether `word` stands in `line` as a whole word.
pub(crate) fn names(line: &str, word: &str) -> bool {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        !part_of_word(line[..at].chars().next_back()) && !part_of_word(line[at + word.len()..].chars().next())
    })
}

/// All Rust files under `folders`, sorted by path.
pub(crate) fn read(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                files.push(Source::new(&name, &std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn without_comments_and_strings(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if next == '"' {
            string_end(rest)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        code.extend(rest[..skipped].chars().filter(|c| *c == '\n'));
        rest = &rest[skipped..];
    }
    code
}

fn string_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == '"' && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

#[test]
fn words_in_comments_strings_and_test_modules_are_no_code() {
    let text = "//! tokio\nfn a() { b(\"tokio \\\" x\"); } // tokio\nuse tokio_x;\n/* tokio\n */ c();\n#[cfg(test)]\nmod tests {\n    use tokio::x;\n}\n";
    let file = Source::new("src/routing/a.rs", text);
    assert_eq!(file.naming(&["tokio"], "no"), Vec::<String>::new());
    assert_eq!(file.all_code().filter(|(_, line)| names(line, "tokio")).count(), 1);
    assert_eq!(file.shipped().last().map(|(at, _)| at), Some(5));
}
