//! Documents by the thousand, from a seed: well-formed ones in many styles, and what accidents make of them.

/// A small generator whose sequence is fixed by its seed (the mixing function is SplitMix64's).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `limit`, which must not be 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Keys as written; several spellings of one key, keys of wanted fields and others.
const KEYS: &[&str] = &[
    "id",
    "a",
    "b",
    "c",
    "x",
    "0",
    "1",
    "2",
    "",
    "deep",
    "a/b",
    "a\\/b",
    "m~n",
    "é",
    "\\u00e9",
    "\\u0061",
    "\\u0069d",
    "zz",
    "-",
    "01",
    "registered_date_of_this_user_account",
    "id\\\"",
    "😀",
    "\\ud83d\\ude00",
    "ab",
    "i",
];
const STRINGS: &[&str] = &[
    "",
    "x",
    "female",
    "1c77ce0d-f322-4158-91fd-e9d87cd0c273",
    "Eetu\\u00e4",
    "\\\"\\\\\\/\\b\\f\\n\\r\\t",
    "\\ud83d\\ude00",
    "\u{7f}\u{2028}",
    "Schön 中 😀",
    "\\u0000",
    "{}[],:",
    "https://example.com/api/portraits/med/men/75.jpg?and=more&to=come",
    "a longer text that covers more than one block of sixty-four bytes, \\\"quoted\\\" here and there, to the very end of it",
];
const SCALARS: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "7",
    "-12.50",
    "1e5",
    "1E-7",
    "60220",
    "18446744073709551616",
    "1e308",
    "0e999",
    "1e-999",
    "12345678901234567890.12345678901234567890e+05",
    "[]",
    "{}",
    "[ ]",
    "{\n}",
];
/// What accidents are made of: bytes that mean something to JSON or to UTF-8.
const SPLINTERS: &[u8] = b"\"\\{}[]:,0-+.eEunt/ \n\t\r\x00\x0b\x1f\x7f\x80\xbf\xc3\xed\xa0\xe2\xf0\xff";

/// Text between tokens.
#[derive(Clone, Copy)]
enum Space {
    None,
    /// As Python's `json.dumps` writes it.
    Single,
    Random,
}

/// Appends an object or, rarely, another root.
pub fn document(random: &mut Random, out: &mut Vec<u8>) {
    let space = random.pick(&[Space::None, Space::Single, Space::Single, Space::Random]);
    gap(random, space, b"", out);
    if random.one_in(50) {
        value(random, space, 5, out)
    } else {
        object(random, space, 5, out)
    }
    gap(random, space, b"", out);
}

fn value(random: &mut Random, space: Space, depth: usize, out: &mut Vec<u8>) {
    match random.below(if depth == 0 { 5 } else { 9 }) {
        0..=2 => quoted(random.pick(STRINGS), out),
        3 | 4 => out.extend_from_slice(random.pick(SCALARS).as_bytes()),
        5 => {
            out.push(b'[');
            for i in 0..random.below(4) {
                if i > 0 {
                    gap(random, space, b",", out);
                }
                value(random, space, depth - 1, out);
            }
            out.push(b']');
        }
        _ => object(random, space, depth - 1, out),
    }
}

fn object(random: &mut Random, space: Space, depth: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    for i in 0..random.below(7) {
        if i > 0 {
            gap(random, space, b",", out);
        }
        quoted(random.pick(KEYS), out);
        gap(random, space, b":", out);
        value(random, space, depth, out);
    }
    out.push(b'}');
}

fn quoted(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

fn gap(random: &mut Random, space: Space, token: &[u8], out: &mut Vec<u8>) {
    let blanks = |random: &mut Random, out: &mut Vec<u8>| {
        for _ in 0..random.below(3) {
            out.push(random.pick(b" \n\t\r"));
        }
    };
    match space {
        Space::None => out.extend_from_slice(token),
        Space::Single if token.is_empty() => {}
        Space::Single => out.extend_from_slice(&[token, b" "].concat()),
        Space::Random => {
            blanks(random, out);
            out.extend_from_slice(token);
            blanks(random, out);
        }
    }
}

/// Damages a document a little; the result may still be JSON.
pub fn mutate(random: &mut Random, document: &mut Vec<u8>) {
    for _ in 0..1 + random.below(3) {
        let length = document.len();
        if length == 0 {
            return;
        }
        let at = random.below(length);
        let end = at + random.below(length - at + 1).min(12);
        match random.below(10) {
            0 | 1 => document[at] = random.pick(SPLINTERS),
            2 => document[at] ^= 1 << random.below(8),
            3 => document[at] = random.next() as u8,
            4 => document.insert(at, random.pick(SPLINTERS)),
            5 => document.truncate(at),
            6 => drop(document.drain(at..end)),
            7 => {
                // A piece again, somewhere else: the way to duplicate keys and stray commas.
                let piece = document[at..end].to_vec();
                let to = random.below(length + 1);
                document.splice(to..to, piece);
            }
            8 => document.swap(at, end.min(length - 1)),
            _ => {
                document.remove(at);
            }
        }
    }
}
