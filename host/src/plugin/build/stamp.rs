//! What a component was built from, kept beside it: whether it is still up to date can be told without cargo.
//!
//! The compiler's own list of the files it read, in the `.d` file beside the module, is what counts, with the
//! manifests and settings that cargo reads. By content, not by time: a checkout that touches every file costs nothing.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::cargo;

/// Files that steer cargo in a folder and in all folders below it.
const STEERING: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", ".cargo/config.toml", ".cargo/config", "rust-toolchain.toml", "rust-toolchain"];
/// Files that steer cargo in a crate's folder.
const OF_CRATE: [&str; 2] = ["Cargo.toml", "build.rs"];

/// What decides about a component, and the component.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    /// How it was built.
    settings: String,
    /// By path: the SHA-256 of the file; `None` where there is none, and one that appears changes the build.
    files: BTreeMap<PathBuf, Option<String>>,
    pub(super) component_sha256: String,
}

impl Stamp {
    /// The stamp of a module that was just built from `folder`. `None` where the compiler's list cannot be relied on.
    pub(super) fn take(folder: &Path, module: &Path, component_sha256: String) -> Option<Self> {
        let sources = compiled_files(&fs::read_to_string(module.with_extension("d")).ok()?);
        // an empty list, or a name that leads nowhere, was not understood
        if sources.is_empty() || !sources.iter().all(|path| path.is_absolute() && path.is_file()) {
            return None;
        }
        let mut files = BTreeMap::new();
        for source in sources {
            if let Some(owner) = source.ancestors().find(|parent| parent.join("Cargo.toml").is_file()) {
                files.extend(OF_CRATE.map(|name| (owner.join(name), None)));
            }
            files.insert(source, None);
        }
        for parent in folder.ancestors() {
            files.extend(STEERING.map(|name| (parent.join(name), None)));
        }
        for (path, digest) in &mut files {
            *digest = file_sha256(path);
        }
        Some(Self { settings: settings(), files, component_sha256 })
    }

    /// The stamp of a component that was just built from these files, by other tools than cargo.
    pub(super) fn of(sources: Vec<PathBuf>, component_sha256: String) -> Self {
        let files = sources.into_iter().map(|path| {
            let digest = file_sha256(&path);
            (path, digest)
        });
        Self { settings: settings(), files: files.collect(), component_sha256 }
    }

    /// Whether a file was among those that decided: a project of the same name elsewhere has others.
    pub(super) fn names(&self, file: &Path) -> bool {
        self.files.contains_key(file)
    }

    /// The stamp in a file; `None` where there is none, or one of another release.
    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// As it is kept in a file.
    pub(super) fn to_json(&self) -> Option<String> {
        serde_json::to_string_pretty(self).ok()
    }

    /// Whether `component` is what would be built now.
    pub(super) fn holds(&self, component: &Path) -> bool {
        self.settings == settings()
            && file_sha256(component).is_some_and(|digest| digest == self.component_sha256)
            && self.files.iter().all(|(path, digest)| file_sha256(path) == *digest)
    }

    /// Whether no file has been written since `time`.
    pub(super) fn is_older_than(&self, time: SystemTime) -> bool {
        let modified = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
        self.sources().iter().all(|path| modified(path).is_some_and(|modified| modified < time))
    }

    /// The files that are there.
    pub(super) fn sources(&self) -> Vec<PathBuf> {
        self.files.iter().filter(|(_, digest)| digest.is_some()).map(|(path, _)| path.clone()).collect()
    }
}

/// SHA-256 in lower-case hex.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file_sha256(path: &Path) -> Option<String> {
    fs::read(path).ok().map(|bytes| sha256(&bytes))
}

/// A host of another version may wrap or build otherwise.
fn settings() -> String {
    format!("millstream {} {} {}", env!("CARGO_PKG_VERSION"), cargo::TARGET, cargo::CONFIG.join(" "))
}

/// The files after the colon of each line in a `.d` file, in which a blank within a name follows a backslash.
fn compiled_files(text: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in text.lines() {
        let Some((_, list)) = line.split_once(": ") else { continue };
        let mut name = String::new();
        let mut chars = list.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if chars.next_if_eq(&' ').is_some() => name.push(' '),
                ' ' if !name.is_empty() => files.push(PathBuf::from(std::mem::take(&mut name))),
                ' ' => {}
                _ => name.push(c),
            }
        }
        if !name.is_empty() {
            files.push(PathBuf::from(name));
        }
    }
    files
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_list_is_read_with_blanks_in_names() {
        let files = compiled_files("/t/a b.wasm: /s/lib.rs /my\\ code/x.rs\n\n/t/c.rlib: /s/z.rs\n");
        assert_eq!(files, ["/s/lib.rs", "/my code/x.rs", "/s/z.rs"].map(PathBuf::from));
    }

    /// A stamp of a crate with one source file, and the paths of its folder and component.
    fn stamped() -> (tempfile::TempDir, Stamp, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("crate");
        fs::create_dir_all(folder.join("src")).unwrap();
        fs::write(folder.join("Cargo.toml"), "[package]").unwrap();
        fs::write(folder.join("src/lib.rs"), "// one").unwrap();
        let (module, component) = (temp.path().join("m.wasm"), temp.path().join("m.component.wasm"));
        fs::write(&component, "bytes").unwrap();
        fs::write(module.with_extension("d"), format!("m.wasm: {}", folder.join("src/lib.rs").display())).unwrap();
        let stamp = Stamp::take(&folder, &module, sha256(b"bytes")).unwrap();
        (temp, stamp, component)
    }

    #[test]
    fn a_stamp_holds_until_a_source_changes_and_again_when_it_is_put_back() {
        let (temp, stamp, component) = stamped();
        let source = temp.path().join("crate/src/lib.rs");
        assert!(stamp.holds(&component));
        assert!(stamp.sources().contains(&source));
        fs::write(&source, "// two").unwrap();
        assert!(!stamp.holds(&component));
        fs::write(&source, "// one").unwrap();
        assert!(stamp.holds(&component));
        fs::remove_file(&source).unwrap();
        assert!(!stamp.holds(&component));
    }

    #[test]
    fn a_stamp_ends_with_another_manifest_a_new_setting_or_another_component() {
        for (name, text) in [
            ("crate/Cargo.toml", "[package] "),
            ("crate/build.rs", "fn main() {}"),
            ("rust-toolchain.toml", ""),
            ("crate/.cargo/config.toml", ""),
            ("m.component.wasm", "other"),
        ] {
            let (temp, stamp, component) = stamped();
            assert!(stamp.holds(&component));
            fs::create_dir_all(temp.path().join(name).parent().unwrap()).unwrap();
            fs::write(temp.path().join(name), text).unwrap();
            assert!(!stamp.holds(&component), "{name}");
        }
    }

    #[test]
    fn a_source_written_during_the_build_is_noticed() {
        let (temp, stamp, _) = stamped();
        let written = fs::metadata(temp.path().join("crate/src/lib.rs")).unwrap().modified().unwrap();
        assert!(!stamp.is_older_than(written));
        assert!(stamp.is_older_than(written + std::time::Duration::from_secs(60)));
    }

    #[test]
    fn a_stamp_survives_its_file() {
        let (temp, stamp, component) = stamped();
        let path = temp.path().join("stamp.json");
        fs::write(&path, stamp.to_json().unwrap()).unwrap();
        assert!(Stamp::read(&path).unwrap().holds(&component));
        fs::write(&path, "{").unwrap();
        assert!(Stamp::read(&path).is_none());
    }

    #[test]
    fn a_list_that_names_no_file_makes_no_stamp() {
        let temp = tempfile::tempdir().unwrap();
        let module = temp.path().join("m.wasm");
        assert!(Stamp::take(temp.path(), &module, String::new()).is_none());
        for list in ["", "m.wasm: src/lib.rs", "m.wasm: /no/such/file.rs"] {
            fs::write(module.with_extension("d"), list).unwrap();
            assert!(Stamp::take(temp.path(), &module, String::new()).is_none(), "{list}");
        }
    }
}
