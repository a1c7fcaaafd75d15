//! What the shells complete with the scripts that `millstream completions` prints: each is asked in a shell of its kind.

use std::process::Command;

use millstream_tests::{process::Folder, skip};

/// Command lines that end where the completion is asked for, and what has to be among what is offered.
const ASKED: [(&str, &str); 6] = [
    ("millstream che", "check"),
    ("millstream plugin ne", "new"),
    ("millstream dlq rep", "replay"),
    ("millstream run --unt", "--until"),
    ("millstream plugin new x --lang py", "python"),
    ("millstream demo --serve", "--serve-only"),
];

fn script(folder: &Folder, shell: &str) -> String {
    let ended = folder.run(&["completions", shell]);
    ended.assert(0, &["millstream", "serve-only"]);
    assert_eq!(ended.stderr, "", "{}", ended.output());
    ended.stdout
}

/// What a shell prints that runs this; `None` where there is no such shell.
fn printed(folder: &Folder, shell: &str, arguments: &[&str], program: &str) -> Option<String> {
    folder.write("program", program);
    match Command::new(shell).current_dir(folder.path("")).args(arguments).arg("program").output() {
        Ok(output) => {
            let all = [output.stdout, output.stderr].concat();
            Some(String::from_utf8_lossy(&all).into_owned())
        }
        Err(error) => {
            skip(&format!("cannot run {shell}: {error}"));
            None
        }
    }
}

#[test]
fn bash_completes_verbs_options_and_values() {
    let folder = Folder::with("");
    folder.write("completions", script(&folder, "bash"));
    for (line, expected) in ASKED {
        let words = line.split(' ').count() - 1;
        let (last, before) = (line.rsplit(' ').next().unwrap_or_default(), line.rsplit(' ').nth(1).unwrap_or_default());
        let program = format!(
            "source ./completions\nCOMP_WORDS=({line})\nCOMP_CWORD={words}\n\
             _millstream millstream '{last}' '{before}'\nprintf '<%s>' \"${{COMPREPLY[@]}}\"\n"
        );
        let Some(printed) = printed(&folder, "bash", &["--norc", "-u"], &program) else { return };
        assert!(printed.contains(&format!("<{expected}>")), "{line}: {printed}");
    }
}

#[test]
fn zsh_completes_verbs_options_and_values() {
    let folder = Folder::with("");
    folder.write("_millstream", script(&folder, "zsh"));
    for (line, expected) in ASKED {
        // A terminal of its own, in which the line is typed, completed, and shown by what runs it.
        let program = format!(
            "zmodload zsh/zpty\nzpty shell zsh -f -i\n\
             zpty -w shell 'PS1=\"\"; fpath=($PWD $fpath); autoload -U compinit; compinit -u -D; bindkey \"^I\" complete-word'\n\
             zpty -w shell 'millstream() {{ print -r \"<completed $*>\" }}; print ready''y'\n\
             zpty -r -m shell seen '*readyy*'\n\
             zpty -w shell $'{line}\\t'\n\
             zpty -r -m shell seen '*<completed*>*'\nprint -r -- $seen\nzpty -d shell\n"
        );
        let Some(printed) = printed(&folder, "zsh", &["-f"], &program) else { return };
        let completed =
            line.rsplit_once(' ').map_or("", |(before, _)| before).trim_start_matches("millstream").trim_start();
        let expected = format!("<completed {completed} {expected}").replace("  ", " ");
        assert!(printed.contains(&expected), "{line}: {expected} is not in {printed}");
    }
}

#[test]
fn other_shells_have_scripts_too() {
    let folder = Folder::with("");
    for shell in ["fish", "elvish", "powershell"] {
        script(&folder, shell);
    }
}
