//! Runs a whole plugin in a native test, without a host: records in, verdicts out.
//!
//! What the host does is done here plainly: fields are taken out with serde_json, state is a map that forgets nothing.
//!
//! ```
//! # use millstream_sdk::{Plugin, Record, Setup, Verdict, testing::Harness};
//! # struct NonEmpty;
//! # impl Plugin for NonEmpty {
//! #     fn new(setup: &mut Setup) -> Result<Self, String> { setup.want_values(); Ok(Self) }
//! #     fn record(&mut self, record: &Record) -> Verdict {
//! #         if record.value().is_empty() { Verdict::Reject("empty".into()) } else { Verdict::Keep }
//! #     }
//! # }
//! let mut plugin = Harness::<NonEmpty>::new("{}").unwrap();
//! assert_eq!(plugin.run(&["{}", ""]).unwrap(), [Verdict::Keep, Verdict::Reject("empty".into())]);
//! ```

pub(crate) mod memory;
mod project;

use std::borrow::Cow;

use crate::{Item, Plugin, Slices, Slot, Verdict, bindings};

/// A plugin with its state.
pub struct Harness<P> {
    slot: Slot<P>,
    descriptor: bindings::Descriptor,
    memory: memory::Memory,
    /// Records given so far: makes every record's seed another one.
    given: u64,
}

/// One record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Input<'a> {
    /// Its bytes.
    pub value: &'a [u8],
    /// Its key.
    pub key: &'a [u8],
    /// Its time, if known.
    pub timestamp_ms: Option<i64>,
    /// Its random bits.
    pub seed: [u64; 2],
}

impl<P: Plugin> Harness<P> {
    /// Starts the plugin with settings, as JSON. An error is what the plugin says against them.
    pub fn new(config: &str) -> Result<Self, String> {
        let slot = Slot::new();
        let descriptor = slot.init(config, "plugin-under-test", "0.0.0")?;
        Ok(Self { slot, descriptor, memory: memory::Memory::default(), given: 0 })
    }

    /// The pointers of the fields that the plugin declared.
    pub fn pointers(&self) -> Vec<&str> {
        self.descriptor.fields.iter().map(|field| field.pointer.as_str()).collect()
    }

    /// How long each declared store remembers; 0 is for ever.
    pub fn ttls_ms(&self) -> Vec<u64> {
        self.descriptor.stores.iter().map(|store| store.ttl_ms).collect()
    }

    /// Gives the plugin one batch of records that are only values; each gets a seed of its own.
    pub fn run<V: AsRef<[u8]>>(&mut self, values: &[V]) -> Result<Vec<Verdict>, String> {
        let inputs = values.iter().map(|value| {
            self.given += 1;
            Input { value: value.as_ref(), seed: [self.given, !self.given], ..Input::default() }
        });
        let inputs: Vec<_> = inputs.collect();
        self.run_records(&inputs)
    }

    /// Has the plugin take over entries of a store, each a key and a value, that an older version has left.
    pub fn migrate(&mut self, from: u32, store: &str, entries: &[(&[u8], &[u8])]) -> Result<Vec<Vec<u8>>, String> {
        let (mut keys, mut values) = (Slices::default(), Slices::default());
        for (key, value) in entries {
            keys.push(key);
            values.push(value);
        }
        let migrated = self.slot.migrate(from, store, &keys, &values)?;
        Ok((0..migrated.len()).map(|i| migrated.get(i).to_vec()).collect())
    }

    /// Gives the plugin one batch.
    pub fn run_records(&mut self, inputs: &[Input<'_>]) -> Result<Vec<Verdict>, String> {
        let batch = project::batch(&self.descriptor, inputs);
        memory::exchange(&mut self.memory);
        let outcome = self.slot.process(&batch);
        memory::exchange(&mut self.memory);
        Ok(verdicts(&outcome?))
    }
}

/// Unpacks an outcome, as the host does.
fn verdicts(outcome: &bindings::Outcome) -> Vec<Verdict> {
    let mut reader = Reader { outcome, out: 0, keys: 0 };
    let mut splits = outcome.splits.iter();
    let verdict = |code: &u8| match code {
        1 => match reader.item() {
            Item { key: Some(key), value } => Verdict::ReplaceKeyed { key, value },
            Item { key: None, value } => Verdict::Replace(value),
        },
        2 => Verdict::Drop(reader.reason()),
        3 => Verdict::Reject(reader.reason()),
        4 => Verdict::Split((0..splits.next().copied().unwrap_or(0)).map(|_| reader.item()).collect()),
        _ => Verdict::Keep,
    };
    outcome.codes.iter().map(verdict).collect()
}

struct Reader<'a> {
    outcome: &'a bindings::Outcome,
    out: usize,
    keys: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> &[u8] {
        self.out += 1;
        self.outcome.out.get(self.out - 1)
    }

    fn item(&mut self) -> Item {
        self.keys += 1;
        let key = self.outcome.out_keys.as_ref().map(|keys: &Slices| keys.get(self.keys - 1).to_vec());
        Item { key, value: self.next().to_vec() }
    }

    fn reason(&mut self) -> Cow<'static, str> {
        String::from_utf8_lossy(self.next()).into_owned().into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::{Kind, Record, Setup, Store, TextField};

    /// Does with a record what its field `do` says.
    struct Obeys {
        verb: TextField,
        seen: Store,
    }

    impl Plugin for Obeys {
        fn new(setup: &mut Setup) -> Result<Self, String> {
            let config: HashMap<String, bool> = setup.config()?;
            if config.get("keys") == Some(&true) {
                setup.want_keys();
            }
            setup.want_values();
            Ok(Self { verb: setup.text("/do"), seen: setup.store("seen", None) })
        }

        fn record(&mut self, record: &Record<'_>) -> Verdict {
            match record.text(self.verb) {
                Some("replace") => Verdict::Replace(record.value().to_vec()),
                Some("key") => Verdict::ReplaceKeyed { key: b"new".to_vec(), value: b"v".to_vec() },
                Some("split") => Verdict::Split(vec![
                    Item { key: Some(b"a".to_vec()), value: b"1".to_vec() },
                    Item { key: None, value: b"2".to_vec() },
                ]),
                Some("once") if self.seen.put_one_if_absent(record, b"k") => Verdict::Keep,
                Some("once") => Verdict::Drop("again".into()),
                Some(text) => Verdict::Reject(text.to_owned().into()),
                None => Verdict::Reject(format!("{:?}", record.kind(self.verb)).into()),
            }
        }
    }

    fn rejected(values: &[&[u8]]) -> Vec<String> {
        let verdicts = Harness::<Obeys>::new("{}").unwrap().run(values).unwrap();
        let reason = |verdict| match verdict {
            Verdict::Reject(reason) => reason.into_owned(),
            other => panic!("{other:?}"),
        };
        verdicts.into_iter().map(reason).collect()
    }

    #[test]
    fn kinds_and_texts_reach_the_plugin_as_the_contract_says() {
        let values: [&[u8]; 9] = [
            br#"{"do":"a\u00e9"}"#,
            br#"{"do":1.50e1}"#,
            br#"{"do":true}"#,
            br#"{"do":false}"#,
            br#"{"do":null}"#,
            br#"{"do":[1]}"#,
            br#"{"do":{"x":1}}"#,
            b"{}",
            br#"{"do":1,"do":"last"}"#,
        ];
        let expected = ["a\u{e9}", "1.50e1", "true", "false", "Null", "Array", "Object", "Absent", "last"];
        assert_eq!(rejected(&values), expected);
    }

    #[test]
    fn what_is_not_an_object_is_told_apart_from_what_is_not_json() {
        let values: [&[u8]; 5] = [b"", b"{} x", b"[]", b"null", b"\xff"];
        assert_eq!(rejected(&values), ["NotJson", "NotJson", "NotObject", "NotObject", "NotJson"]);
    }

    #[test]
    fn state_lasts_from_batch_to_batch_and_belongs_to_one_harness() {
        let once = [r#"{"do":"once"}"#];
        let mut first = Harness::<Obeys>::new("{}").unwrap();
        assert_eq!(first.run(&once).unwrap(), [Verdict::Keep]);
        assert_eq!(first.run(&once).unwrap(), [Verdict::Drop("again".into())]);
        assert_eq!(Harness::<Obeys>::new("{}").unwrap().run(&once).unwrap(), [Verdict::Keep]);
    }

    #[test]
    fn records_without_a_new_key_keep_theirs_beside_records_with_one() {
        let inputs = [r#"{"do":"replace"}"#, r#"{"do":"key"}"#, r#"{"do":"split"}"#].map(|value| Input {
            value: value.as_bytes(),
            key: b"own",
            ..Input::default()
        });
        let verdicts = Harness::<Obeys>::new(r#"{"keys":true}"#).unwrap().run_records(&inputs).unwrap();
        let keyed = |key: &str, value: &str| Item { key: Some(key.into()), value: value.into() };
        assert_eq!(verdicts[0], Verdict::ReplaceKeyed { key: b"own".to_vec(), value: inputs[0].value.to_vec() });
        assert_eq!(verdicts[1], Verdict::ReplaceKeyed { key: b"new".to_vec(), value: b"v".to_vec() });
        assert_eq!(verdicts[2], Verdict::Split(vec![keyed("a", "1"), keyed("own", "2")]));
    }

    #[test]
    fn mixed_keys_without_asking_for_keys_fail_the_batch_but_no_single_record() {
        let mut plugin = Harness::<Obeys>::new("{}").unwrap();
        assert!(plugin.run(&[r#"{"do":"replace"}"#, r#"{"do":"key"}"#]).unwrap_err().contains("ask for keys"));
        assert!(matches!(plugin.run(&[r#"{"do":"replace"}"#]).unwrap()[0], Verdict::Replace(_)));
        assert!(matches!(plugin.run(&[r#"{"do":"key"}"#]).unwrap()[0], Verdict::ReplaceKeyed { .. }));
    }

    #[test]
    fn a_batch_that_is_not_decided_in_full_fails() {
        struct Lazy;
        impl Plugin for Lazy {
            fn new(_: &mut Setup) -> Result<Self, String> {
                Ok(Self)
            }
            fn batch(&mut self, _: &crate::Batch<'_>) -> Result<crate::Outcome, String> {
                Ok(crate::Outcome::default())
            }
        }
        let message = Harness::<Lazy>::new("").unwrap().run(&["{}", "{}"]).unwrap_err();
        assert_eq!(message, "the plugin decided about 0 of 2 records");
    }

    #[test]
    fn a_cell_gives_its_text_and_the_bytes_around_its_end() {
        let cell = crate::Cell::new(Kind::String, b"abcdef");
        assert_eq!(cell.window::<4>(), Some(b"abcd"));
        assert_eq!(cell.window::<7>(), None);
        assert_eq!(crate::Cell::new(Kind::Null, b"").text(), None);
        assert_eq!(crate::Cell::new(Kind::True, b"").text(), Some(&b"true"[..]));
    }
}
