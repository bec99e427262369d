//! Which known name was meant: the one fewest keystrokes away.

/// The name of `known` nearest to `given`, if it is near enough to have been meant.
pub(super) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let (away, name) = known.map(|name| (distance(given, name), name)).min_by_key(|(away, _)| *away)?;
    (away <= 1 + name.chars().count() / 3).then_some(name)
}

/// Levenshtein distance in characters.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (above, a) in left.chars().enumerate() {
        let mut diagonal = above;
        let mut beside = above + 1;
        if let Some(first) = row.first_mut() {
            *first = beside;
        }
        for (cell, b) in row.iter_mut().skip(1).zip(right.chars()) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = *cell;
            beside = replaced.min(beside + 1).min(diagonal + 1);
            *cell = beside;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_was_meant_is_found_and_a_stranger_is_not() {
        let known = ["name", "login", "capacity"];
        for (given, meant) in [
            ("nmae", Some("name")),
            ("capactiy", Some("capacity")),
            ("logins", Some("login")),
            ("zzzzzz", None),
        ] {
            assert_eq!(nearest(given, known.into_iter()), meant, "{given}");
        }
        assert_eq!(distance("", "客服"), 2);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
