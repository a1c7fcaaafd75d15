//! Record headers, kept as one encoded block per record, because most records have none.
//!
//! Block: for each header a `u16` name length, the name, a `u32` value length (`u32::MAX` = null) and the value,
//! little endian.

use super::Slices;

const NULL: u32 = u32::MAX;

/// Appends headers to the end of `blocks`; every record ends with `finish`, also one without headers.
pub struct HeaderWriter<'a> {
    blocks: &'a mut Slices,
}

impl<'a> HeaderWriter<'a> {
    /// Begins the header block of the next record.
    pub fn new(blocks: &'a mut Slices) -> Self {
        Self { blocks }
    }

    /// Adds one header. A name longer than 65,535 bytes is cut there.
    pub fn push(&mut self, name: &str, value: Option<&[u8]>) {
        let name = name.as_bytes().get(..usize::from(u16::MAX)).unwrap_or(name.as_bytes());
        let data = self.blocks.data_mut();
        data.extend_from_slice(&(name.len() as u16).to_le_bytes());
        data.extend_from_slice(name);
        data.extend_from_slice(&value.map_or(NULL, |value| value.len() as u32).to_le_bytes());
        data.extend_from_slice(value.unwrap_or_default());
    }

    /// Copies the headers of a block that is encoded already.
    pub fn extend(&mut self, headers: Headers<'_>) {
        self.blocks.data_mut().extend_from_slice(headers.block);
    }

    /// Ends the record's block.
    pub fn finish(self) {
        self.blocks.seal();
    }
}

/// The headers of one record, in order; names may repeat.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    block: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Reads an encoded block.
    pub fn new(block: &'a [u8]) -> Self {
        Self { block }
    }

    /// The encoded block, to be kept and read again with [`Headers::new`].
    pub fn block(&self) -> &'a [u8] {
        self.block
    }

    /// Whether there is no header.
    pub fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// The value of the last header of that name.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.filter(|(found, _)| *found == name.as_bytes()).last().and_then(|(_, value)| value)
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.block.split_at_checked(n)?;
        self.block = tail;
        Some(head)
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let name_len = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
        let name = self.take(usize::from(name_len))?;
        let value_len = u32::from_le_bytes(self.take(4)?.try_into().ok()?);
        let value = if value_len == NULL { None } else { Some(self.take(value_len as usize)?) };
        Some((name, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_order_with_null_values() {
        let mut blocks = Slices::default();
        HeaderWriter::new(&mut blocks).finish();
        let mut writer = HeaderWriter::new(&mut blocks);
        writer.push("a", Some(b"1"));
        writer.push("b", None);
        writer.push("a", Some(b""));
        writer.finish();
        assert!(Headers::new(blocks.get(0)).is_empty());
        let headers = Headers::new(blocks.get(1));
        let all: Vec<_> = headers.collect();
        assert_eq!(all, [(&b"a"[..], Some(&b"1"[..])), (b"b", None), (b"a", Some(b""))]);
        assert_eq!(headers.get("a"), Some(&b""[..]));
    }
}
