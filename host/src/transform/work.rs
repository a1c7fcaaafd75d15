//! The records of a batch on their way through the stages: rows that refer to their origins, and the projected fields of
//! each, kept in step.

use std::{ops::Range, sync::Arc};

use super::project::Projector;
use crate::{
    record::{Batch, Column, Columns, Made},
    sink::{Row, Text},
};

/// Rows between two stages.
pub(super) struct Work {
    pub batch: Arc<Batch>,
    pub rows: Vec<Row>,
    /// Values and keys that stages made.
    pub made: Made,
    /// The chain's fields, one item per row; those that nobody looks at any more may be empty.
    pub columns: Columns,
}

/// What goes on after a stage: in order, runs of rows from before it, and new ones.
#[derive(Debug, Default)]
pub(super) struct Next(Vec<Going>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Going {
    Kept(Range<usize>),
    New(Row),
}

impl Next {
    /// The row goes on as it is.
    pub fn keep(&mut self, row: usize) {
        self.keep_all(row..row + 1);
    }

    /// These rows go on as they are.
    pub fn keep_all(&mut self, rows: Range<usize>) {
        match self.0.last_mut() {
            Some(Going::Kept(run)) if run.end == rows.start => run.end = rows.end,
            _ => self.0.push(Going::Kept(rows)),
        }
    }

    /// A new row comes next.
    pub fn add(&mut self, row: Row) {
        self.0.push(Going::New(row));
    }

    /// The runs that go on, where there is no new row among them.
    fn only_kept(&self) -> Option<Vec<Range<usize>>> {
        let mut kept = Vec::with_capacity(self.0.len());
        for going in &self.0 {
            match going {
                Going::Kept(run) => kept.push(run.clone()),
                Going::New(_) => return None,
            }
        }
        Some(kept)
    }
}

impl Work {
    /// All records of the batch, with their fields.
    pub fn new(batch: Arc<Batch>, fields: usize, projector: &mut Projector) -> Self {
        let rows =
            (0..batch.len() as u32).map(|origin| Row { origin, value: Text::Source, key: Text::Source }).collect();
        let mut columns = Columns::of_batch(fields);
        if fields > 0 {
            for row in 0..batch.len() {
                projector.project(batch.values.get_opt(row), &mut columns);
            }
        }
        Self { batch, rows, made: Made::default(), columns }
    }

    /// The row's value.
    pub fn value(&self, row: &Row) -> Option<&[u8]> {
        self.text(row.value, || self.batch.values.get_opt(row.origin as usize))
    }

    /// The row's key.
    pub fn key(&self, row: &Row) -> Option<&[u8]> {
        self.text(row.key, || self.batch.keys.get_opt(row.origin as usize))
    }

    fn text<'a>(&'a self, text: Text, source: impl FnOnce() -> Option<&'a [u8]>) -> Option<&'a [u8]> {
        match text {
            Text::Source => source(),
            Text::Made(item) => Some(self.made.get(item as usize)),
            Text::Null => None,
        }
    }

    /// Replaces the rows by those after a stage; the fields of new ones are projected. Only the columns that `needed` names
    /// are kept in step: a filter in front of a sink that looks at no field moves none.
    pub fn advance(&mut self, next: &Next, needed: impl Fn(usize) -> bool, projector: &mut Projector) {
        match next.only_kept() {
            Some(runs) if runs.iter().map(ExactSizeIterator::len).sum::<usize>() == self.rows.len() => {}
            Some(runs) => {
                keep_runs(&mut self.rows, &runs);
                for (index, column) in self.columns.columns.iter_mut().enumerate() {
                    if needed(index) {
                        keep_runs(&mut column.kinds, &runs);
                        column.texts.keep(&runs);
                    } else {
                        column.clear();
                    }
                }
            }
            None => self.rebuild(next, projector),
        }
    }

    fn rebuild(&mut self, next: &Next, projector: &mut Projector) {
        let mut columns = Columns::of_batch(self.columns.columns.len());
        let mut rows = Vec::with_capacity(self.rows.len());
        for going in &next.0 {
            match going {
                Going::Kept(run) => {
                    rows.extend_from_slice(self.rows.get(run.clone()).unwrap_or_default());
                    for (to, from) in columns.columns.iter_mut().zip(&self.columns.columns) {
                        append(to, from, run.clone());
                    }
                }
                Going::New(row) => {
                    rows.push(*row);
                    if !columns.columns.is_empty() {
                        projector.project(self.value(row), &mut columns);
                    }
                }
            }
        }
        self.rows = rows;
        self.columns = columns;
    }
}

/// Keeps only these runs of items, which ascend.
fn keep_runs<T: Copy>(items: &mut Vec<T>, runs: &[Range<usize>]) {
    let mut kept = 0;
    for run in runs {
        let end = run.end.min(items.len());
        let start = run.start.min(end);
        items.copy_within(start..end, kept);
        kept += end - start;
    }
    items.truncate(kept);
}

fn append(to: &mut Column, from: &Column, run: Range<usize>) {
    to.kinds.extend_from_slice(from.kinds.get(run.clone()).unwrap_or_default());
    for item in run.start..run.end.min(from.texts.len()) {
        to.texts.push(from.texts.get(item));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;
    use crate::record::{Field, Headers, Record, Want};

    fn projector() -> Projector {
        let field = |pointer: &str, want| Field { pointer: pointer.to_owned(), want };
        Projector::new(&[field("/a", Want::Text), field("/b", Want::Kind)]).unwrap()
    }

    fn work(projector: &mut Projector, records: usize) -> Work {
        let mut batch = Batch::new("t".into());
        for n in 0..records {
            let value = format!(r#"{{"a":"{}","b":{n}}}"#, "x".repeat(n % 7));
            let (value, headers) = (Some(value.as_bytes()), Headers::default());
            batch.push(Record { key: None, value, headers, timestamp_ms: 1, partition: 0, offset: n as i64 });
        }
        Work::new(Arc::new(batch), 2, projector)
    }

    proptest! {
        /// Whatever goes on, in whatever mixture, rows and columns are those of projecting what went on.
        #[test]
        fn rows_and_columns_stay_in_step(fates in prop::collection::vec(0..3u8, 0..60), again in prop::collection::vec(0..2u8, 0..60)) {
            let mut projector = projector();
            let mut work = work(&mut projector, fates.len());
            for fates in [fates, again] {
                let mut next = Next::default();
                for (row, fate) in fates.iter().enumerate().take(work.rows.len()) {
                    match fate {
                        0 => next.keep(row),
                        1 => {}
                        _ => {
                            let value = format!(r#"{{"a":{row}}}"#);
                            let made = Text::Made(work.made.append([value.as_bytes()].into_iter().collect()) as u32);
                            next.add(Row { value: made, ..work.rows[row] });
                        }
                    }
                }
                work.advance(&next, |_| true, &mut projector);
            }
            let mut expected = Columns::new(2);
            for row in &work.rows {
                projector.project(work.value(row), &mut expected);
            }
            prop_assert_eq!(&work.columns, &expected);
        }
    }

    #[test]
    fn a_column_that_nobody_needs_is_not_moved() {
        let mut projector = projector();
        let mut work = work(&mut projector, 5);
        let mut next = Next::default();
        next.keep_all(0..2);
        next.keep(4);
        work.advance(&next, |column| column == 1, &mut projector);
        assert_eq!(work.rows.iter().map(|row| row.origin).collect::<Vec<_>>(), [0, 1, 4]);
        assert_eq!(work.columns.columns.iter().map(|column| column.kinds.len()).collect::<Vec<_>>(), [0, 3]);
    }
}
