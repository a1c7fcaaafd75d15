//! Lets through so many records of a user in each window of time, and drops the others.
//!
//! Time is that of the records, so a replay decides as it was decided before.

use millstream_sdk::{Plugin, Record, Setup, Store, TextField, Verdict};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    most: u64,
    window: String,
}

struct RateLimit {
    user: TextField,
    most: u64,
    window_ms: u64,
    /// By user: the number of the window, and how many records of it went through.
    windows: Store,
}

impl Plugin for RateLimit {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        let Config { most, window } = setup.config()?;
        let window = humantime::parse_duration(&window).map_err(|error| format!("`window`: {error}"))?;
        let window_ms = u64::try_from(window.as_millis()).unwrap_or(u64::MAX).max(1);
        setup.want_timestamps();
        // Nobody asks for an older window.
        let windows = setup.store("windows", Some(window * 2));
        Ok(Self { user: setup.text("/user"), most, window_ms, windows })
    }

    fn record(&mut self, record: &Record) -> Verdict {
        let Some(user) = record.text(self.user) else { return Verdict::Reject("no_user".into()) };
        let Some(time) = record.timestamp_ms() else { return Verdict::Reject("no_timestamp".into()) };
        let window = time.unsigned_abs() / self.window_ms;
        let (latest, count) = read(&self.windows.get_one(user.as_bytes())).unwrap_or((window, 0));
        // A record that comes late counts in the latest window: it must not open an older one again.
        let count = if window > latest { 0 } else { count };
        if count >= self.most {
            return Verdict::Drop("rate_limited".into());
        }
        let entry = [window.max(latest).to_le_bytes(), (count + 1).to_le_bytes()].concat();
        self.windows.put_one(record, user.as_bytes(), &entry);
        Verdict::Keep
    }
}

fn read(entry: &[u8]) -> Option<(u64, u64)> {
    let (window, count) = entry.split_first_chunk()?;
    Some((u64::from_le_bytes(*window), u64::from_le_bytes(*count.first_chunk()?)))
}

millstream_sdk::export!(RateLimit);
