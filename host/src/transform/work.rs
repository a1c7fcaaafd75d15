//! The records of a batch on their way through the stages: rows that refer to their origins, and the projected fields of
//! each, kept in step.

use super::project::Projector;
use crate::{
    record::{Batch, Column, Columns},
    sink::{Row, Text},
};

/// Rows between two stages.
pub(super) struct Work<'b> {
    pub batch: &'b Batch,
    pub rows: Vec<Row>,
    /// Values and keys that stages made.
    pub made: crate::record::Slices,
    /// The chain's fields, one item per row.
    pub columns: Columns,
}

/// A row after a stage: one from before it, or a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Kept(u32),
    New(Row),
}

impl<'b> Work<'b> {
    /// All records of the batch, with their fields.
    pub fn new(batch: &'b Batch, fields: usize, projector: &mut Projector) -> Self {
        let rows =
            (0..batch.len() as u32).map(|origin| Row { origin, value: Text::Source, key: Text::Source }).collect();
        let mut columns = Columns::new(fields);
        if fields > 0 {
            for row in 0..batch.len() {
                projector.project(batch.values.get_opt(row), &mut columns);
            }
        }
        Self { batch, rows, made: crate::record::Slices::default(), columns }
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

    /// Replaces the rows by those after a stage; the fields of new ones are projected.
    pub fn advance(&mut self, next: &[Next], projector: &mut Projector) {
        let untouched = next.len() == self.rows.len() && next.iter().all(|next| matches!(next, Next::Kept(_)));
        if untouched {
            return;
        }
        let mut columns = Columns::new(self.columns.columns.len());
        let mut rows = Vec::with_capacity(next.len());
        for next in next {
            match next {
                Next::Kept(row) => {
                    rows.extend(self.rows.get(*row as usize));
                    for (to, from) in columns.columns.iter_mut().zip(&self.columns.columns) {
                        copy_item(from, *row as usize, to);
                    }
                }
                Next::New(row) => {
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

fn copy_item(from: &Column, row: usize, to: &mut Column) {
    to.kinds.extend(from.kinds.get(row));
    if from.texts.len() > row {
        to.texts.push(from.texts.get(row));
    }
}
