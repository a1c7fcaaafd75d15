//! Progress on the terminal: a line per pipeline that is redrawn in place, with log lines above it. Where standard error is
//! no terminal nothing is drawn; the log says what matters.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

use crate::pipeline::{Figures, Host};

const REDRAW: Duration = Duration::from_millis(250);

/// Where progress is drawn and log lines go. Cheap to clone.
#[derive(Clone)]
pub struct Screen(MultiProgress);

impl Screen {
    /// Standard error.
    pub fn new() -> Self {
        let target = ProgressDrawTarget::stderr();
        Self(MultiProgress::with_draw_target(target))
    }

    /// A writer whose lines appear above the progress lines.
    pub fn writer(&self) -> ScreenWriter {
        ScreenWriter(self.clone())
    }

    /// A line that says what is being done, with a spinner, until it is dropped; a plain line where nothing is drawn.
    pub fn task(&self, what: &str) -> Task {
        if !io::stderr().is_terminal() {
            eprintln!("{what}");
        }
        self.quiet_task(what)
    }

    /// The same, with nothing said where nothing is drawn.
    pub fn quiet_task(&self, what: &str) -> Task {
        let bar = self.line();
        bar.set_message(what.to_owned());
        Task(bar)
    }

    fn line(&self) -> ProgressBar {
        let bar = self.0.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(REDRAW);
        bar
    }

    /// Draws the meters of all pipelines until the future is done.
    pub async fn watch<T>(&self, host: &Host, until: impl Future<Output = T>) -> T {
        let mut lines: Vec<(String, ProgressBar, Rate)> = Vec::new();
        let mut until = std::pin::pin!(until);
        let mut redraw = tokio::time::interval(REDRAW);
        let result = loop {
            tokio::select! {
                result = &mut until => break result,
                _ = redraw.tick() => {
                    let handles = host.handles();
                    let width = handles.iter().map(|handle| handle.name.len()).max().unwrap_or(0);
                    // Pipelines come and go.
                    lines.retain(|(name, bar, _)| {
                        let runs = handles.iter().any(|handle| handle.name == *name);
                        if !runs {
                            bar.finish_and_clear();
                        }
                        runs
                    });
                    for handle in &handles {
                        let name = &handle.name;
                        if !lines.iter().any(|(known, ..)| known == name) {
                            lines.push((name.clone(), self.line(), Rate::default()));
                        }
                        if let Some((_, bar, rate)) = lines.iter_mut().find(|(known, ..)| known == name) {
                            bar.set_message(format!("{name:width$}  {}", figures_line(&handle.meter.figures(), rate)));
                        }
                    }
                }
            }
        };
        for (_, bar, _) in lines {
            bar.finish_and_clear();
        }
        result
    }
}

fn figures_line(figures: &Figures, rate: &mut Rate) -> String {
    let (now, start) = (&figures.totals, &figures.at_start);
    let written = now.written - start.written;
    let mut line = format!(
        "{} consumed  {} written  {} dropped  {} dead-lettered  {:.0}/s",
        now.consumed - start.consumed,
        written,
        now.dropped_total() - start.dropped_total(),
        now.dead_lettered_total() - start.dead_lettered_total(),
        rate.update(now.consumed),
    );
    if let Some(lag) = figures.lag.filter(|lag| *lag > 0) {
        line.push_str(&format!("  {lag} behind"));
    }
    if let Some(waiting) = figures.waiting() {
        line.push_str(&format!("  waiting: {waiting}"));
    }
    line
}

/// Records per second over about the last two seconds.
#[derive(Default)]
struct Rate {
    last: Option<(Instant, u64)>,
    per_s: f64,
}

impl Rate {
    fn update(&mut self, count: u64) -> f64 {
        let now = Instant::now();
        match self.last {
            Some((at, before)) if now - at >= Duration::from_secs(2) => {
                self.per_s = (count - before) as f64 / (now - at).as_secs_f64();
                self.last = Some((now, count));
            }
            Some(_) => {}
            None => self.last = Some((now, count)),
        }
        self.per_s
    }
}

/// A line that says what is being done.
pub struct Task(ProgressBar);

impl Task {
    /// Says what is being done now.
    pub fn now(&self, what: &str) {
        self.0.set_message(what.to_owned());
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Writes log lines above the progress lines.
#[derive(Clone)]
pub struct ScreenWriter(Screen);

impl Write for ScreenWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for ScreenWriter {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
