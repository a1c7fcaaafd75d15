//! The tools that make components of scripts: where they are looked for, and how one that is missing is installed.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{BuildError, Language};

impl Language {
    fn tool(self) -> &'static str {
        match self {
            Self::Python => "componentize-py",
            Self::JavaScript => "componentize-js",
        }
    }

    /// Where a project's own tools are, below its folder or one around it.
    fn own_tools(self) -> &'static str {
        match self {
            Self::Python => ".venv/bin",
            Self::JavaScript => "node_modules/.bin",
        }
    }

    /// The command that installs it for the project in that folder.
    fn install(self, folder: &Path) -> String {
        let folder = shell_quoted(folder);
        match self {
            Self::Python => format!(
                "python3 -m venv {folder}/.venv && {folder}/.venv/bin/pip install componentize-py=={}",
                super::super::COMPONENTIZE_PY
            ),
            Self::JavaScript => format!("npm install --prefix {folder}"),
        }
    }
}

/// The project's own, else that of a folder around it, else the one on the `PATH`.
pub(super) fn find(language: Language, folder: &Path) -> Result<PathBuf, BuildError> {
    find_on(&env::var_os("PATH").unwrap_or_default(), language, folder)
}

fn find_on(path: &OsStr, language: Language, folder: &Path) -> Result<PathBuf, BuildError> {
    let around = folder.ancestors().map(|parent| parent.join(language.own_tools()));
    let found =
        around.chain(env::split_paths(path)).map(|place| place.join(language.tool())).find(|tool| tool.is_file());
    found.ok_or_else(|| BuildError::NoScriptTool {
        folder: folder.to_owned(),
        tool: language.tool(),
        install: language.install(folder),
    })
}

/// As a shell reads it back.
fn shell_quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+".contains(letter);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_told_with_the_command_that_installs_it() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("my plugin");
        let message = |language| find_on(OsStr::new(""), language, &folder).unwrap_err().to_string();
        let (python, javascript) = (message(Language::Python), message(Language::JavaScript));
        let quoted = format!("'{}'", folder.display());
        assert!(
            python.contains(&format!("\n  python3 -m venv {quoted}/.venv && {quoted}/.venv/bin/pip install")),
            "{python}"
        );
        assert!(javascript.ends_with(&format!("\n  npm install --prefix {quoted}")), "{javascript}");
    }

    #[test]
    fn the_projects_own_tool_comes_before_others() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("p");
        let own = folder.join("node_modules/.bin/componentize-js");
        let around = temp.path().join("node_modules/.bin/componentize-js");
        let global = temp.path().join("bin/componentize-js");
        let found = || find_on(temp.path().join("bin").as_os_str(), Language::JavaScript, &folder).unwrap();
        for tool in [global, around, own] {
            std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
            std::fs::write(&tool, "").unwrap();
            assert_eq!(found(), tool);
        }
    }
}
