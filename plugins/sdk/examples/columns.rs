//! The same kind of rule column by column, which is what the sandbox runs fastest: `cargo run --example columns`.

use millstream_sdk::{Batch, Cell, Outcome, Plugin, Setup, TextField, testing::Harness};

/// Rejects records whose field `email` has no `@`.
struct HasAddress {
    email: TextField,
}

impl Plugin for HasAddress {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        Ok(Self { email: setup.text("/email") })
    }

    fn batch(&mut self, batch: &Batch<'_>) -> Result<Outcome, String> {
        let mut outcome = Outcome::with_capacity(batch.rows());
        for cell in batch.column(self.email).cells() {
            if is_address(cell) {
                outcome.keep();
            } else {
                outcome.reject("bad_email");
            }
        }
        Ok(outcome)
    }
}

fn is_address(cell: Cell<'_>) -> bool {
    cell.text().is_some_and(|text| text.contains(&b'@'))
}

millstream_sdk::export!(HasAddress);

fn main() -> Result<(), String> {
    let records = [r#"{"email": "ada@example.com"}"#, r#"{"email": "ada"}"#, "{}"];
    println!("{:?}", Harness::<HasAddress>::new("{}")?.run(&records)?);
    Ok(())
}
