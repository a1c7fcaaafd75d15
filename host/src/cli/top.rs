//! `millstream top`: a running host on the terminal, drawn anew once a second.

use std::{
    collections::{BTreeMap, VecDeque},
    io::IsTerminal,
    time::Duration,
};

use console::{Color, Key, Style, Term};
use tokio::sync::mpsc;

use super::{Exit, TopArgs, admin::Admin, run, tap::clean};
use crate::{
    report::thousands,
    web::status::{Pipeline, State, Status},
};

/// Rates are taken over so many statuses, and drawn of so many.
const WINDOW: usize = 5;
const DRAWN: usize = 40;
/// Stages and reasons of a pipeline that are shown.
const MAX_STAGES: usize = 8;
const MAX_REASONS: usize = 3;
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Shows it until `q` is pressed or the host ends; once where nobody watches.
pub fn top(args: &TopArgs) -> anyhow::Result<Exit> {
    let admin = Admin::of(&args.at)?;
    let runtime = run::runtime()?;
    let once = args.once || !std::io::stdout().is_terminal();
    run::drive(runtime, async {
        let first = admin.status().await?;
        let mut seen = Seen::default();
        if once {
            seen.take(&first);
            print!("{}", screen(&first, &seen, false).join("\n") + "\n");
            return Ok(Exit::Fine);
        }
        let (statuses, mut received) = mpsc::channel(4);
        let mut listening = std::pin::pin!(admin.listen(statuses));
        let mut listens = true;
        let (pressed, mut keys) = mpsc::channel(1);
        std::thread::spawn(move || read_keys(&pressed));
        let term = Term::stdout();
        term.hide_cursor()?;
        let ended = loop {
            tokio::select! {
                status = received.recv() => match status {
                    Some(Ok(status)) => {
                        seen.take(&status);
                        draw(&term, &screen(&status, &seen, true))?;
                    }
                    Some(Err(error)) => break Err(error),
                    None => break Err(anyhow::anyhow!("the host at {admin} has ended")),
                },
                () = &mut listening, if listens => listens = false,
                _ = keys.recv() => break Ok(Exit::Fine),
                _ = tokio::signal::ctrl_c() => break Ok(Exit::Fine),
            }
        };
        term.show_cursor()?;
        ended
    })
}

/// Says when `q` or Escape is pressed. Ends with the process.
fn read_keys(pressed: &mpsc::Sender<()>) {
    let term = Term::stdout();
    while let Ok(key) = term.read_key() {
        if matches!(key, Key::Char('q') | Key::Escape | Key::CtrlC) && pressed.blocking_send(()).is_err() {
            return;
        }
    }
}

/// As many lines as fit, over those that were there.
fn draw(term: &Term, lines: &[String]) -> std::io::Result<()> {
    let (height, width) = term.size();
    let fits = lines.iter().take(usize::from(height).saturating_sub(1));
    let fits: Vec<_> = fits.map(|line| console::truncate_str(line, usize::from(width), "…")).collect();
    term.clear_screen()?;
    term.write_line(&fits.join("\n"))
}

/// What was heard of the host.
#[derive(Default)]
struct Seen(BTreeMap<String, History>);

#[derive(Default)]
struct History {
    /// Unix milliseconds and records consumed.
    recent: VecDeque<(i64, u64)>,
    rates: VecDeque<f64>,
}

impl Seen {
    fn take(&mut self, status: &Status) {
        self.0.retain(|name, _| status.pipelines.iter().any(|pipeline| pipeline.name == *name));
        for pipeline in &status.pipelines {
            self.0.entry(pipeline.name.clone()).or_default().take(status.time_ms, pipeline.consumed);
        }
    }
}

impl History {
    fn take(&mut self, time_ms: i64, consumed: u64) {
        self.recent.push_back((time_ms, consumed));
        if self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        self.rates.extend(self.per_s());
        if self.rates.len() > DRAWN {
            self.rates.pop_front();
        }
    }

    /// Not known before there are two statuses.
    fn per_s(&self) -> Option<f64> {
        let (first, last) = (self.recent.front()?, self.recent.back()?);
        (last.0 > first.0).then(|| last.1.saturating_sub(first.1) as f64 * 1000.0 / (last.0 - first.0) as f64)
    }

    /// The rates as bars, the largest one highest.
    fn bars(&self) -> String {
        let most = self.rates.iter().copied().fold(1.0, f64::max);
        let bar = |rate: &f64| BARS.get((rate / most * (BARS.len() - 1) as f64) as usize).copied().unwrap_or(' ');
        self.rates.iter().map(bar).collect()
    }
}

/// All lines.
fn screen(status: &Status, seen: &Seen, colours: bool) -> Vec<String> {
    let memory = status.process.resident_bytes.map_or_else(String::new, |bytes| format!(", {} MiB", bytes >> 20));
    let uptime = humantime::format_duration(Duration::from_secs(status.uptime_s as u64));
    let mut lines = vec![format!("millstream {}, up {uptime}{memory}", status.version)];
    for pipeline in &status.pipelines {
        lines.push(String::new());
        lines.extend(pipeline_lines(pipeline, seen.0.get(&pipeline.name), colours));
    }
    if colours {
        lines.push(String::new());
        lines.push(paint("q ends", Color::White, true));
    }
    lines
}

fn pipeline_lines(pipeline: &Pipeline, history: Option<&History>, colours: bool) -> Vec<String> {
    let paint = |text: &str, colour| self::paint(text, colour, colours);
    let (word, colour) = state(pipeline.state);
    let mut lines = vec![format!("{}: {}", pipeline.name, paint(word, colour))];
    lines.push(format!("  {} -> {}", pipeline.source, pipeline.sink));
    if let Some(why) = &pipeline.why {
        lines.push(paint(&format!("  {}", clean(why)), colour));
    }
    let lag = pipeline.lag.map_or_else(|| "not known".to_owned(), thousands);
    let rate = history.and_then(History::per_s).map_or_else(String::new, |rate| format!("{rate:.0} records/s, "));
    let bars = history.map_or_else(String::new, History::bars);
    let (under_way, retries) = (thousands(pipeline.under_way), thousands(pipeline.retries));
    lines.push(format!("  {rate}lag {lag}, {under_way} under way, {retries} attempts repeated  {bars}"));
    let (balance, colour) = balance(pipeline);
    lines.push(paint(&format!("  {balance}"), colour));
    for stage in pipeline.stages.iter().take(MAX_STAGES) {
        let busy_ms = stage.busy_s * 1000.0 / stage.batches.max(1) as f64;
        let mib = stage.memory as f64 / f64::from(1 << 20);
        let (name, version, sha256) = (&stage.name, &stage.version, &stage.sha256);
        lines.push(if stage.batches == 0 {
            format!("  stage {name}: no batch yet")
        } else {
            format!("  stage {name} {version} ({sha256:.8}): {busy_ms:.2} ms a batch, {mib:.1} MiB")
        });
    }
    let mut causes: Vec<_> = pipeline.dead_lettered.iter().map(|cause| (cause, "dead-lettered")).collect();
    causes.extend(pipeline.dropped.iter().map(|cause| (cause, "dropped")));
    causes.sort_by_key(|(cause, _)| std::cmp::Reverse(cause.records));
    for (cause, what) in causes.iter().take(MAX_REASONS) {
        let (records, stage, reason) = (thousands(cause.records), &cause.stage, clean(&cause.reason));
        lines.push(paint(&format!("  {records} {what} by {stage}: {reason}"), Color::Yellow));
    }
    lines
}

/// The conservation meter in words.
fn balance(pipeline: &Pipeline) -> (String, Color) {
    let split = if pipeline.split > 0 { format!(" + {} split", thousands(pipeline.split)) } else { String::new() };
    let sum = format!(
        "{} consumed{split} = {} written + {} dropped + {} dead-lettered",
        thousands(pipeline.consumed),
        thousands(pipeline.written),
        thousands(pipeline.dropped_total()),
        thousands(pipeline.dead_lettered_total())
    );
    match pipeline.unaccounted {
        0 => (format!("nothing lost: {sum}"), Color::Green),
        lost => (format!("RECORDS UNACCOUNTED FOR ({lost}): {sum}"), Color::Red),
    }
}

fn state(state: State) -> (&'static str, Color) {
    match state {
        State::Opening => ("opening", Color::Yellow),
        State::Running => ("running", Color::Green),
        State::Waiting => ("waiting", Color::Yellow),
        State::Paused => ("paused", Color::Red),
        State::Ended => ("ended in order", Color::White),
        State::Failed => ("failed", Color::Red),
    }
}

fn paint(text: &str, colour: Color, colours: bool) -> String {
    if colours { Style::new().fg(colour).apply_to(text).to_string() } else { text.to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn status(consumed: u64) -> Status {
        let pipeline = serde_json::json!({
            "name": "store", "state": "running", "why": null, "source": "log:a", "sink": "sqlite:b/c",
            "dead_letters_to": "log:a.dead_letters", "consumed": consumed, "split": 0, "written": consumed - 10,
            "dropped": [], "unaccounted": 0,
            "dead_lettered": [{ "stage": "validate", "reason": "bad\u{1b}[31m_email", "records": 10 }],
            "stages": [{ "name": "validate", "plugin": "validate", "version": "0.1.0", "sha256": "0123456789ab", "records": 1,
                "batches": 1, "busy_s": 0.001, "memory": 1_048_576 }],
            "lag": 1234, "lags": [[0, 1234]], "under_way": 0, "retries": 0, "commits": 1, "commit_age_s": 0.1,
            "latency": { "bounds": [], "counts": [] }, "swaps": 0, "rollbacks": 0, "refusals": 0, "changelog_bytes": 1,
            "marks": [], "samples": []
        });
        let process = serde_json::json!({ "resident_bytes": 1 << 26, "cpu_s": 1.0, "open_files": 9, "started_s": 1.0 });
        serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "time_ms": consumed, "uptime_s": 61.0, "process": process, "pipelines": [pipeline]
        }))
        .unwrap()
    }

    #[test]
    fn a_host_is_shown_with_its_rate_its_balance_and_no_control_characters() {
        let mut seen = Seen::default();
        [1000, 2000, 3000].iter().for_each(|consumed| seen.take(&status(*consumed)));
        let text = screen(&status(3000), &seen, false).join("\n");
        let wanted = "\
millstream 0.1.0, up 1m 1s, 64 MiB

store: running
  log:a -> sqlite:b/c
  1000 records/s, lag 1,234, 0 under way, 0 attempts repeated  ██
  nothing lost: 3,000 consumed = 2,990 written + 0 dropped + 10 dead-lettered
  stage validate 0.1.0 (01234567): 1.00 ms a batch, 1.0 MiB
  10 dead-lettered by validate: bad\u{fffd}[31m_email";
        assert_eq!(text, wanted);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut history = History::default();
        (0..10_000).for_each(|n| history.take(n, n as u64));
        assert_eq!((history.recent.len(), history.rates.len()), (WINDOW, DRAWN));
        assert_eq!(history.bars().chars().count(), DRAWN);
    }
}
