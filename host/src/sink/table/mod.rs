//! What the tables of Cassandra and SQLite have in common: which columns there are, how a record's fields become
//! typed cells, and which write timestamp a row has.
//!
//! In come a [`WriteBatch`](crate::sink::WriteBatch) and a row, out come cells in the order of the columns, one for
//! **every** column, nulls included, so that a row never keeps a cell of the record before it. Nothing here parses a
//! record's value or talks to a database.

mod cell;
mod column_type;
mod content;
mod dead_letter;
mod json;
mod life;
mod numeral;
mod stamp;
mod time;
mod wanted;

pub use cell::{Cell, cell};
pub use column_type::ColumnType;
pub use content::{Column, Table};
use dead_letter::columns as dead_letter_columns;
pub use json::compact;
pub use life::{Left, left};
pub use numeral::Numeral;
pub use stamp::Stamps;
pub use time::{date_text, parse_timestamp, timestamp_text};
pub use wanted::{unsupported_columns, wanted_columns};
