//! A plugin that remembers, by a store that the host keeps and makes durable with the records: `cargo run --example state`.

use std::time::Duration;

use millstream_sdk::{Fields, Plugin, Record, Setup, Store, Typed, Verdict, testing::Harness};

#[derive(Fields)]
struct Reading<'a> {
    sensor: &'a str,
    value: f64,
}

/// Drops a reading that is the same as the sensor's last one. Its stage needs `grant = ["state"]`.
struct Changes {
    reading: Typed<Reading<'static>>,
    last: Store,
}

impl Plugin for Changes {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        let a_day = Duration::from_secs(24 * 60 * 60);
        Ok(Self { reading: setup.fields(), last: setup.store("last", Some(a_day)) })
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        let reading = match self.reading.read(record) {
            Ok(reading) => reading,
            Err(fault) => return fault.into(),
        };
        let value = reading.value.to_le_bytes();
        if self.last.get_one(reading.sensor.as_bytes()) == value {
            return Verdict::Drop("unchanged".into());
        }
        self.last.put_one(record, reading.sensor.as_bytes(), &value);
        Verdict::Keep
    }
}

millstream_sdk::export!(Changes);

fn main() -> Result<(), String> {
    let records =
        [r#"{"sensor": "a", "value": 1}"#, r#"{"sensor": "a", "value": 1.0}"#, r#"{"sensor": "a", "value": 2}"#];
    println!("{:?}", Harness::<Changes>::new("{}")?.run(&records)?);
    Ok(())
}
