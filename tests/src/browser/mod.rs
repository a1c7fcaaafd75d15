//! A real Chromium without a window, as a reader of our pages: opens an address, asks the page what it shows, takes
//! pictures.
//!
//! In come an address, a width and light or dark; out come values from the page, pictures, and what a page must never have:
//! errors in its console and requests to anywhere else. It is driven over its debugging pipe (the DevTools protocol) and
//! ends with the test. Nothing here sleeps but to look again.

mod picture;
mod pipe;

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

pub use picture::Picture;
use pipe::Pipe;

/// Programs that are a Chromium, unless `CHROMIUM` names one.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Nothing but our page: no window, no sandbox (which containers lack), nothing fetched on its own account.
const ARGUMENTS: [&str; 14] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--mute-audio",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
];

const POLL: Duration = Duration::from_millis(50);

/// How a page is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// In CSS pixels; 390 is a telephone, with touch and without a pointer.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Whether the reader prefers dark pages.
    pub dark: bool,
}

impl View {
    /// A telephone and a laptop, in light and in dark: what each page is looked at with.
    pub const ALL: [View; 4] = [View::laptop(false), View::laptop(true), View::telephone(false), View::telephone(true)];

    /// 1280 pixels wide.
    pub const fn laptop(dark: bool) -> Self {
        Self { width: 1280, height: 900, dark }
    }

    /// 390 pixels wide.
    pub const fn telephone(dark: bool) -> Self {
        Self { width: 390, height: 844, dark }
    }

    /// Such as `390-dark`, for the names of files.
    pub fn name(self) -> String {
        format!("{}-{}", self.width, if self.dark { "dark" } else { "light" })
    }
}

/// A running Chromium with one page. Killed when dropped.
pub struct Browser {
    child: Child,
    pipe: Pipe,
    session: String,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one; without a Chromium on this machine the calling test is noted as skipped and has to return.
    pub fn start() -> Option<Self> {
        let Some(program) = program() else {
            crate::skip("there is no chromium; install the package `chromium`, or name one in CHROMIUM");
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("sh");
        // The pipe is expected at the descriptors 3 and 4.
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null"]).arg(program).args(ARGUMENTS);
        command.arg(format!("--user-data-dir={}", profile.path().display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("starting chromium");
        let mut pipe = Pipe::new(child.stdin.take().expect("it is piped"), child.stdout.take().expect("it is piped"));
        let target = pipe.ask(None, "Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = pipe.ask(None, "Target.attachToTarget", attach);
        let session = attached["sessionId"].as_str().expect("a session").to_owned();
        let mut browser = Self { child, pipe, session, _profile: profile };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.command(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Opens an address (`file:` as well) and waits until it is loaded. What an earlier page did is forgotten.
    pub fn open(&mut self, address: &str, view: View) {
        self.look(view);
        self.pipe.events.clear();
        let opened = self.command("Page.navigate", json!({ "url": address }));
        assert_eq!(opened["errorText"], Value::Null, "cannot open {address}");
        self.until("the page is loaded", "document.readyState === 'complete' && location.href !== 'about:blank'");
    }

    /// Looks at the page that is open in another way.
    pub fn look(&mut self, view: View) {
        let telephone = view.width < 500;
        self.command(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": view.width, "height": view.height, "deviceScaleFactor": 1, "mobile": telephone }),
        );
        let scheme = if view.dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.command("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// The value of an expression in the page; of a promise, what it comes to.
    pub fn value(&mut self, expression: &str) -> Value {
        let question = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.command("Runtime.evaluate", question);
        assert_eq!(answer["exceptionDetails"], Value::Null, "`{expression}` failed");
        answer["result"]["value"].clone()
    }

    /// The text of the first element that a selector finds, as a reader sees it.
    pub fn text(&mut self, selector: &str) -> String {
        let selector = Value::from(selector);
        let text = self.value(&format!("document.querySelector({selector})?.innerText"));
        text.as_str().unwrap_or_else(|| panic!("the page has no {selector}")).to_owned()
    }

    /// Waits until an expression in the page is true.
    pub fn until(&mut self, what: &str, expression: &str) {
        let began = Instant::now();
        while self.value(expression) != Value::Bool(true) {
            let body = "document.body?.innerText";
            assert!(
                began.elapsed() < crate::process::PATIENCE,
                "waited in vain for this: {what}; the page complains of {:?} and shows:\n{}",
                self.complaints(),
                self.value(body).as_str().unwrap_or_default()
            );
            std::thread::sleep(POLL);
        }
    }

    /// A picture of the whole page, also of what is below the window's edge.
    pub fn picture(&mut self) -> Picture {
        let size = self.command("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let ask = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.command("Page.captureScreenshot", ask);
        Picture::of(answer["data"].as_str().expect("a picture"))
    }

    /// Whether a reader has to scroll sideways.
    pub fn is_too_wide(&mut self) -> bool {
        self.value("document.documentElement.scrollWidth > window.innerWidth") == Value::Bool(true)
    }

    /// What went wrong in the page since it was opened: errors and warnings in its console, exceptions, failed requests.
    pub fn complaints(&mut self) -> Vec<String> {
        self.pipe.drain();
        let of = |event: &Value| {
            let said = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(said["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" => {
                    let bad = ["error", "warning", "assert"].contains(&said["type"].as_str()?);
                    bad.then(|| said["args"].to_string())
                }
                "Log.entryAdded" => {
                    let bad = ["error", "warning"].contains(&said["entry"]["level"].as_str()?);
                    bad.then(|| said["entry"].to_string())
                }
                "Network.loadingFailed" if said["canceled"] != true => Some(said.to_string()),
                _ => None,
            }
        };
        self.pipe.events.iter().filter_map(of).collect()
    }

    /// Every address that the page asked for since it was opened. `data:` is none.
    pub fn requests(&mut self) -> Vec<String> {
        self.pipe.drain();
        let sent = self.pipe.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let sent = sent.filter_map(|event| event["params"]["request"]["url"].as_str());
        sent.filter(|url| !url.starts_with("data:")).map(str::to_owned).collect()
    }

    /// Bytes of the page's heap after a collection of its garbage, and its number of DOM nodes.
    pub fn memory(&mut self) -> (u64, u64) {
        self.command("HeapProfiler.collectGarbage", json!({}));
        let heap = self.command("Runtime.getHeapUsage", json!({}));
        let counters = self.command("Memory.getDOMCounters", json!({}));
        (heap["usedSize"].as_f64().expect("a size") as u64, counters["nodes"].as_u64().expect("a count"))
    }

    /// Any command of the DevTools protocol to the page.
    pub fn command(&mut self, method: &str, params: Value) -> Value {
        self.pipe.ask(Some(&self.session), method, params)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // One that has ended is not there any more, and that is well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a Chromium is.
fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Some(named.into());
    }
    let folders = std::env::var_os("PATH")?;
    let all = std::env::split_paths(&folders).flat_map(|folder| PROGRAMS.map(|name| folder.join(name)));
    all.into_iter().find(|path| path.is_file())
}
