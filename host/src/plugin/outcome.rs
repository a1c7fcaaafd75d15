//! What a plugin's call made of its records, checked against the number of records.

use super::bindings::millstream::plugin::types;
use crate::record::Slices;

/// What becomes of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Code {
    /// It goes on as it is.
    Keep = 0,
    /// It goes on with another value.
    Replace = 1,
    /// It is left out, for a reason.
    Drop = 2,
    /// It goes to the dead letters, for a reason.
    Reject = 3,
    /// Several records take its place.
    Split = 4,
}

/// A checked answer: `out`, `splits` and `out_keys` have exactly the items that `codes` calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// One per record.
    pub codes: Vec<Code>,
    /// New values and reasons, in record order.
    pub out: Slices,
    /// For each split, how many records take its place.
    pub splits: Vec<u32>,
    /// A key for each new value, in order; empty means none.
    pub out_keys: Option<Slices>,
}

impl Outcome {
    /// Whether every record goes on as it is, which is what most batches come to.
    pub fn keeps_all(&self) -> bool {
        self.codes.iter().all(|code| *code == Code::Keep)
    }
}

/// Checks an answer for a batch of `rows` records; the error says what is wrong.
pub(super) fn check(rows: u32, said: types::Outcome, most: usize) -> Result<Outcome, String> {
    let bytes = said.out.data.len() + said.out_keys.as_ref().map_or(0, |keys| keys.data.len());
    if bytes > most {
        return Err(format!("{bytes} bytes; {most} are the most"));
    }
    if said.codes.len() != rows as usize {
        return Err(format!("{} codes for {rows} records", said.codes.len()));
    }
    let mut codes = Vec::with_capacity(said.codes.len());
    for code in &said.codes {
        codes.push(Code::from_u8(*code).ok_or_else(|| format!("code {code} is none of 0 to 4"))?);
    }
    let count = |wanted: Code| codes.iter().filter(|code| **code == wanted).count();
    let (replaced, split) = (count(Code::Replace), count(Code::Split));
    if said.splits.len() != split {
        return Err(format!("{} counts for {split} splits", said.splits.len()));
    }
    let made = replaced as u64 + said.splits.iter().map(|n| u64::from(*n)).sum::<u64>();
    let expected = made + count(Code::Drop) as u64 + count(Code::Reject) as u64;
    let out = Slices::from_parts(said.out.ends, said.out.data)
        .ok_or("the ends of `out` do not ascend to the length of its data")?;
    if out.len() as u64 != expected {
        return Err(format!("{} items in `out` where {expected} are called for", out.len()));
    }
    let out_keys = match said.out_keys {
        None => None,
        Some(keys) => {
            let keys = Slices::from_parts(keys.ends, keys.data)
                .ok_or("the ends of `out-keys` do not ascend to the length of its data")?;
            if keys.len() as u64 != made {
                return Err(format!("{} items in `out-keys` where {made} are called for", keys.len()));
            }
            Some(keys)
        }
    };
    Ok(Outcome { codes, out, splits: said.splits, out_keys })
}

impl Code {
    fn from_u8(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Keep,
            1 => Self::Replace,
            2 => Self::Drop,
            3 => Self::Reject,
            4 => Self::Split,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(codes: &[u8], ends: &[u32], splits: &[u32], keys: Option<&[u32]>) -> types::Outcome {
        let slices = |ends: &[u32]| types::SlicesResult {
            ends: ends.to_vec(),
            data: vec![b'x'; ends.last().copied().unwrap_or(0) as usize],
        };
        types::Outcome { codes: codes.to_vec(), out: slices(ends), splits: splits.to_vec(), out_keys: keys.map(slices) }
    }

    #[test]
    fn answers_that_fit_are_taken() {
        assert!(check(3, said(&[0, 0, 0], &[], &[], None), 100).is_ok_and(|o| o.keeps_all()));
        assert!(check(4, said(&[1, 2, 3, 4], &[1, 2, 3, 4, 5], &[2], Some(&[1, 2, 3])), 100).is_ok());
        assert!(check(1, said(&[4], &[], &[0], None), 100).is_ok());
    }

    #[test]
    fn answers_that_do_not_fit_are_refused() {
        let wrong = [
            said(&[0], &[], &[], None),
            said(&[0, 0, 0], &[], &[], None),
            said(&[0, 5], &[], &[], None),
            said(&[0, 1], &[], &[], None),
            said(&[0, 0], &[1], &[], None),
            said(&[0, 4], &[1], &[], None),
            said(&[0, 4], &[1], &[u32::MAX], None),
            said(&[0, 1], &[1], &[], Some(&[1, 2])),
            said(&[2, 3], &[5, 2], &[], None),
        ];
        for said in wrong {
            assert!(check(2, said.clone(), 100).is_err(), "{said:?}");
        }
    }
}
