//! What a project's manifest says: `pyproject.toml` in Python, `package.json` in JavaScript.

use std::{fs, path::Path};

use serde::Deserialize;

use super::{BuildError, Language};

/// What decides about a build.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) name: String,
    pub(super) version: String,
    /// The module with the plugin: a name in Python, a path below the folder in JavaScript.
    pub(super) module: String,
    /// Whether it asks for stores.
    pub(super) keeps_state: bool,
}

#[derive(Deserialize)]
struct PyProject {
    project: Project,
    #[serde(default)]
    tool: Tools,
}

#[derive(Deserialize)]
struct Project {
    name: String,
    version: String,
}

#[derive(Default, Deserialize)]
struct Tools {
    #[serde(default)]
    millstream: Ours,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    main: Option<String>,
    #[serde(default)]
    millstream: Ours,
}

/// What is ours in either.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ours {
    module: Option<String>,
    #[serde(default)]
    state: bool,
}

impl Manifest {
    pub(super) fn read(language: Language, folder: &Path) -> Result<Self, BuildError> {
        let path = folder.join(language.manifest());
        let bad = |what: String| BuildError::BadManifest { manifest: path.clone(), what };
        let text = fs::read_to_string(&path).map_err(|error| bad(error.to_string()))?;
        let manifest = match language {
            Language::Python => {
                let read: PyProject = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
                let Ours { module, state } = read.tool.millstream;
                let module = module.unwrap_or_else(|| "plugin".to_owned());
                Self { name: read.project.name, version: read.project.version, module, keeps_state: state }
            }
            Language::JavaScript => {
                let read: Package = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
                let module = read.millstream.module.or(read.main).unwrap_or_else(|| "plugin.js".to_owned());
                let module = module.trim_start_matches("./").to_owned();
                Self { name: read.name, version: read.version, module, keeps_state: read.millstream.state }
            }
        };
        manifest.checked().map_err(bad)
    }

    /// The name becomes that of a file, and the module's a part of a program.
    fn checked(self) -> Result<Self, String> {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
        if self.name.is_empty() || !self.name.chars().all(plain) || self.name.starts_with('.') {
            return Err(format!("the name `{}` has more than letters, digits, `-`, `_` and `.`", self.name));
        }
        let of_module = |letter: char| plain(letter) || letter == '/';
        if self.module.is_empty()
            || !self.module.chars().all(of_module)
            || self.module.split('/').any(|part| part == "..")
        {
            return Err(format!("the module `{}` is no name of a module of the project", self.module));
        }
        Ok(self)
    }
}
