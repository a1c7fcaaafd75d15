//! The known word that an unknown one was most likely meant to be.

/// The nearest of the known words, if one is near enough to be what was meant.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    // a third of the letters may be wrong: more of them and the hint misleads
    let allowed = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the choice of separator are no difference.
fn plain(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '_' | '-' | '.')).flat_map(char::to_lowercase).collect()
}

/// Insertions, deletions and replacements from one word to the other; two neighbours swapped count as one.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut last_letter = None;
    for (row, letter) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, column) + usize::from(letter != *other))
                .min(at(&last, column + 1) + 1)
                .min(at(&current, column) + 1);
            let before = column.checked_sub(1);
            let swapped = before.is_some_and(|before| to.get(before) == Some(&letter)) && last_letter == Some(*other);
            if let (true, Some(before)) = (swapped, before) {
                best = best.min(at(&before_last, before) + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
        last_letter = Some(letter);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let known = ["linger", "batch_records", "url", "every", "timeout"];
        assert_eq!(nearest("lnger", known), Some("linger"));
        assert_eq!(nearest("ulr", known), Some("url"));
        assert_eq!(nearest("batchRecords", known), Some("batch_records"));
        assert_eq!(nearest("time-out", known), Some("timeout"));
    }

    #[test]
    fn keeps_silent_where_nothing_is_near() {
        assert_eq!(nearest("compression", ["linger", "url"]), None);
        assert_eq!(nearest("", ["url"]), None);
    }

    #[test]
    fn counts_edits() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("same", "same"), 0);
    }
}
