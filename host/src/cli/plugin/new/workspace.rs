//! Whether a new crate lies in a workspace of cargo's, which would refuse one that it does not know.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// The workspace around a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Workspace {
    /// There is none.
    None,
    /// It takes the folder for a member.
    Of(PathBuf),
    /// It does not, so the crate has to stand alone.
    Beside(PathBuf),
}

impl Workspace {
    /// That around the folder, whose path is a real one.
    pub(super) fn around(folder: &Path) -> anyhow::Result<Self> {
        for parent in folder.ancestors().skip(1) {
            let path = parent.join("Cargo.toml");
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let manifest: toml::Table = text.parse().with_context(|| format!("cannot read `{}`", path.display()))?;
            let Some(workspace) = manifest.get("workspace") else { continue };
            let lists = |key: &str| {
                let patterns = workspace.get(key).and_then(toml::Value::as_array).into_iter().flatten();
                let mut patterns = patterns.filter_map(toml::Value::as_str);
                let below = folder.strip_prefix(parent).unwrap_or(folder);
                patterns.any(|pattern| matches(Path::new(pattern), below))
            };
            let takes = lists("members") && !lists("exclude");
            return Ok(if takes { Self::Of(parent.to_owned()) } else { Self::Beside(parent.to_owned()) });
        }
        Ok(Self::None)
    }

    /// What the crate's manifest has to say about it.
    pub(super) fn table(&self) -> &'static str {
        match self {
            Self::None | Self::Of(_) => "",
            Self::Beside(_) => {
                "\n# a workspace of its own: the one around it does not name it as a member\n[workspace]\n"
            }
        }
    }
}

/// Whether a path is what a pattern of members means, in which `*` stands for any part of one name.
fn matches(pattern: &Path, path: &Path) -> bool {
    let (mut patterns, mut names) = (pattern.components(), path.components());
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) => {
                let (pattern, name) = (pattern.as_os_str().to_string_lossy(), name.as_os_str().to_string_lossy());
                let fits = match pattern.split_once('*') {
                    Some((before, after)) => {
                        name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after)
                    }
                    None => pattern == name,
                };
                if !fits {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

impl fmt::Display for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("it stands alone, in no workspace"),
            Self::Of(root) => write!(f, "it is a member of the workspace in {}", root.display()),
            Self::Beside(root) => {
                write!(f, "it stands alone: the workspace in {} does not name it as a member", root.display())
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_what_the_nearest_workspace_names() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        let around = |folder: &str| Workspace::around(&root.join(folder)).unwrap();
        assert_eq!(around("p"), Workspace::None);
        let workspace = "[workspace]\nmembers = [\"host\", \"plugins/*\", \"x/my-*\"]\nexclude = [\"plugins/odd\"]\n";
        fs::write(root.join("Cargo.toml"), workspace).unwrap();
        for member in ["plugins/p", "x/my-p", "host"] {
            assert_eq!(around(member), Workspace::Of(root.to_owned()), "{member}");
        }
        for other in ["p", "plugins/a/b", "plugins/odd", "x/your-p", "plugins"] {
            assert_eq!(around(other), Workspace::Beside(root.to_owned()), "{other}");
        }
    }
}
