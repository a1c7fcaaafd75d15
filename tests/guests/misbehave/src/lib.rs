//! Does what the record says: `panic`, `loop`, `grow`, `recurse`, `error`, `flood`, `split`, or `reject` for the reason behind
//! it. Any other record is kept, after its value was put into the store `seen`; one that is there already is dropped.

use millstream_sdk::{Batch, Item, Outcome, Plugin, Record, Setup, Store, Verdict, log};

/// See the module.
pub struct Misbehave {
    seen: Store,
}

impl Plugin for Misbehave {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        setup.want_values();
        Ok(Self { seen: setup.store("seen", None) })
    }

    fn batch(&mut self, batch: &Batch<'_>) -> Result<Outcome, String> {
        let mut outcome = Outcome::with_capacity(batch.rows());
        for record in batch.records() {
            match self.record(&record) {
                Verdict::Keep => outcome.keep(),
                Verdict::Drop(reason) => outcome.drop(&reason),
                Verdict::Split(items) => outcome.split(&items),
                Verdict::Reject(reason) if reason == "error" => return Err("asked to fail".to_owned()),
                Verdict::Reject(reason) => outcome.reject(&reason),
                _ => outcome.reject("unexpected"),
            }
        }
        Ok(outcome)
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        match record.value() {
            #[expect(clippy::panic, reason = "it was asked to")]
            b"panic" => panic!("asked to panic"),
            b"loop" => forever(),
            b"grow" => grow(),
            b"recurse" => Verdict::Reject(recurse(record.value().len() as u64).to_string().into()),
            b"error" => Verdict::Reject("error".into()),
            b"flood" => {
                for i in 0..100_000 {
                    log::info(&format!("line {i}"));
                }
                Verdict::Keep
            }
            b"split" => Verdict::Split(
                [b"a half".to_vec(), b"another half".to_vec()].map(|value| Item { key: None, value }).into(),
            ),
            [b'r', b'e', b'j', b'e', b'c', b't', b' ', reason @ ..] => {
                Verdict::Reject(String::from_utf8_lossy(reason).into_owned().into())
            }
            value => match self.seen.put_one_if_absent(record, value) {
                true => Verdict::Keep,
                false => Verdict::Drop("seen".into()),
            },
        }
    }
}

fn forever() -> Verdict {
    let mut x = 0u64;
    while std::hint::black_box(x) < u64::MAX {
        x = std::hint::black_box(x & 0xff) + 1;
    }
    Verdict::Keep
}

fn grow() -> Verdict {
    let mut hoard = Vec::new();
    loop {
        hoard.push(std::hint::black_box(vec![1u8; 1 << 20]));
    }
}

#[expect(unconditional_recursion, reason = "it was asked to")]
fn recurse(n: u64) -> u64 {
    std::hint::black_box(recurse(std::hint::black_box(n + 1)) + 1)
}

millstream_sdk::export!(Misbehave);
