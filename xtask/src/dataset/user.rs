//! One made-up user as the notebook's producer writes it: chance goes in, twelve fields and a line of JSON come out.
//!
//! The line has the spaces and the `\uXXXX` escapes of Python's `json.dumps`, because that is what the topic carries in
//! the original. Knows nothing of faults, except that a field can be null or absent.

use super::dice::Dice;
use super::words::{ANIMALS, MEN, MOODS, PLACES, PostCodes, STREETS, SURNAMES, WOMEN};

/// Letters in post codes; those that are easily misread are not used.
const LETTERS: &[char] = &['A', 'B', 'C', 'E', 'G', 'H', 'J', 'K', 'L', 'M', 'N', 'P', 'R', 'S', 'T', 'V', 'X', 'Y'];

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Text(String),
    Number(u64),
    Null,
    /// The field is not written at all.
    Absent,
}

/// The fields, in the order in which they are written.
#[derive(Clone, Debug)]
pub(super) struct User {
    cells: Vec<(&'static str, Cell)>,
}

impl User {
    pub(super) fn throw(dice: &mut Dice) -> Self {
        let male = dice.percent(50);
        let (gender, names, folder) = if male { ("male", MEN, "men") } else { ("female", WOMEN, "women") };
        let id = uuid(dice.bits());
        let (first, last) = (dice.pick(names), dice.pick(SURNAMES));
        let place = dice.below(PLACES.len() as u64) as usize;
        let (town, region, country, post_codes) = PLACES.get(place).copied().unwrap_or(("", "", "", PostCodes::Number));
        let number = dice.between(1, 10_000);
        let street = dice.pick(STREETS);
        let text = |text: String| Cell::Text(text);
        Self {
            cells: vec![
                ("id", text(id)),
                ("first_name", text(first.to_owned())),
                ("last_name", text(last.to_owned())),
                ("gender", text(gender.to_owned())),
                ("address", text(format!("{number} {street}, {town}, {region}, {country}"))),
                ("post_code", post_code(dice, post_codes)),
                ("email", text(format!("{}.{}@example.com", mailbox(first), mailbox(last)))),
                ("username", text(format!("{}{}{}", dice.pick(MOODS), dice.pick(ANIMALS), dice.below(1000)))),
                ("dob", text(instant(dice, 1944, 2001))),
                ("registered_date", text(instant(dice, 2002, 2023))),
                ("phone", text(phone(dice))),
                ("picture", text(format!("https://randomuser.me/api/portraits/med/{folder}/{}.jpg", dice.below(100)))),
            ],
        }
    }

    /// The text of a field; empty if it holds none.
    pub(super) fn text(&self, field: &str) -> &str {
        match self.cells.iter().find(|(name, _)| *name == field) {
            Some((_, Cell::Text(text))) => text,
            _ => "",
        }
    }

    pub(super) fn set(&mut self, field: &str, value: Cell) {
        for (name, cell) in &mut self.cells {
            if *name == field {
                *cell = value;
                return;
            }
        }
    }

    /// One line of JSON, without its line end.
    pub(super) fn line(&self) -> String {
        let mut out = String::with_capacity(512);
        for (name, cell) in &self.cells {
            if *cell == Cell::Absent {
                continue;
            }
            out.push_str(if out.is_empty() { "{" } else { ", " });
            push_quoted(&mut out, name);
            out.push_str(": ");
            match cell {
                Cell::Text(text) => push_quoted(&mut out, text),
                Cell::Number(number) => out.push_str(&number.to_string()),
                Cell::Null | Cell::Absent => out.push_str("null"),
            }
        }
        out.push('}');
        out
    }
}

/// Quotes a text and leaves nothing but ASCII in it.
fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(letter),
            _ => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// A version 4 UUID of random bits.
fn uuid(bits: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xffff,
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

/// The plain letters of a name in lower case, as the service builds addresses; names without any still get one.
fn mailbox(name: &str) -> String {
    let plain: String =
        name.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect();
    if plain.is_empty() { "nobody".to_owned() } else { plain }
}

fn post_code(dice: &mut Dice, form: PostCodes) -> Cell {
    let digit = |dice: &mut Dice| dice.below(10);
    Cell::Text(match form {
        PostCodes::Number => return Cell::Number(dice.between(10_000, 99_999)),
        PostCodes::British => {
            let area = format!("{}{}{}", dice.pick(LETTERS), dice.pick(LETTERS), dice.between(1, 30));
            format!("{area} {}{}{}", digit(dice), dice.pick(LETTERS), dice.pick(LETTERS))
        }
        PostCodes::Canadian => {
            let area = format!("{}{}{}", dice.pick(LETTERS), digit(dice), dice.pick(LETTERS));
            format!("{area} {}{}{}", digit(dice), dice.pick(LETTERS), digit(dice))
        }
        PostCodes::Dutch => format!("{} {}{}", dice.between(1000, 10_000), dice.pick(LETTERS), dice.pick(LETTERS)),
    })
}

/// A time in the years `from..to`, never after the 28th, so that every month has it.
fn instant(dice: &mut Dice, from: u64, to: u64) -> String {
    let (year, month, day) = (dice.between(from, to), dice.between(1, 13), dice.between(1, 29));
    let (hour, minute, second) = (dice.below(24), dice.below(60), dice.below(60));
    let millis = dice.below(1000);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

fn phone(dice: &mut Dice) -> String {
    let (area, exchange, line) = (dice.between(200, 1000), dice.between(200, 1000), dice.below(10_000));
    format!("({area}) {exchange}-{line:04}")
}
