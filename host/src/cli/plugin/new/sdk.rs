//! Where a new crate has the SDK from: the checkout that this host was built from, while that is there, else the
//! repository, at this host's version. Either way the SDK is the one whose contract this host speaks.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
};

/// Where the SDK comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sdk {
    /// This folder, as the new crate names it.
    Folder(PathBuf),
    /// The repository.
    Repository,
}

const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const VERSION: &str = env!("CARGO_PKG_VERSION");

impl Sdk {
    /// For a crate in `folder`, whose path is a real one.
    pub(super) fn found(folder: &Path) -> Self {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        match checkout.canonicalize() {
            Ok(checkout) => Self::within(&checkout, folder),
            Err(_) => Self::Repository,
        }
    }

    fn within(checkout: &Path, folder: &Path) -> Self {
        let sdk = checkout.join("plugins").join("sdk");
        if !sdk.join("Cargo.toml").is_file() {
            return Self::Repository;
        }
        // Within the checkout a relative path stays right when the checkout is moved, or cloned by others.
        let Ok(below) = folder.strip_prefix(checkout) else { return Self::Folder(sdk) };
        let up = below.components().filter(|part| matches!(part, Component::Normal(_))).map(|_| "..");
        Self::Folder(up.collect::<PathBuf>().join("plugins").join("sdk"))
    }

    /// The line of a manifest.
    pub(super) fn dependency(&self) -> String {
        match self {
            Self::Folder(path) => format!("millstream-sdk = {{ path = {} }}", quoted(path)),
            Self::Repository => format!("millstream-sdk = {{ git = \"{REPOSITORY}\", tag = \"v{VERSION}\" }}"),
        }
    }
}

/// As a TOML string.
fn quoted(path: &Path) -> String {
    toml::Value::from(path.to_string_lossy().as_ref()).to_string()
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => {
                write!(f, "its SDK is the one in {}, where this millstream was built from", path.display())
            }
            Self::Repository => write!(f, "its SDK is version {VERSION}, from {REPOSITORY}"),
        }
    }
}

/// Where the project is to be found.
pub(super) fn repository() -> &'static str {
    REPOSITORY
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_sdk_is_the_checkouts_while_that_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let checkout = temp.path();
        let gone = Sdk::within(checkout, Path::new("/elsewhere/p"));
        assert_eq!(gone, Sdk::Repository);
        assert_eq!(gone.dependency(), format!("millstream-sdk = {{ git = \"{REPOSITORY}\", tag = \"v{VERSION}\" }}"));

        std::fs::create_dir_all(checkout.join("plugins/sdk")).unwrap();
        std::fs::write(checkout.join("plugins/sdk/Cargo.toml"), "").unwrap();
        assert_eq!(Sdk::within(checkout, Path::new("/elsewhere/p")), Sdk::Folder(checkout.join("plugins/sdk")));
        let inside = Sdk::within(checkout, &checkout.join("plugins/p"));
        assert_eq!(inside.dependency(), "millstream-sdk = { path = \"../../plugins/sdk\" }");
    }
}
