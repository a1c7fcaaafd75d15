//! Watching the files that a reload would read.
//!
//! They are looked at a few times a second rather than reported by the system: that works the same on every file system and
//! mount (a mounted folder, or a symlink that is swapped, as a ConfigMap's, sends no event), and a handful of `stat` calls cost
//! nothing that can be measured.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::sync::mpsc;

use super::Trigger;

/// Time between two looks. A change counts once two looks in a row have seen the same, so that a file is not read while
/// an editor or a copy is still writing it.
const LOOK: Duration = Duration::from_millis(150);

/// What of a file shows that it has changed; `None` where it is not there.
type Seen = Option<(u64, u64, u64, Option<SystemTime>)>;

/// Triggers a reload whenever one of the files has changed, until nobody listens any more.
pub async fn watch(files: Arc<Mutex<Vec<PathBuf>>>, triggers: mpsc::UnboundedSender<Trigger>) {
    let mut known = look(&files);
    let mut changing = false;
    let mut last = known.clone();
    while !triggers.is_closed() {
        tokio::time::sleep(LOOK).await;
        let now = look(&files);
        if now != last {
            (changing, last) = (true, now);
            continue;
        }
        if !std::mem::take(&mut changing) {
            continue;
        }
        let changed =
            now.iter().find(|(path, seen)| known.iter().any(|(other, before)| other == path && before != seen));
        if let Some((path, _)) = changed {
            let why = format!("`{}` has changed", path.display());
            // Fails only where nobody listens any more; then the loop ends.
            let _ = triggers.send(Trigger { why, answer: None });
        }
        known = now;
    }
}

fn look(files: &Mutex<Vec<PathBuf>>) -> Vec<(PathBuf, Seen)> {
    let files = files.lock().unwrap_or_else(PoisonError::into_inner).clone();
    files.into_iter().map(|path| (path.clone(), seen(&path))).collect()
}

/// Symlinks are followed, so that one which points elsewhere counts as a change.
fn seen(path: &Path) -> Seen {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino(), file.len(), file.modified().ok()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    struct Watched {
        folder: tempfile::TempDir,
        triggers: mpsc::UnboundedReceiver<Trigger>,
    }

    impl Watched {
        async fn file(name: &str, make: impl FnOnce(&Path)) -> Self {
            let folder = tempfile::tempdir().unwrap();
            make(folder.path());
            let (sender, triggers) = mpsc::unbounded_channel();
            let files = Arc::new(Mutex::new(vec![folder.path().join(name)]));
            tokio::spawn(watch(files, sender));
            tokio::task::yield_now().await;
            Self { folder, triggers }
        }

        async fn triggered(&mut self) {
            let trigger = tokio::time::timeout(Duration::from_secs(30), self.triggers.recv()).await.unwrap().unwrap();
            assert!(trigger.why.contains("has changed"), "{}", trigger.why);
        }
    }

    #[tokio::test]
    async fn a_file_written_in_place_replaced_or_removed_is_noticed() {
        let mut watched = Watched::file("a", |folder| std::fs::write(folder.join("a"), "1").unwrap()).await;
        let path = watched.folder.path().join("a");
        std::fs::write(&path, "22").unwrap();
        watched.triggered().await;
        std::fs::write(watched.folder.path().join("b"), "33").unwrap();
        std::fs::rename(watched.folder.path().join("b"), &path).unwrap();
        watched.triggered().await;
        std::fs::remove_file(&path).unwrap();
        watched.triggered().await;
        std::fs::write(&path, "22").unwrap();
        watched.triggered().await;
    }

    #[tokio::test]
    async fn a_symlink_that_is_swapped_is_noticed() {
        // As Kubernetes mounts a ConfigMap: the file leads through `..data`, which is replaced as a whole.
        let mut watched = Watched::file("a", |folder| {
            for version in ["1", "2"] {
                std::fs::create_dir(folder.join(version)).unwrap();
                std::fs::write(folder.join(version).join("a"), "same").unwrap();
            }
            std::os::unix::fs::symlink("1", folder.join("..data")).unwrap();
            std::os::unix::fs::symlink("..data/a", folder.join("a")).unwrap();
        })
        .await;
        std::os::unix::fs::symlink("2", watched.folder.path().join("..new")).unwrap();
        std::fs::rename(watched.folder.path().join("..new"), watched.folder.path().join("..data")).unwrap();
        watched.triggered().await;
    }
}
