//! `millstream tap`: records of a running stage, before and after it.

use std::{
    io::{IsTerminal, Write},
    sync::Mutex,
};

use super::{Exit, TapArgs, admin::Admin, check::Format, run};
use crate::transform::Tapped;

/// Prints them until there were enough, or Ctrl-C.
pub fn tap(args: &TapArgs) -> anyhow::Result<Exit> {
    let admin = Admin::of(&args.at)?;
    let (pipeline, stage) = match args.stage.split_once('/') {
        Some((pipeline, stage)) => (Some(pipeline), stage),
        None => (None, args.stage.as_str()),
    };
    let mut wanted = vec![("stage", stage.to_owned()), ("limit", args.limit.to_string())];
    wanted.extend(pipeline.map(|pipeline| ("pipeline", pipeline.to_owned())));
    wanted.extend(args.filter.clone().map(|filter| ("filter", filter)));
    let runtime = run::runtime()?;
    run::drive(runtime, async {
        let answer = admin.ask("/tap", &wanted).await?;
        if std::io::stderr().is_terminal() {
            eprintln!("tapping {}; Ctrl-C ends it", args.stage);
        }
        let failed = Mutex::new(None);
        let each = async |line: &[u8]| {
            let Ok(tapped) = serde_json::from_slice::<Tapped>(line) else { return true };
            let text = match args.format {
                Format::Json => format!("{}\n", String::from_utf8_lossy(line)),
                Format::Text => text(&tapped, args.before, args.after),
            };
            let mut out = std::io::stdout().lock();
            let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
            let goes_on = written.is_ok();
            if let Err(error) = written
                && let Ok(mut failed) = failed.lock()
            {
                *failed = Some(error);
            }
            goes_on
        };
        admin.lines(answer, each).await?;
        match failed.into_inner().ok().flatten() {
            // Whoever read our output has had enough.
            Some(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(Exit::Fine),
        }
    })
}

/// A record for people: where it stands and what became of it, then its value on either side.
fn text(tapped: &Tapped, before: bool, after: bool) -> String {
    let mut text = String::new();
    if tapped.left_out > 0 {
        text.push_str(&format!("… {} left out\n", tapped.left_out));
    }
    text.push_str(&format!("{}@{}  {}\n", tapped.partition, tapped.offset, clean(&tapped.fate)));
    if before || !after {
        text.push_str(&format!("  before  {}\n", clean(&tapped.before)));
    }
    if after || !before {
        tapped.after.iter().for_each(|value| text.push_str(&format!("  after   {}\n", clean(value))));
    }
    text
}

/// Without control characters, which a record may hold and a terminal may obey.
pub(super) fn clean(words: &str) -> String {
    words.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_shown_on_either_side_without_control_characters() {
        let tapped = Tapped {
            partition: 1,
            offset: 7,
            key: None,
            before: "a\u{1b}[2J".to_owned(),
            fate: "replaced".to_owned(),
            after: vec!["b".to_owned()],
            left_out: 3,
        };
        assert_eq!(text(&tapped, false, false), "… 3 left out\n1@7  replaced\n  before  a\u{fffd}[2J\n  after   b\n");
        assert_eq!(text(&tapped, true, false), "… 3 left out\n1@7  replaced\n  before  a\u{fffd}[2J\n");
        assert_eq!(text(&tapped, false, true), "… 3 left out\n1@7  replaced\n  after   b\n");
    }
}
