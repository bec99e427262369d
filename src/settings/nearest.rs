//! Which known name was meant: the one that the fewest keystrokes away.
//!
//! Pure. Used for unknown settings, and open to other rooms that refuse unknown names.

/// The name of `known` that is nearest to `given` by edit distance; the first of several. `None` where none is known.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|name| distance(given, name))
}

/// The known `section.key` nearest to `given`. A key in another section, or without its section, counts as two
/// keystrokes away, so that `listen` finds `server.listen`.
pub(super) fn nearest_key<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let last = given.rsplit('.').next().unwrap_or(given);
    known.into_iter().min_by_key(|name| {
        let name_last = name.rsplit('.').next().unwrap_or(name);
        distance(given, name).min(distance(last, name_last).saturating_add(2))
    })
}

/// Levenshtein distance in characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (done, from) in left.chars().enumerate() {
        let mut diagonal = done;
        let mut before = done + 1;
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, to) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = *cell;
            before = replaced.min(before + 1).min(diagonal + 1);
            *cell = before;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (left, right, expected) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("listn", "listen", 1),
            ("客服", "客户", 1),
        ] {
            assert_eq!(distance(left, right), expected, "{left} to {right}");
            assert_eq!(distance(right, left), expected, "{right} to {left}");
        }
    }

    #[test]
    fn the_key_that_was_meant_is_found_with_a_wrong_or_missing_section() {
        let known = ["server.listen", "limits.hello_s", "routing.offer_s"];
        for (given, meant) in [
            ("server.listn", "server.listen"),
            ("sever.listen", "server.listen"),
            ("listen", "server.listen"),
            ("conversation.offer_s", "routing.offer_s"),
        ] {
            assert_eq!(nearest_key(given, known), Some(meant), "{given}");
        }
    }
}
