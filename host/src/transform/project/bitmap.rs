//! The bytes at which a string can end or go wrong, as a bitmap: bytes of a record in, one bit per byte out.
//!
//! A bit is set for every quote, backslash and control byte (below 0x20). Two ways give the same bits: AVX2, where the
//! processor has it, and plain 64-bit arithmetic. This is the only file of the projection with `unsafe` code; it never
//! looks at what the bytes mean.

const BLOCK: usize = 64;

/// The bitmap of one record; keeps its memory from record to record.
pub(super) struct Bitmap {
    words: Vec<u64>,
    #[cfg(target_arch = "x86_64")]
    avx2: Option<avx2::Available>,
}

/// What [`Bitmap::read`] found.
pub(super) struct Bits<'a> {
    /// Bit `i % 64` of word `i / 64` stands for byte `i`; bits beyond the record are 0.
    pub specials: &'a [u64],
    /// Whether all bytes are below 0x80.
    pub ascii: bool,
}

/// Masks of one block, a bit per byte.
struct Masks {
    special: u64,
    non_ascii: u64,
}

impl Bitmap {
    /// Takes the fastest way that this processor has.
    pub(super) fn new() -> Self {
        Self {
            words: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            avx2: avx2::Available::detect(),
        }
    }

    /// Takes the way that every processor has.
    #[cfg(test)]
    pub(super) fn portable() -> Self {
        Self {
            words: Vec::new(),
            #[cfg(target_arch = "x86_64")]
            avx2: None,
        }
    }

    /// Reads a record; what was read before is forgotten.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Bits<'_> {
        let needed = bytes.len().div_ceil(BLOCK);
        if self.words.len() < needed {
            self.words.resize(needed, 0);
        }
        let words = self.words.get_mut(..needed).unwrap_or_default();
        #[cfg(target_arch = "x86_64")]
        if let Some(available) = self.avx2 {
            let ascii = avx2::fill(available, bytes, words);
            return Bits { specials: words, ascii };
        }
        let ascii = fill(bytes, words, portable);
        Bits { specials: words, ascii }
    }
}

/// Fills one word per block; returns whether all bytes are ASCII.
#[inline(always)]
fn fill(bytes: &[u8], words: &mut [u64], masks: impl Fn(&[u8; BLOCK]) -> Masks) -> bool {
    let mut non_ascii = 0;
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    for (block, word) in blocks.iter().zip(words.iter_mut()) {
        let found = masks(block);
        *word = found.special;
        non_ascii |= found.non_ascii;
    }
    if let Some(word) = words.get_mut(blocks.len()) {
        // The last block overlaps the one before, which costs less than a copy; only a short record needs the copy.
        let found = match bytes.last_chunk::<BLOCK>() {
            Some(block) => {
                let found = masks(block);
                Masks { special: found.special >> (BLOCK - rest.len()), ..found }
            }
            None => {
                let mut block = [b' '; BLOCK];
                block.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                masks(&block)
            }
        };
        *word = found.special;
        non_ascii |= found.non_ascii;
    }
    non_ascii == 0
}

/// Eight bytes at a time, in the manner of SIMD within a register; exact, for no sum carries from byte to byte.
fn portable(block: &[u8; BLOCK]) -> Masks {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const LOW: u64 = ONES * 0x7f;
    /// The high bit of each byte that is zero.
    fn zeros(bytes: u64) -> u64 {
        !(((bytes & LOW) + LOW) | bytes | LOW)
    }
    /// The high bits of the eight bytes, first byte lowest.
    fn gather(high_bits: u64) -> u64 {
        (high_bits >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
    }
    let mut masks = Masks { special: 0, non_ascii: 0 };
    for (i, eight) in block.as_chunks::<8>().0.iter().enumerate() {
        let bytes = u64::from_le_bytes(*eight);
        let quote = zeros(bytes ^ (ONES * u64::from(b'"')));
        let backslash = zeros(bytes ^ (ONES * u64::from(b'\\')));
        let control = zeros(bytes & (ONES * 0xe0));
        masks.special |= gather(quote | backslash | control) << (8 * i);
        masks.non_ascii |= gather(bytes & !LOW) << (8 * i);
    }
    masks
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_max_epu8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set1_epi8,
    };

    use super::{BLOCK, Masks};

    /// Proof that this processor has AVX2: only `detect` makes one.
    #[derive(Clone, Copy)]
    pub(super) struct Available(());

    impl Available {
        pub(super) fn detect() -> Option<Self> {
            std::arch::is_x86_feature_detected!("avx2").then_some(Self(()))
        }
    }

    pub(super) fn fill(_: Available, bytes: &[u8], words: &mut [u64]) -> bool {
        // SAFETY: the only requirement of `fill_avx2` is that the processor has AVX2, which `Available` proves.
        unsafe { fill_avx2(bytes, words) }
    }

    #[target_feature(enable = "avx2")]
    fn fill_avx2(bytes: &[u8], words: &mut [u64]) -> bool {
        super::fill(bytes, words, |block| {
            let (low, high) = (half(block, 0), half(block, 1));
            Masks { special: join(special(low), special(high)), non_ascii: join(low, high) }
        })
    }

    /// The first or second 32 bytes of a block.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn half(block: &[u8; BLOCK], which: usize) -> __m256i {
        let (halves, _) = block.as_chunks::<32>();
        match halves.get(which) {
            // SAFETY: the pointer comes from a reference to 32 bytes, all of which are read and none beyond; this
            // load asks for no alignment.
            Some(half) => unsafe { _mm256_loadu_si256(half.as_ptr().cast()) },
            None => _mm256_set1_epi8(0),
        }
    }

    /// 0xff for each byte that is a quote, a backslash or a control byte.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn special(bytes: __m256i) -> __m256i {
        let quote = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'"'.cast_signed()));
        let backslash = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\\'.cast_signed()));
        let limit = _mm256_set1_epi8(0x1f);
        let control = _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, limit), limit);
        _mm256_or_si256(_mm256_or_si256(quote, backslash), control)
    }

    /// The high bits of 64 bytes.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn join(low: __m256i, high: __m256i) -> u64 {
        let bits = |half| u64::from(_mm256_movemask_epi8(half).cast_unsigned());
        bits(low) | bits(high) << 32
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use proptest::prelude::*;

    fn check(bitmap: &mut Bitmap, bytes: &[u8]) {
        let bits = bitmap.read(bytes);
        assert_eq!(bits.specials.len(), bytes.len().div_ceil(64));
        assert_eq!(bits.ascii, bytes.is_ascii(), "{bytes:?}");
        for at in 0..bits.specials.len() * 64 {
            let expected = bytes.get(at).is_some_and(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'));
            assert_eq!(bits.specials[at / 64] >> (at % 64) & 1 == 1, expected, "byte {at} of {bytes:?}");
        }
    }

    #[test]
    fn each_byte_value_is_judged_alone_at_each_place() {
        for mut bitmap in [Bitmap::new(), Bitmap::portable()] {
            for byte in 0..=255 {
                for (length, at) in [(1, 0), (31, 30), (64, 0), (64, 63), (65, 64), (130, 100)] {
                    for around in [b'x', 0x80, b'"'] {
                        let mut bytes = vec![around; length];
                        bytes[at] = byte;
                        check(&mut bitmap, &bytes);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn both_ways_find_the_same_bytes(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5)) {
            for mut bitmap in [Bitmap::new(), Bitmap::portable()] {
                for record in &records {
                    check(&mut bitmap, record);
                }
            }
        }
    }
}
