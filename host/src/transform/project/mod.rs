//! The JSON projection: record values in, columns of the wanted fields out, so that a chain of plugins parses each
//! record once.
//!
//! A value counts as JSON exactly where `serde_json` reads it into a `Value` with its default settings: the whole
//! document is checked, not only the way to the wanted fields, and of several members of one name the last one wins.
//! One pass over the bytes; no memory is allocated for a record once the buffers have grown. Nothing is repaired, and
//! what is not JSON is said to be so in every field.
//!
//! `bitmap` finds the bytes that matter in strings, `document` knows the grammar, `trie` what is wanted, `order` and `shape`
//! what the records before looked like, `scan` puts them together, `text` decodes.

mod bitmap;
mod document;
mod gap;
mod order;
mod pointer;
mod scan;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod trie;

use bitmap::Bitmap;
use document::Document;
pub use pointer::PointerError;
use scan::{Found, Memory};
use shape::Shapes;
use trie::Trie;

use crate::record::{Column, Columns, Field, Kind, Want};

/// Turns values into rows of columns. Keeps its buffers, and what it has learned of the order of keys, from record to
/// record; results never depend on it.
pub struct Projector {
    asked: Vec<Asked>,
    trie: Trie,
    bitmap: Bitmap,
    memory: Memory,
    shapes: Box<Shapes>,
}

/// One wanted field.
struct Asked {
    node: usize,
    want: Want,
}

impl Projector {
    /// Prepares for `fields`; the same pointer may be asked for more than once.
    pub fn new(fields: &[Field]) -> Result<Self, PointerError> {
        Self::with_bitmap(fields, Bitmap::new())
    }

    fn with_bitmap(fields: &[Field], bitmap: Bitmap) -> Result<Self, PointerError> {
        let pointers = fields.iter().map(|field| pointer::tokens(&field.pointer)).collect::<Result<Vec<_>, _>>()?;
        let (trie, nodes) = Trie::new(&pointers);
        let shapes = Box::new(Shapes::new(nodes.clone()));
        let asked = nodes.into_iter().zip(fields).map(|(node, field)| Asked { node, want: field.want }).collect();
        let memory = Memory::new(&trie);
        Ok(Self { asked, trie, bitmap, memory, shapes })
    }

    /// Appends one row to every column. `out` must have one column per field, in the order of `new`.
    ///
    /// In a row without a value, or whose value is not JSON, every kind is [`Kind::NotJson`]; where the document's root
    /// is not an object, [`Kind::NotObject`].
    pub fn project(&mut self, value: Option<&[u8]>, out: &mut Columns) {
        debug_assert_eq!(out.columns.len(), self.asked.len(), "one column per field");
        let bytes = value.unwrap_or_default();
        match self.scan(bytes) {
            Some(Kind::Object) => {
                for (asked, column) in self.asked.iter().zip(&mut out.columns) {
                    if let Some(found) = self.memory.found.get(asked.node) {
                        push(bytes, *found, asked.want, column);
                    }
                }
            }
            Some(_) => self.push_all(Kind::NotObject, out),
            None => self.push_all(Kind::NotJson, out),
        }
    }

    fn scan(&mut self, bytes: &[u8]) -> Option<Kind> {
        let bits = self.bitmap.read(bytes);
        // Bytes beyond ASCII are allowed in strings only, which the grammar sees to.
        if !bits.ascii && simdutf8::basic::from_utf8(bytes).is_err() {
            return None;
        }
        let document = Document { bytes, specials: bits.specials };
        if self.shapes.read(document, &mut self.memory.found) {
            return Some(Kind::Object);
        }
        let root = scan::scan(document, &self.trie, &mut self.memory)?;
        if root == Kind::Object {
            self.shapes.learn(document, &self.memory.found);
        }
        Some(root)
    }

    fn push_all(&self, kind: Kind, out: &mut Columns) {
        for (asked, column) in self.asked.iter().zip(&mut out.columns) {
            push(&[], Found { kind, escaped: false, start: 0, end: 0 }, asked.want, column);
        }
    }
}

/// Appends one field of one record.
#[inline]
fn push(document: &[u8], found: Found, want: Want, column: &mut Column) {
    column.kinds.push(found.kind as u8);
    let with_text = match found.kind {
        Kind::String | Kind::Number => true,
        Kind::True | Kind::False | Kind::Array | Kind::Object => want == Want::Raw,
        Kind::Absent | Kind::Null | Kind::NotJson | Kind::NotObject => false,
    };
    if want == Want::Kind {
        return;
    }
    if with_text && found.escaped {
        text::decode(document.get(found.start..found.end).unwrap_or_default(), column.texts.data_mut());
    } else if with_text {
        text::copy(document, found.start, found.end, column.texts.data_mut());
    }
    column.texts.seal();
}
