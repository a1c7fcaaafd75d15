//! Reads the fields that the rules need with Millstream's own scanner: what a native program would cost that had it.

use anyhow::Result;
use millstream::{
    record::{Column, Columns, Field, Kind, Want},
    transform::project::Projector,
};

use super::rules::Checked;

const FIELDS: [&str; 4] = ["/id", "/email", "/gender", "/registered_date"];

pub struct Scanner {
    projector: Projector,
    columns: Columns,
}

impl Scanner {
    pub fn new() -> Result<Self> {
        let fields = FIELDS.map(|pointer| Field { pointer: pointer.to_owned(), want: Want::Text });
        Ok(Self { projector: Projector::new(&fields)?, columns: Columns::new(FIELDS.len()) })
    }

    /// Lends the texts of a record, or says that it is none.
    pub fn read<T>(
        &mut self,
        json: &[u8],
        judge: impl FnOnce(Checked<'_>) -> Result<T, &'static str>,
    ) -> Result<T, &'static str> {
        self.columns.clear();
        self.projector.project(Some(json), &mut self.columns);
        let [id, email, gender, registered_date] = self.columns.columns.as_slice() else { return Err("not_json") };
        if kind(id).is_none_or(|kind| matches!(kind, Kind::NotJson | Kind::NotObject)) {
            return Err("not_json");
        }
        judge(Checked {
            id: text(id),
            email: text(email),
            gender: text(gender),
            registered_date: text(registered_date),
        })
    }
}

fn kind(column: &Column) -> Option<Kind> {
    column.kinds.first().copied().and_then(Kind::from_u8)
}

fn text(column: &Column) -> Option<&str> {
    // The scanner has checked the UTF-8 of the whole document; looking at these few bytes again costs next to nothing.
    matches!(kind(column)?, Kind::String).then(|| std::str::from_utf8(column.texts.get(0)).ok()).flatten()
}
