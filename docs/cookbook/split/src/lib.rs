//! Makes a record of each line of an order, with the order's id as its key.

use std::borrow::Cow;

use millstream_sdk::{Item, Plugin, Record, Setup, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Order<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    lines: Vec<&'a RawValue>,
}

#[derive(Serialize)]
struct Line<'a> {
    order: &'a str,
    number: usize,
    line: &'a RawValue,
}

struct Split;

impl Plugin for Split {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        setup.want_values();
        Ok(Self)
    }

    fn record(&mut self, record: &Record) -> Verdict {
        match items(record.value()) {
            Ok(items) if items.is_empty() => Verdict::Reject("no_lines".into()),
            Ok(items) => Verdict::Split(items),
            Err(error) => Verdict::Reject(format!("not_an_order: {error}").into()),
        }
    }
}

fn items(order: &[u8]) -> Result<Vec<Item>, serde_json::Error> {
    let order: Order = serde_json::from_slice(order)?;
    let item = |(number, line)| {
        let value = serde_json::to_vec(&Line { order: &order.id, number, line })?;
        Ok(Item { key: Some(order.id.as_bytes().to_vec()), value })
    };
    (1..).zip(order.lines.iter().copied()).map(item).collect()
}

millstream_sdk::export!(Split);
