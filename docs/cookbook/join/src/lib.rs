//! Remembers users, and adds to each order the user that it is of.

use millstream_sdk::{Plugin, Record, Setup, Store, TextField, Verdict};

struct Join {
    kind: TextField,
    user: TextField,
    users: Store,
}

impl Plugin for Join {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        setup.want_values();
        Ok(Self { kind: setup.text("/type"), user: setup.text("/user"), users: setup.store("users", None) })
    }

    fn record(&mut self, record: &Record) -> Verdict {
        let Some(user) = record.text(self.user) else { return Verdict::Reject("no_user".into()) };
        match record.text(self.kind) {
            Some("user") => {
                self.users.put_one(record, user.as_bytes(), record.value());
                Verdict::Drop("user_remembered".into())
            }
            Some("order") => match self.users.get_one(user.as_bytes()) {
                known if known.is_empty() => Verdict::Reject(format!("unknown_user: {user}").into()),
                known => Verdict::Replace([b"{\"order\":", record.value(), b",\"of\":", &known, b"}"].concat()),
            },
            _ => Verdict::Reject("unknown_type".into()),
        }
    }
}

millstream_sdk::export!(Join);
