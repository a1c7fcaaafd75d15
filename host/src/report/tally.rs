//! From rows to what a report says of them: cells come in one by one, in whatever order the table has them, and nothing
//! of a row is kept but what it adds to a count. So a table of any size fits.

use super::{Counts, Series};
use crate::sink::parse_timestamp;

/// Different genders that are told apart. The data has two; a column with something else in it shall not fill the memory.
const MOST_GENDERS: usize = 100;
/// Different domains that are told apart, at most 256 bytes each.
const MOST_DOMAINS: usize = 20_000;

/// A column of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, in the words of the engine.
    pub type_name: String,
}

/// A cell, as far as a report looks at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Null.
    Missing,
    /// A text.
    Text(&'a [u8]),
    /// An instant, in Unix milliseconds.
    Instant(i64),
    /// Anything else.
    Other,
}

/// What the rows of a table add up to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// Rows that were read.
    pub rows: u64,
    /// Whether the table has more rows than were read.
    pub more: bool,
    /// Its columns: those with the most missing values first, then by name.
    pub columns: Vec<Missing>,
    /// What `registered_date` holds; `None` where there is no such column.
    pub registered: Option<Dates>,
    /// When the rows' records arrived: by the write timestamp of each row.
    pub arrived: Series,
    /// `gender`; `None` where there is no such column.
    pub genders: Option<Counts>,
    /// `email`; `None` where there is no such column.
    pub domains: Option<Domains>,
    /// When rows expire. Those that do not are the others.
    pub expiring: Series,
}

/// A column, and how many of its values are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub column: String,
    /// Its type, in the words of the engine.
    pub column_type: String,
    /// Rows in which it is null.
    pub rows: u64,
}

/// Dates, of which some may be none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dates {
    /// Those that are dates.
    pub parsed: Series,
    /// Values that are no date.
    pub unreadable: u64,
}

/// Domains of email addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domains {
    /// What stands behind the last `@`, in lower case.
    pub counts: Counts,
    /// Values without an `@`.
    pub without: u64,
}

/// See the module.
pub struct Tally {
    contents: Contents,
    roles: Vec<Role>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Registered,
    Gender,
    Email,
    None,
}

impl Tally {
    /// Of a table with these columns.
    pub fn new(columns: &[Column]) -> Self {
        let role = |column: &Column| match column.name.as_str() {
            "registered_date" => Role::Registered,
            "gender" => Role::Gender,
            "email" => Role::Email,
            _ => Role::None,
        };
        let roles: Vec<Role> = columns.iter().map(role).collect();
        let missing =
            |column: &Column| Missing { column: column.name.clone(), column_type: column.type_name.clone(), rows: 0 };
        let contents = Contents {
            rows: 0,
            more: false,
            columns: columns.iter().map(missing).collect(),
            registered: roles.contains(&Role::Registered).then(Dates::default),
            arrived: Series::default(),
            genders: roles.contains(&Role::Gender).then(|| Counts::new(MOST_GENDERS)),
            domains: roles.contains(&Role::Email).then(|| Domains { counts: Counts::new(MOST_DOMAINS), without: 0 }),
            expiring: Series::default(),
        };
        Self { contents, roles }
    }

    /// Counts the cell of a column, by its place in the list of columns.
    pub fn cell(&mut self, column: usize, value: Value<'_>) {
        let contents = &mut self.contents;
        if value == Value::Missing {
            if let Some(column) = contents.columns.get_mut(column) {
                column.rows += 1;
            }
            return;
        }
        match self.roles.get(column) {
            Some(Role::Registered) => contents.registered.iter_mut().for_each(|dates| dates.add(value)),
            Some(Role::Gender) => contents.genders.iter_mut().for_each(|genders| genders.add(&text(value))),
            Some(Role::Email) => contents.domains.iter_mut().for_each(|domains| domains.add(value)),
            Some(Role::None) | None => {}
        }
    }

    /// Ends a row: when its record arrived, and when it expires, both in Unix milliseconds where they are known.
    pub fn row(&mut self, arrived_ms: Option<i64>, expires_ms: Option<i64>) {
        self.contents.rows += 1;
        if let Some(at) = arrived_ms {
            self.contents.arrived.add(at);
        }
        if let Some(at) = expires_ms {
            self.contents.expiring.add(at);
        }
    }

    /// Rows so far.
    pub fn rows(&self) -> u64 {
        self.contents.rows
    }

    /// What the rows add up to; `more` says whether the table has others.
    pub fn contents(self, more: bool) -> Contents {
        let mut contents = Contents { more, ..self.contents };
        contents.columns.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.column.cmp(&b.column)));
        contents
    }
}

impl Contents {
    /// Rows that never expire.
    pub fn staying(&self) -> u64 {
        self.rows.saturating_sub(self.expiring.total())
    }

    /// Rows in which that column is null.
    pub fn missing(&self, column: &str) -> u64 {
        self.columns.iter().find(|missing| missing.column == column).map_or(0, |missing| missing.rows)
    }
}

impl Dates {
    fn add(&mut self, value: Value<'_>) {
        let instant = match value {
            Value::Instant(at) => Some(at),
            Value::Text(text) => std::str::from_utf8(text).ok().and_then(parse_timestamp),
            Value::Missing | Value::Other => None,
        };
        match instant {
            Some(at) => self.parsed.add(at),
            None => self.unreadable += 1,
        }
    }
}

impl Domains {
    fn add(&mut self, value: Value<'_>) {
        match text(value).rsplit_once('@') {
            Some((_, domain)) if domain.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                self.counts.add(&domain.to_ascii_lowercase());
            }
            Some((_, domain)) => self.counts.add(domain),
            None => self.without += 1,
        }
    }
}

fn text(value: Value<'_>) -> std::borrow::Cow<'_, str> {
    match value {
        Value::Text(text) => String::from_utf8_lossy(text),
        Value::Missing | Value::Instant(_) | Value::Other => "(no text)".into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<Column> {
        names.iter().map(|name| Column { name: (*name).to_owned(), type_name: "text".to_owned() }).collect()
    }

    #[test]
    fn rows_are_told_as_the_notebook_tells_them() {
        let mut tally = Tally::new(&columns(&["id", "gender", "email", "registered_date"]));
        let text = |text: &'static str| Value::Text(text.as_bytes());
        for (gender, email, date) in [
            (text("male"), text("a@x.example"), text("2024-02-29T12:34:56.789Z")),
            (text("female"), text("b@c@X.Example"), text("2024-02-29T12:34:01Z")),
            (text("female"), Value::Missing, text("yesterday")),
            (Value::Missing, text("nobody"), Value::Missing),
            (Value::Other, text("d@y.example"), Value::Instant(1_709_210_096_789)),
        ] {
            for (column, value) in [text("1"), gender, email, date].into_iter().enumerate() {
                tally.cell(column, value);
            }
            tally.row(Some(1_000), None);
        }
        let contents = tally.contents(true);
        assert_eq!((contents.rows, contents.more, contents.staying()), (5, true, 5));
        let missing: Vec<_> = contents.columns.iter().map(|column| (column.column.as_str(), column.rows)).collect();
        assert_eq!(missing, [("email", 1), ("gender", 1), ("registered_date", 1), ("id", 0)]);
        let registered = contents.registered.as_ref().unwrap();
        assert_eq!((registered.parsed.total(), registered.unreadable), (3, 1));
        assert_eq!(registered.parsed.buckets().collect::<Vec<_>>(), [(1_709_210_040_000, 3)]);
        assert_eq!(contents.genders.as_ref().unwrap().top(9), [("female", 2), ("(no text)", 1), ("male", 1)]);
        let domains = contents.domains.as_ref().unwrap();
        assert_eq!((domains.counts.top(9), domains.without), (vec![("x.example", 2), ("y.example", 1)], 1));
        assert_eq!(contents.arrived.total(), 5);
    }

    #[test]
    fn a_table_of_something_else_has_rows_and_columns_all_the_same() {
        let mut tally = Tally::new(&columns(&["sensor"]));
        tally.cell(0, Value::Other);
        tally.row(None, Some(5));
        let contents = tally.contents(false);
        assert!(contents.registered.is_none() && contents.genders.is_none() && contents.domains.is_none());
        assert_eq!((contents.rows, contents.expiring.total(), contents.staying()), (1, 1, 0));
    }
}
