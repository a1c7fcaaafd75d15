//! Whether what was printed is what a page shows: both go in, whether they agree comes out.

/// Stands for anything.
const ANYTHING: &str = "…";

/// Whether the whole output is as shown.
pub(super) fn agrees(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (lines(shown), lines(printed));
    all(&shown, &printed)
}

/// Where in `printed` the lines shown end; `None` while they are not all there. Others may stand before and between them.
pub(super) fn said(shown: &str, printed: &str) -> Option<usize> {
    let mut wanted = lines(shown).into_iter().filter(|line| *line != ANYTHING && !line.is_empty()).peekable();
    let mut end = 0;
    for line in printed.split_inclusive('\n') {
        end += line.len();
        wanted.next_if(|wanted| fits(wanted, line.trim_end()));
        if wanted.peek().is_none() {
            return Some(end);
        }
    }
    wanted.peek().is_none().then_some(0)
}

/// Without the space at the ends of lines, and without empty lines at the end.
fn lines(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}

fn all(shown: &[&str], printed: &[&str]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        ([ANYTHING, rest @ ..], _) => (0..=printed.len()).any(|skipped| all(rest, &printed[skipped..])),
        ([line, rest @ ..], [first, others @ ..]) => fits(line, first) && all(rest, others),
        _ => false,
    }
}

fn fits(shown: &str, printed: &str) -> bool {
    let mut pieces = shown.split(ANYTHING);
    let Some(mut left) = pieces.next().and_then(|piece| printed.strip_prefix(piece)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return left.is_empty() };
    for piece in pieces {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_agrees_line_by_line_where_nothing_stands_for_anything() {
        assert!(agrees("a\nb\n", "a  \nb\n\n"));
        assert!(!agrees("a\n", "a\nb\n"));
        assert!(!agrees("a\nb\n", "a\n"));
        assert!(agrees("a …, c\n…\nz\n", "a b, c\nd\ne\nz"));
        assert!(agrees("…\nz", "z"));
        assert!(!agrees("a … c", "a b d"));
        assert!(!agrees("ab…ba", "aba"));
    }

    #[test]
    fn what_is_said_may_stand_among_other_lines() {
        assert_eq!(said("b\nd\n", "a\nb\nc\nd\ne\n"), Some(8));
        assert_eq!(said("b\nd\n", "a\nb\nc\n"), None);
        assert_eq!(said("…\n", ""), Some(0));
    }
}
