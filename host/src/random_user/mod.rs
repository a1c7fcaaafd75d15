//! Made-up people in the shape of the Random User API, version 1.3, so that the demo runs without the network.
//!
//! In come a seed and a number, out goes the JSON of one of the API's `results`. The same seed and number give the
//! same bytes for ever. Nobody here is real: names, numbers and addresses are drawn from short lists of our own.

mod dice;
mod server;
mod text;
mod words;

pub use server::serve;

use dice::Dice;
use text::{date, hex, pattern, plain_name, string, uuid};
use words::{ANIMALS, COUNTRIES, Country, MOODS, PASSWORDS, Postcode, TIME_ZONES};

/// Ages are counted up to this year, so that a user does not change from one year to the next.
const YEAR: u32 = 2025;

/// How many of the results are faulty, as shares from 0 to 1 of all, so that a demo has something to reject. At most
/// one fault each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Faults {
    /// Results without `email`.
    pub no_email: f64,
    /// Results without `registered`.
    pub no_registered: f64,
    /// Results whose `email` is not an address.
    pub bad_email: f64,
    /// Results whose `gender` is neither of the API's two.
    pub bad_gender: f64,
    /// Results with the `email` of a former one.
    pub repeated_email: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    NoEmail,
    NoRegistered,
    BadEmail,
    BadGender,
    RepeatedEmail,
}

impl Faults {
    /// This share of all results is faulty, each kind equally often.
    pub fn share(share: f64) -> Self {
        let each = share / 5.0;
        Self { no_email: each, no_registered: each, bad_email: each, bad_gender: each, repeated_email: each }
    }

    fn draw(&self, dice: &mut Dice) -> Fault {
        let mut drawn = dice.share();
        for (share, fault) in [
            (self.no_email, Fault::NoEmail),
            (self.no_registered, Fault::NoRegistered),
            (self.bad_email, Fault::BadEmail),
            (self.bad_gender, Fault::BadGender),
            (self.repeated_email, Fault::RepeatedEmail),
        ] {
            if drawn < share {
                return fault;
            }
            drawn -= share;
        }
        Fault::None
    }
}

/// Appends user `n` of a seed, as compact JSON.
pub fn write_user(seed: u64, n: u64, out: &mut Vec<u8>) {
    write_faulty_user(seed, n, &Faults::default(), out);
}

/// Appends user `n` of a seed, who may have one of the faults.
pub fn write_faulty_user(seed: u64, n: u64, faults: &Faults, out: &mut Vec<u8>) {
    let dice = &mut Dice::new(seed, n);
    let person = Person::draw(dice);
    let fault = faults.draw(dice);
    out.extend_from_slice(b"{\"gender\":");
    string(
        out,
        match (fault, person.woman) {
            (Fault::BadGender, _) => "unknown",
            (_, true) => "female",
            (_, false) => "male",
        },
    );
    out.extend_from_slice(b",\"name\":{\"title\":");
    let title = if person.woman { dice.pick(&["Ms", "Mrs", "Miss"]) } else { "Mr" };
    string(out, title);
    out.extend_from_slice(b",\"first\":");
    string(out, shown(person.first));
    out.extend_from_slice(b",\"last\":");
    string(out, shown(person.last));
    out.push(b'}');
    if let Some(country) = person.country {
        location(out, dice, country);
    }
    if fault != Fault::NoEmail {
        out.extend_from_slice(b",\"email\":\"");
        match fault {
            Fault::RepeatedEmail if n > 0 => {
                let earlier = dice.bits() % n;
                Person::draw(&mut Dice::new(seed, earlier)).email(out);
            }
            Fault::BadEmail => plain_name(out, person.first),
            _ => person.email(out),
        }
        out.push(b'"');
    }
    login(out, dice);
    let born = dice.between(1945, 2003);
    dated(out, dice, "dob", born);
    if fault != Fault::NoRegistered {
        let since = dice.between(2003, 2022);
        dated(out, dice, "registered", since);
    }
    if let Some(country) = person.country {
        contact(out, dice, country);
    }
    picture(out, dice, person.woman);
    out.extend_from_slice(b",\"nat\":");
    string(out, person.country.map_or("", |country| country.code));
    out.push(b'}');
}

/// The part of a user that the e-mail address depends on; drawn first, so that it can be drawn again by itself.
struct Person {
    woman: bool,
    country: Option<&'static Country>,
    first: &'static str,
    last: &'static str,
}

impl Person {
    fn draw(dice: &mut Dice) -> Self {
        let country = COUNTRIES.get(dice.below(COUNTRIES.len() as u32) as usize);
        let woman = dice.below(2) == 0;
        let names = |list: fn(&Country) -> &'static [&'static str]| country.map(list).unwrap_or_default();
        let first = dice.pick(if woman { names(|country| country.women) } else { names(|country| country.men) });
        let last = dice.pick(names(|country| country.families));
        Self { woman, country, first, last }
    }

    fn email(&self, out: &mut Vec<u8>) {
        plain_name(out, self.first);
        out.push(b'.');
        plain_name(out, self.last);
        out.extend_from_slice(b"@example.com");
    }
}

/// A name without its Latin form.
fn shown(name: &'static str) -> &'static str {
    name.split_once('|').map_or(name, |(shown, _)| shown)
}

fn location(out: &mut Vec<u8>, dice: &mut Dice, country: &Country) {
    out.extend_from_slice(b",\"location\":{\"street\":{\"number\":");
    text::number(out, dice.between(1, 9999));
    out.extend_from_slice(b",\"name\":");
    string(out, dice.pick(country.streets));
    out.extend_from_slice(b"},\"city\":");
    string(out, dice.pick(country.cities));
    out.extend_from_slice(b",\"state\":");
    string(out, dice.pick(country.states));
    out.extend_from_slice(b",\"country\":");
    string(out, country.name);
    out.extend_from_slice(b",\"postcode\":");
    match country.postcode {
        Postcode::Number { from, to } => text::number(out, dice.between(from, to)),
        Postcode::Text(shape) => pattern(out, dice, shape),
    }
    out.extend_from_slice(b",\"coordinates\":{\"latitude\":");
    degrees(out, dice, 90);
    out.extend_from_slice(b",\"longitude\":");
    degrees(out, dice, 180);
    let zone = dice.pick(&TIME_ZONES);
    out.extend_from_slice(b"},\"timezone\":{\"offset\":");
    string(out, zone.0);
    out.extend_from_slice(b",\"description\":");
    string(out, zone.1);
    out.extend_from_slice(b"}}");
}

fn degrees(out: &mut Vec<u8>, dice: &mut Dice, most: u32) {
    out.extend_from_slice(if dice.below(2) == 0 { b"\"-" } else { b"\"" });
    text::number(out, dice.below(most));
    out.push(b'.');
    text::digits(out, dice.below(10_000), 4);
    out.push(b'"');
}

fn login(out: &mut Vec<u8>, dice: &mut Dice) {
    out.extend_from_slice(b",\"login\":{\"uuid\":\"");
    uuid(out, dice);
    out.extend_from_slice(b"\",\"username\":\"");
    out.extend_from_slice(dice.pick(&MOODS).as_bytes());
    out.extend_from_slice(dice.pick(&ANIMALS).as_bytes());
    text::number(out, dice.between(100, 999));
    out.extend_from_slice(b"\",\"password\":");
    string(out, dice.pick(&PASSWORDS));
    // the checksums belong to no password: nothing reads them, and true ones would cost more than all the rest
    for (name, length) in [("salt", 8), ("md5", 32), ("sha1", 40), ("sha256", 64)] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":\"");
        hex(out, dice, length);
        out.push(b'"');
    }
    out.push(b'}');
}

fn dated(out: &mut Vec<u8>, dice: &mut Dice, name: &str, year: u32) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":{\"date\":\"");
    date(out, dice, year);
    out.extend_from_slice(b"\",\"age\":");
    text::number(out, YEAR - year);
    out.push(b'}');
}

fn contact(out: &mut Vec<u8>, dice: &mut Dice, country: &Country) {
    out.extend_from_slice(b",\"phone\":");
    pattern(out, dice, country.phone);
    out.extend_from_slice(b",\"cell\":");
    pattern(out, dice, country.cell);
    out.extend_from_slice(b",\"id\":{\"name\":");
    string(out, country.id.map_or("", |(name, _)| name));
    out.extend_from_slice(b",\"value\":");
    match country.id {
        Some((_, shape)) => pattern(out, dice, shape),
        None => out.extend_from_slice(b"null"),
    }
    out.push(b'}');
}

fn picture(out: &mut Vec<u8>, dice: &mut Dice, woman: bool) {
    let number = dice.below(100);
    let mut next = &b",\"picture\":{"[..];
    for (size, folder) in [("large", ""), ("medium", "med/"), ("thumbnail", "thumb/")] {
        out.extend_from_slice(next);
        next = b",";
        out.push(b'"');
        out.extend_from_slice(size.as_bytes());
        out.extend_from_slice(b"\":\"https://randomuser.me/api/portraits/");
        out.extend_from_slice(folder.as_bytes());
        out.extend_from_slice(if woman { b"women/" } else { b"men/" });
        text::number(out, number);
        out.extend_from_slice(b".jpg\"");
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests;
