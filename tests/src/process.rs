//! The binary `millstream` as a user has it: started in a folder of its own, watched, signalled, waited for.
//!
//! In come a configuration, arguments and signals; out come exit code, output and time. Every process is waited for with
//! a deadline, ends with the test at the latest, and fails the test if it ever says "panicked". Nothing here uses the
//! host's library, and nothing sleeps but to look again.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// For what needs no time of its own but shares a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// An orderly stop takes no longer.
pub const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// Waits until something is so; a test that waits in vain fails and says for what.
pub fn eventually(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    assert!(is_so_within(within, &mut is_so), "waited {within:?} in vain for this: {what}");
}

/// The one place that sleeps.
fn is_so_within(within: Duration, is_so: &mut dyn FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() >= within {
            return false;
        }
        std::thread::sleep(POLL);
    }
    true
}

/// The binary: `MILLSTREAM_BIN`, else the one in the target folder that this test was built in.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("MILLSTREAM_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the test's own path");
    let path = test.ancestors().nth(2).expect("tests are in <target>/<profile>/deps").join("millstream");
    assert!(path.exists(), "{} is missing; run `cargo build -p millstream`, or set MILLSTREAM_BIN", path.display());
    path
}

/// A folder with a `pipeline.toml`, deleted in the end. Processes run in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// Makes one with this configuration.
    pub fn with(config: &str) -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        folder.write("pipeline.toml", config);
        folder
    }

    /// A path below it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, with the folders that it needs.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("it is below the folder")).expect("making a folder");
        std::fs::write(&path, content).expect("writing a file");
    }

    /// Reads a text file; one that is not there is empty.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The lines of a file, each a JSON value. A last line that is still being written is left out.
    pub fn json_lines(&self, name: &str) -> Vec<serde_json::Value> {
        let text = self.read(name);
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Starts the binary here.
    pub fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.0.path(), arguments)
    }

    /// Builds a plugin's crate into a file here. The first time takes minutes on a busy machine.
    pub fn build_plugin(&self, krate: impl AsRef<Path>, file: &str) {
        let krate = krate.as_ref().to_str().expect("a path of Unicode");
        self.start(&["plugin", "build", krate, "--out", file]).wait(PATIENCE * 10).assert(0, &[]);
    }

    /// Runs the binary here until it ends by itself.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait(PATIENCE)
    }
}

/// A signal to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// What service managers send.
    Terminate,
    /// What asks for a reload.
    Hangup,
    /// What no process can do anything about.
    Kill,
}

/// A running process. Killed when dropped.
pub struct Process {
    child: Child,
    began: Instant,
    stdout: Captured,
    stderr: Captured,
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal killed it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
    /// From its start, or from the signal that it was stopped by.
    pub took: Duration,
}

impl Process {
    /// Starts the binary in a folder. Of the environment it does not see what would change its output.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.current_dir(folder).args(arguments);
        for name in ["MILLSTREAM_LOG", "MILLSTREAM_LOG_FORMAT", "RANDOM_USER_URL", "COLUMNS"] {
            command.env_remove(name);
        }
        if arguments.first().is_some_and(|verb| ["run", "check", "test", "demo"].contains(verb)) {
            command.args(["--log-format", "text"]);
        }
        Self::of(&mut command)
    }

    /// Starts a command that becomes the binary.
    pub fn of(command: &mut Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let stdout = Captured::of(child.stdout.take().expect("it is piped"));
        let stderr = Captured::of(child.stderr.take().expect("it is piped"));
        Self { child, began: Instant::now(), stdout, stderr }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far, on both outputs.
    pub fn output(&self) -> String {
        format!("{}{}", self.stdout.so_far(), self.stderr.so_far())
    }

    /// Waits until it has printed all of these.
    pub fn until_it_says(&self, words: &[&str], within: Duration) {
        let said = is_so_within(within, &mut || {
            let output = self.output();
            words.iter().all(|word| output.contains(word))
        });
        assert!(said, "it did not say {words:?} within {within:?}, but:\n{}", self.output());
    }

    /// Waits until something is so. Fails at once, with the output, if the process ends without.
    pub fn until(&mut self, what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
        let mut ended = None;
        let over = is_so_within(within, &mut || {
            // What it has done is looked at after its end, so that nothing that it did last is missed.
            ended = self.child.try_wait().expect("asking for the exit code");
            is_so() || ended.is_some()
        });
        assert!(over && (ended.is_none() || is_so()), "no {what} within {within:?}, {ended:?}:\n{}", self.output());
    }

    /// Waits until what it has printed is so. Fails at once if the process ends without.
    pub fn until_output(&mut self, what: &str, within: Duration, mut is_so: impl FnMut(&str) -> bool) {
        let mut ended = None;
        let over = is_so_within(within, &mut || {
            ended = self.child.try_wait().expect("asking for the exit code");
            is_so(&self.output()) || ended.is_some()
        });
        assert!(
            over && (ended.is_none() || is_so(&self.output())),
            "not within {within:?}, {ended:?}: {what}\n--- but ---\n{}",
            self.output()
        );
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let name = match signal {
            Signal::Interrupt => "-INT",
            Signal::Terminate => "-TERM",
            Signal::Hangup => "-HUP",
            Signal::Kill => "-KILL",
        };
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.expect("running `kill`").success(), "cannot signal the process; it said:\n{}", self.output());
    }

    /// Sends a signal and waits; the time counts from the signal.
    pub fn stop(mut self, signal: Signal, within: Duration) -> Ended {
        self.signal(signal);
        self.began = Instant::now();
        self.wait(within)
    }

    /// Waits until it has ended.
    pub fn wait(mut self, within: Duration) -> Ended {
        let mut status = None;
        let ended = is_so_within(within, &mut || {
            status = self.child.try_wait().expect("asking for the exit code");
            status.is_some()
        });
        assert!(ended, "it has not ended within {within:?}; it said:\n{}", self.output());
        let code = status.and_then(|status| status.code());
        let took = self.began.elapsed();
        let (stdout, stderr) = (self.stdout.all(), self.stderr.all());
        let ended = Ended { code, stdout, stderr, took };
        assert!(!ended.output().contains("panicked"), "it panicked:\n{}", ended.output());
        ended
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended is not there any more, and that is well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Both outputs.
    pub fn output(&self) -> String {
        let mut output = self.stdout.clone();
        let _ = write!(output, "{}\nexit code {:?} after {:?}", self.stderr, self.code, self.took);
        output
    }

    /// Fails unless it ended with this code and said all of this.
    #[track_caller]
    pub fn assert(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.output());
        for word in words {
            assert!(self.output().contains(word), "it does not say {word:?}:\n{}", self.output());
        }
    }
}

/// What a thread reads from a pipe.
struct Captured {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Captured {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = bytes.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(read @ 1..) = pipe.read(&mut buffer) {
                into.lock().expect("no reader panics").extend_from_slice(&buffer[..read]);
            }
        });
        Self { bytes, reader: Some(reader) }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no reader panics")).into_owned()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panics");
        }
        self.so_far()
    }
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are below the root").to_owned()
}

/// The folder of a plugin's crate, by its absolute path.
pub fn plugin(name: &str) -> String {
    let path: OsString = repository().join("plugins").join(name).into();
    path.into_string().expect("a path of Unicode")
}
