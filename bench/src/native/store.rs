//! Validate and dedup: a record's JSON goes in, a good new record, a duplicate or a reason comes out.

use std::collections::HashSet;

use uuid::Uuid;

use super::{
    Parse,
    counts::Counts,
    rules::judge,
    scanner::Scanner,
    user::{Cells, OwnedUser, User},
};

/// What becomes of a record.
pub enum Fate {
    /// It is to be written; with its cells where they are wanted.
    Written(Uuid, Option<Box<Cells>>),
    Duplicate,
    Rejected(&'static str),
}

pub struct Store {
    parser: Parse,
    scanner: Option<Scanner>,
    wants_cells: bool,
    seen: HashSet<Uuid>,
    pub counts: Counts,
}

impl Store {
    pub fn new(parser: Parse, wants_cells: bool) -> anyhow::Result<Self> {
        let scanner = if parser == Parse::Scanner { Some(Scanner::new()?) } else { None };
        Ok(Self { parser, scanner, wants_cells, seen: HashSet::new(), counts: Counts::default() })
    }

    pub fn handle(&mut self, json: &[u8]) -> Fate {
        self.counts.consumed += 1;
        let judged = self.judge(json);
        match judged {
            Err(reason) => {
                self.counts.reject(reason);
                Fate::Rejected(reason)
            }
            Ok((id, _)) if self.parser != Parse::Nothing && !self.seen.insert(id) => {
                self.counts.dropped += 1;
                Fate::Duplicate
            }
            Ok((id, cells)) => {
                self.counts.written += 1;
                Fate::Written(id, cells)
            }
        }
    }

    fn judge(&mut self, json: &[u8]) -> Result<(Uuid, Option<Box<Cells>>), &'static str> {
        match (self.parser, &mut self.scanner) {
            (Parse::Owned, _) => {
                let user = OwnedUser::read(json)?;
                let id = judge(&user.checked())?;
                Ok((id, self.wants_cells.then(|| Box::new(user.cells()))))
            }
            (Parse::Borrowed, _) => {
                let user = User::read(json)?;
                let id = judge(&user.checked())?;
                Ok((id, self.wants_cells.then(|| Box::new(user.cells()))))
            }
            (Parse::Scanner, Some(scanner)) => scanner.read(json, |checked| judge(&checked)).map(|id| (id, None)),
            (Parse::Scanner | Parse::Nothing, _) => Ok((Uuid::nil(), None)),
        }
    }
}
