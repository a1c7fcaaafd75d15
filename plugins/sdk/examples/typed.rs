//! A filter over typed records: `cargo run --example typed` shows its verdicts without a host.

use millstream_sdk::{Fields, Plugin, Record, Setup, Typed, Verdict, testing::Harness};

/// What the plugin needs of a record; the host takes out these fields and no others.
#[derive(Fields)]
#[fields(rename_all = "camelCase")]
struct Order<'a> {
    customer: &'a str,
    total_cents: i64,
    #[field(rename = "/address/country")]
    country: Option<&'a str>,
}

/// Lets through what customers abroad have paid.
struct PaidAbroad {
    order: Typed<Order<'static>>,
}

impl Plugin for PaidAbroad {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        Ok(Self { order: setup.fields() })
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        let order = match self.order.read(record) {
            Ok(order) => order,
            Err(fault) => return fault.into(), // rejected as `missing_field: customer`, say
        };
        if order.total_cents <= 0 || order.customer.is_empty() {
            return Verdict::Drop("unpaid".into());
        }
        if order.country.is_some_and(|country| country != "NO") { Verdict::Keep } else { Verdict::Drop("home".into()) }
    }
}

millstream_sdk::export!(PaidAbroad);

fn main() -> Result<(), String> {
    let records = [
        r#"{"customer": "ada", "totalCents": 700, "address": {"country": "SE"}}"#,
        r#"{"customer": "bob", "totalCents": 700}"#,
        r#"{"customer": "eve", "totalCents": "700"}"#,
    ];
    let verdicts = Harness::<PaidAbroad>::new("{}")?.run(&records)?;
    for (record, verdict) in records.iter().zip(verdicts) {
        println!("{record}\n    {verdict:?}");
    }
    Ok(())
}
