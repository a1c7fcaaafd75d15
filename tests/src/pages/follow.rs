//! A reader with a shell: types the commands of a page, saves its files, and looks whether all is as the page says.

use std::{ffi::OsString, path::PathBuf, process::Command, time::Duration};

use super::{Block, blocks, output};
use crate::process::{Ended, Folder, Process, STOP, Signal, binary, eventually};

/// A command may have to build a plugin, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where commands say which folder they ended in.
const WHERE: &str = "MILLSTREAM_PAGE_WHERE";

/// Follows one page in one folder.
pub struct Reader<'a> {
    folder: &'a Folder,
    page: String,
    /// Where the next command is typed.
    at: PathBuf,
    stays: Option<Stays>,
    /// How the last command ended, for `echo $?`.
    code: i32,
    environment: Vec<(String, OsString)>,
    /// What a test does behind the page's back, after a command that begins so.
    after: Option<(String, Box<dyn FnOnce() + 'a>)>,
}

/// The process that goes on beside the others.
struct Stays {
    process: Process,
    /// How much of its output the page has come to.
    heard: usize,
}

impl<'a> Reader<'a> {
    /// A reader of a page of that name, for messages.
    pub fn new(page: &str, folder: &'a Folder) -> Self {
        Self {
            folder,
            page: page.to_owned(),
            at: folder.path("."),
            stays: None,
            code: 0,
            environment: Vec::new(),
            after: None,
        }
    }

    /// With a variable in the environment of all commands.
    pub fn with(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// With something that is done once a command that begins so has ended: what spares a test a download, say.
    pub fn after(mut self, command: &str, then: impl FnOnce() + 'a) -> Self {
        self.after = Some((command.to_owned(), Box::new(then)));
        self
    }

    /// Does all that the page says; gives how many commands were typed.
    pub fn follow(mut self, page: &str) -> usize {
        let mut typed = 0;
        for block in blocks(page) {
            if let Some(file) = block.value("file") {
                self.save(file, &block.text);
            } else if block.language == "console" {
                typed += self.console(&block);
            } else if block.says("says") {
                self.hear(&block, &block.text);
            } else {
                let of_a_shell = ["sh", "bash", "shell", "shell-session"].contains(&block.language.as_str());
                assert!(!of_a_shell, "{}: commands are in `console` blocks, so that they are run", self.place(&block));
            }
        }
        assert!(self.stays.is_none(), "{}: something still runs at the end; end it by `console stops`", self.page);
        assert!(self.after.is_none(), "{}: no command begins as the test expects", self.page);
        typed
    }

    fn save(&self, name: &str, text: &str) {
        let path = self.at.join(name);
        let folder = path.parent().expect("it is below the folder");
        std::fs::create_dir_all(folder).expect("making a folder");
        std::fs::write(path, text).expect("saving a file");
    }

    fn console(&mut self, block: &Block) -> usize {
        if block.says("stops") {
            self.stop(block);
            return 1;
        }
        let commands = commands(block);
        assert!(!commands.is_empty(), "{}: no line begins with `$ `", self.place(block));
        for (place, (command, shown)) in commands.iter().enumerate() {
            let next = commands.get(place + 1).map(|(command, _)| command.as_str());
            if block.says("stays") {
                self.start(block, command, shown);
            } else if command == "echo $?" {
                let expected = shown.trim();
                assert_eq!(self.code.to_string(), expected, "{}: the exit code", self.place(block));
            } else {
                self.run(block, command, shown, next == Some("echo $?"));
            }
        }
        commands.len()
    }

    fn run(&mut self, block: &Block, command: &str, shown: &str, may_fail: bool) {
        let mut ended = self.type_in(command).wait(PATIENCE);
        if block.says("again") {
            eventually(&format!("{}: `{command}` prints\n{shown}", self.place(block)), PATIENCE, || {
                ended = self.type_in(command).wait(PATIENCE);
                output::agrees(shown, &printed(&ended))
            });
        }
        let place = self.place(block);
        let text = printed(&ended);
        let code = ended.code.unwrap_or(-1);
        assert!(code == 0 || may_fail, "{place}: `{command}` ended with {code} and printed\n{text}");
        assert!(output::agrees(shown, &text), "{place}: `{command}` printed\n{text}\n--- the page shows ---\n{shown}");
        self.code = code;
        let at = self.folder.read(WHERE);
        self.at = PathBuf::from(at.trim_end());
        if let Some((_, then)) = self.after.take_if(|(begins, _)| command.starts_with(begins.as_str())) {
            then();
        }
    }

    fn start(&mut self, block: &Block, command: &str, shown: &str) {
        assert!(self.stays.is_none(), "{}: something runs already", self.place(block));
        let process = self.type_in(&format!("exec {command}"));
        self.stays = Some(Stays { process, heard: 0 });
        self.hear(block, shown);
    }

    /// Waits until the process that stays has said this, behind what the page has come to.
    fn hear(&mut self, block: &Block, shown: &str) {
        let place = self.place(block);
        let stays = self.stays.as_mut().unwrap_or_else(|| panic!("{place}: nothing is running"));
        let heard = stays.heard;
        let mut end = None;
        stays.process.until_output(&format!("{place}: it says\n{shown}"), PATIENCE, |all| {
            end = output::said(shown, all.get(heard..).unwrap_or_default());
            end.is_some()
        });
        stays.heard += end.unwrap_or_default();
    }

    fn stop(&mut self, block: &Block) {
        let place = self.place(block);
        let Stays { process, heard } = self.stays.take().unwrap_or_else(|| panic!("{place}: nothing is running"));
        let shown =
            block.text.trim_start().strip_prefix("^C").unwrap_or_else(|| panic!("{place}: it begins with `^C`"));
        let ended = process.stop(Signal::Interrupt, STOP * 2);
        let text = printed(&ended);
        assert_eq!(ended.code, Some(0), "{place}:\n{text}");
        let rest = text.get(heard..).unwrap_or_default();
        assert!(output::said(shown, rest).is_some(), "{place}: it said\n{rest}\n--- the page shows ---\n{shown}");
    }

    /// Starts a command in the folder where the last one ended, with the binary as `millstream`.
    fn type_in(&self, command: &str) -> Process {
        let binary = binary();
        let tools = binary.parent().expect("the binary is in a folder").display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash");
        let script = format!("exec 2>&1\n{command}\ncode=$?; pwd >\"${WHERE}\"; exit $code");
        shell.args(["--noprofile", "--norc", "-c", &script]).current_dir(&self.at);
        shell.env("PATH", format!("{tools}:{path}")).env(WHERE, self.folder.path(WHERE));
        shell.env("MILLSTREAM_LOG_FORMAT", "text").envs(self.environment.iter().cloned());
        for name in ["MILLSTREAM_LOG", "RANDOM_USER_URL", "COLUMNS"] {
            shell.env_remove(name);
        }
        Process::of(&mut shell)
    }

    fn place(&self, block: &Block) -> String {
        format!("{}:{}", self.page, block.line)
    }
}

/// Commands with what is shown below each. A line that ends with a backslash goes on in the next one.
fn commands(block: &Block) -> Vec<(String, String)> {
    let mut commands: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in block.text.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (_, Some((command, _))) if goes_on => {
                command.push('\n');
                command.push_str(line);
                goes_on = line.ends_with('\\');
            }
            (Some(command), _) => {
                goes_on = command.ends_with('\\');
                commands.push((command.to_owned(), String::new()));
            }
            (None, Some((_, shown))) => {
                shown.push_str(line);
                shown.push('\n');
            }
            (None, None) => panic!("line {}: output before any command: {line}", block.line),
        }
    }
    commands
}

/// Both outputs are one, as on a terminal.
fn printed(ended: &Ended) -> String {
    ended.stdout.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(page: &str) -> usize {
        Reader::new("page", &Folder::with("")).follow(page)
    }

    #[test]
    fn commands_run_where_the_last_one_ended_and_see_the_files_that_were_saved() {
        let page = "```text file=a/b.txt\nhello\n```\n```console\n$ cd a\n$ cat \\\n  b.txt\nhello\n$ ls c\n…c…\n$ echo $?\n2\n```\n";
        assert_eq!(follow(page), 4);
    }

    #[test]
    fn a_process_that_stays_is_heard_and_stopped() {
        let page = "```console stays\n$ env --default-signal=INT bash -c 'trap \"echo bye; exit\" INT; echo up; for i in {1..500}; do sleep 0.02; [ $i = 9 ] && echo nine; done'\nup\n```\n\
                    ```text says\nnine\n```\n```console stops\n^C\nbye\n```\n";
        assert_eq!(follow(page), 2);
    }

    #[test]
    #[should_panic(expected = "page:2: `echo no` printed")]
    fn what_the_page_does_not_show_is_told_with_its_line() {
        follow("```console\n$ echo no\nyes\n```\n");
    }

    #[test]
    #[should_panic(expected = "commands are in `console` blocks")]
    fn a_command_that_would_not_be_run_is_told() {
        follow("```sh\nls\n```\n");
    }
}
