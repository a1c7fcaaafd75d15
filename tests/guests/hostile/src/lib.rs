//! Breaks the contract below the SDK, which would not let a plugin do so: its configuration names the attack. In
//! a batch it strikes only where a record's value is `culprit`; everything else it keeps.

#![cfg(target_family = "wasm")]

use std::cell::RefCell;

use millstream_sdk::bindings::{
    Batch, Descriptor, Field, Guest, Migration, Outcome, Slices, Store,
    millstream::plugin::{log, state},
};

thread_local! {
    static ATTACK: RefCell<String> = const { RefCell::new(String::new()) };
}

struct Hostile;

impl Guest for Hostile {
    fn init(config: String) -> Result<Descriptor, String> {
        // A JSON string, or a table with one text.
        let attack = config.rsplit(":\"").next().unwrap_or_default().trim_matches(['"', '}']).to_owned();
        let mut descriptor = Descriptor {
            name: "hostile".to_owned(),
            version: "0.1.0".to_owned(),
            state_version: if attack.starts_with("migrate") { 2 } else { 1 },
            fields: Vec::new(),
            stores: vec![Store { name: "seen".to_owned(), ttl_ms: 0 }],
            wants_values: true,
            wants_keys: false,
            wants_timestamps: false,
            wants_seeds: false,
        };
        match attack.as_str() {
            "init traps" => core::arch::wasm32::unreachable(),
            "init never ends" => forever(),
            "init refuses" => return Err("no, \u{1b}[31mnever\u{1b}[0m".to_owned()),
            "init grows" => grow(),
            "a thousand fields" => {
                descriptor.fields = (0..1000).map(|n| Field { pointer: format!("/{n}"), text: true }).collect();
            }
            "a pointer that is none" => descriptor.fields = vec![Field { pointer: "x".to_owned(), text: true }],
            "wants the time" => descriptor.wants_timestamps = true,
            "wants dice" => descriptor.wants_seeds = true,
            "the same store twice" => descriptor.stores.push(Store { name: "seen".to_owned(), ttl_ms: 1 }),
            _ => {}
        }
        ATTACK.replace(attack);
        Ok(descriptor)
    }

    fn process(batch: Batch) -> Result<Outcome, String> {
        let rows = batch.rows as usize;
        let values = batch.values.unwrap_or(Slices { ends: Vec::new(), data: Vec::new() });
        let mut begin = 0;
        let is_culprit = values.ends.iter().any(|end| {
            let value = values.data.get(begin..*end as usize).unwrap_or_default();
            begin = *end as usize;
            value == b"culprit"
        });
        let attack = ATTACK.with_borrow(Clone::clone);
        if is_culprit { strike(&attack, rows) } else { Ok(keep(rows)) }
    }
}

impl Migration for Hostile {
    fn migrate(_: u32, _: String, keys: Slices, values: Slices) -> Result<Slices, String> {
        let attack = ATTACK.with_borrow(Clone::clone);
        match attack.as_str() {
            "migrate traps" => core::arch::wasm32::unreachable(),
            "migrate never ends" => forever(),
            "migrate grows" => grow(),
            "migrate loses entries" => Ok(slices(&[], 0)),
            "migrate makes a giant" => Ok(slices(&vec![1 << 20; keys.ends.len().max(1)], 1 << 20)),
            "migrate descends" => Ok(slices(&[7, 3], 3)),
            "migrate looks into the state" => Ok(state::get(0, &keys)),
            "migrate writes to the state" => {
                state::put(0, &[0], &keys, &values);
                Ok(values)
            }
            _ => Ok(values),
        }
    }
}

fn keep(rows: usize) -> Outcome {
    Outcome { codes: vec![0; rows], out: slices(&[], 0), splits: Vec::new(), out_keys: None }
}

fn slices(ends: &[u32], bytes: usize) -> Slices {
    Slices { ends: ends.to_vec(), data: vec![b'x'; bytes] }
}

fn strike(attack: &str, rows: usize) -> Result<Outcome, String> {
    let all = |code: u8, out: Slices| Outcome { codes: vec![code; rows], out, ..keep(rows) };
    let ends = |each: u32| (1..=rows as u32).map(|row| row * each).collect::<Vec<_>>();
    Ok(match attack {
        "trap" => core::arch::wasm32::unreachable(),
        "never ends" => forever(),
        "recursion" => return Err(recurse(1).to_string()),
        "grows" => grow(),
        "huge output" => all(1, slices(&ends(24 << 20), (24 << 20) * rows)),
        "descending ends" => all(1, slices(&[7, 3], 3)),
        "ends beyond the data" => all(1, slices(&ends(1000), 3)),
        "codes out of range" => all(77, slices(&ends(1), rows)),
        "too many verdicts" => Outcome { codes: vec![0; rows + 1], ..keep(rows) },
        "too few verdicts" => Outcome { codes: Vec::new(), ..keep(rows) },
        "too few reasons" => all(3, slices(&[], 0)),
        "a reason that is no text" => {
            let out = Slices { ends: ends(2), data: [0xff, 0xfe].repeat(rows) };
            all(3, out)
        }
        "a split into billions" => Outcome { splits: vec![u32::MAX; rows], ..all(4, slices(&[], 0)) },
        "keys for nothing" => Outcome { out_keys: Some(slices(&ends(1), rows)), ..keep(rows) },
        "log flood" => {
            let line = "x".repeat(1 << 20);
            for _ in 0..2_000 {
                log::write(0, &line);
            }
            keep(rows)
        }
        "logs and traps" => {
            log::write(0, "about to trap");
            core::arch::wasm32::unreachable()
        }
        "recursion to a depth" => {
            std::hint::black_box(dig(3_000));
            keep(rows)
        }
        "a log level that is none" => {
            log::write(255, "\u{1b}]0;owned\u{7}");
            keep(rows)
        }
        "an undeclared store" => {
            state::get(9, &slices(&[1], 1));
            keep(rows)
        }
        "a foreign row" => {
            state::put_if_absent(0, &[u32::MAX], &slices(&[1], 1));
            keep(rows)
        }
        "more rows than keys" => {
            state::put_if_absent(0, &[0, 0, 0], &slices(&[1], 1));
            keep(rows)
        }
        "wrong ends to the host" => {
            state::put_if_absent(0, &[0], &slices(&[9], 1));
            keep(rows)
        }
        "a key of a megabyte" => {
            state::put_if_absent(0, &[0], &slices(&[1 << 20], 1 << 20));
            keep(rows)
        }
        "keys without values" => {
            state::put(0, &[0], &slices(&[1], 1), &slices(&[], 0));
            keep(rows)
        }
        _ => keep(rows),
    })
}

fn forever() -> ! {
    let mut x = 0u64;
    loop {
        x = std::hint::black_box(x) + 1;
    }
}

fn grow() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1u8; 1 << 20]));
    }
}

fn dig(n: u64) -> u64 {
    if n == 0 { 0 } else { std::hint::black_box(dig(std::hint::black_box(n - 1)) + 1) }
}

#[expect(unconditional_recursion, reason = "that is the attack")]
fn recurse(n: u64) -> u64 {
    std::hint::black_box(recurse(std::hint::black_box(n + 1)) + 1)
}

millstream_sdk::bindings::export_component!(Hostile with_types_in millstream_sdk::bindings);
