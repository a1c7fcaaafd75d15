//! Compiled code of plugins on disk, so that a start need not compile them again.
//!
//! In goes code under a name, out comes the same code, or nothing. Machine code that somebody else could have written must never
//! be run, so each file is authenticated with a key that only this user can read; whatever is not as it was left is told,
//! ignored and written anew. Nothing here knows what the code is.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use sha2::{Digest, Sha256};

/// Files that are kept: those of a few dozen plugins, old versions included.
const MAX_FILES: usize = 64;
/// The shipped plugins take less than 1 MiB each; a larger file than this was not written by us.
const MAX_FILE_BYTES: u64 = 256 << 20;
const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
const MAC_BYTES: usize = 32;
/// The block of SHA-256.
const BLOCK_BYTES: usize = 64;

/// A folder of compiled code.
#[derive(Debug)]
pub(super) struct CodeCache {
    folder: PathBuf,
    /// What this process has found or written, and need not write again.
    kept: Mutex<BTreeSet<String>>,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
enum Distrust {
    #[error("it is not a plain {0}")]
    Kind(&'static str),
    #[error("it belongs to another user")]
    Owner,
    #[error("others may access it (mode {:o})", .0 & 0o7777)]
    Mode(u32),
    #[error("it is not what was written here")]
    Content,
    #[error("the key that it was written with is missing")]
    NoKey,
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl CodeCache {
    /// The folder is made when something is kept.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, kept: Mutex::default() }
    }

    /// The code that was kept under that name.
    pub fn load(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.folder.join(name);
        match self.read(name, &path) {
            Ok(code) => {
                if code.is_some() {
                    self.is_new(name);
                }
                code
            }
            Err(why) => {
                let path = path.display().to_string();
                tracing::warn!(path, "compiled code is ignored and made anew: {why}");
                None
            }
        }
    }

    /// Whether nothing was found or kept under that name so far; from now on, something was.
    pub fn is_new(&self, name: &str) -> bool {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
    }

    /// Keeps code under a name. That it cannot be kept only costs time, at the next start.
    pub fn keep(&self, name: &str, code: &[u8]) {
        if let Err(why) = self.write(name, code) {
            let folder = self.folder.display().to_string();
            tracing::warn!(folder, "compiled code is not kept, and the next start compiles again: {why}");
        }
    }

    fn read(&self, name: &str, path: &Path) -> Result<Option<Vec<u8>>, Distrust> {
        let Some(found) = metadata(path)? else { return Ok(None) };
        is_ours_alone(&fs::symlink_metadata(&self.folder)?, true)?;
        is_ours_alone(&found, false)?;
        let key = self.key()?.ok_or(Distrust::NoKey)?;
        let mut bytes = Vec::new();
        let file = File::open(path)?;
        (&file).take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        let (said, code) = bytes.split_at_checked(MAC_BYTES).ok_or(Distrust::Content)?;
        if bytes.len() as u64 > MAX_FILE_BYTES || !is_same(said, &mac(&key, name, code)) {
            return Err(Distrust::Content);
        }
        // The files that were not used for the longest time go first.
        file.set_modified(SystemTime::now())?;
        bytes.drain(..MAC_BYTES);
        Ok(Some(bytes))
    }

    fn write(&self, name: &str, code: &[u8]) -> Result<(), Distrust> {
        make_folder(&self.folder)?;
        is_ours_alone(&fs::symlink_metadata(&self.folder)?, true)?;
        let key = match self.key() {
            Ok(Some(key)) => key,
            Ok(None) => self.make_key()?,
            Err(why) => {
                let path = self.folder.join(KEY_FILE).display().to_string();
                tracing::warn!(path, "the key of compiled code is made anew: {why}");
                fs::remove_file(self.folder.join(KEY_FILE))?;
                self.make_key()?
            }
        };
        // Written beside and renamed: whoever reads meanwhile sees all of it or nothing. It need not survive a crash of the
        // system, as a torn file does not fit its code.
        let temporary = self.create(&[&mac(&key, name, code), code])?;
        fs::rename(temporary, self.folder.join(name))?;
        self.remove_oldest()?;
        Ok(())
    }

    fn key(&self) -> Result<Option<[u8; KEY_BYTES]>, Distrust> {
        let path = self.folder.join(KEY_FILE);
        let Some(found) = metadata(&path)? else { return Ok(None) };
        is_ours_alone(&found, false)?;
        let mut key = Vec::new();
        File::open(&path)?.take(KEY_BYTES as u64 + 1).read_to_end(&mut key)?;
        key.try_into().map(Some).map_err(|_| Distrust::Content)
    }

    /// Hosts that start at the same time agree on the key of the first one.
    fn make_key(&self) -> Result<[u8; KEY_BYTES], Distrust> {
        let temporary = self.create(&[&rand::random::<[u8; KEY_BYTES]>()])?;
        let linked = fs::hard_link(&temporary, self.folder.join(KEY_FILE));
        fs::remove_file(temporary)?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            _ => {}
        }
        self.key()?.ok_or(Distrust::NoKey)
    }

    /// A new file that only this user can read, with all of that in it.
    fn create(&self, parts: &[&[u8]]) -> io::Result<PathBuf> {
        static FILES: AtomicU64 = AtomicU64::new(0);
        let name = format!("tmp-{}-{}", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let path = self.folder.join(name);
        // Left behind by a process of the same number that was killed.
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        for part in parts {
            file.write_all(part)?;
        }
        Ok(path)
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name() != KEY_FILE {
                files.push((entry.metadata()?.modified()?, entry.path()));
            }
        }
        files.sort();
        let surplus = files.len().saturating_sub(MAX_FILES);
        for (_, path) in files.iter().take(surplus) {
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

/// Only the folder itself is closed to others; those above it are not the cache's own.
fn make_folder(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// `None` where there is no such file; of a symlink, the link's own.
fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether nobody else can have written it, nor read it.
fn is_ours_alone(found: &Metadata, folder: bool) -> Result<(), Distrust> {
    if !if folder { found.is_dir() } else { found.is_file() } {
        return Err(Distrust::Kind(if folder { "folder" } else { "file" }));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(Distrust::Owner);
    }
    if found.mode() & 0o077 != 0 {
        return Err(Distrust::Mode(found.mode()));
    }
    Ok(())
}

/// HMAC-SHA256 (RFC 2104) of a name and code. The name is part of it, or else a file could be put in another's place.
fn mac(key: &[u8; KEY_BYTES], name: &str, code: &[u8]) -> [u8; MAC_BYTES] {
    hmac(key, &[&(name.len() as u64).to_le_bytes(), name.as_bytes(), code])
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; MAC_BYTES] {
    let padded = |with: u8| {
        let mut block = [with; BLOCK_BYTES];
        // No key here is longer than a block.
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let mut inner = Sha256::new_with_prefix(padded(0x36));
    parts.iter().for_each(|part| inner.update(part));
    Sha256::new_with_prefix(padded(0x5c)).chain_update(inner.finalize()).finalize().into()
}

/// Compares in a time that does not tell where they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests;
