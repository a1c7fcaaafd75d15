//! Only what was written here, by this user, under this name, comes out again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn cache() -> (tempfile::TempDir, CodeCache) {
    let temp = tempfile::tempdir().unwrap();
    let cache = CodeCache::new(temp.path().join("data/cache"));
    (temp, cache)
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn what_was_kept_is_found_and_nobody_else_can_read_it() {
    let (_temp, cache) = cache();
    assert_eq!(cache.load("a"), None);
    assert!(!cache.folder.exists(), "looking leaves nothing behind");
    cache.keep("a", b"code of a");
    assert_eq!(cache.load("a").unwrap(), b"code of a");
    assert_eq!(cache.load("b"), None);
    assert_eq!((mode(&cache.folder), mode(&cache.folder.join("a"))), (0o700, 0o600));
    assert_eq!((mode(&cache.folder.join(KEY_FILE)), cache.key().unwrap().unwrap().len()), (0o600, 32));
    let names: BTreeSet<_> = fs::read_dir(&cache.folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["a".into(), KEY_FILE.into()].into());
    let again = CodeCache::new(cache.folder.clone());
    assert_eq!(again.load("a").unwrap(), b"code of a", "by another process, too");
}

#[test]
fn what_is_not_as_it_was_left_is_not_found_and_can_be_kept_anew() {
    type Attack = (&'static str, fn(&Path));
    let attacks: [Attack; 13] = [
        ("a bit of the code", |folder| {
            let mut bytes = fs::read(folder.join("a")).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs::write(folder.join("a"), bytes).unwrap();
        }),
        ("a bit of the MAC", |folder| {
            let mut bytes = fs::read(folder.join("a")).unwrap();
            bytes[0] ^= 1;
            fs::write(folder.join("a"), bytes).unwrap();
        }),
        ("cut short", |folder| {
            let bytes = fs::read(folder.join("a")).unwrap();
            fs::write(folder.join("a"), &bytes[..bytes.len() - 1]).unwrap();
        }),
        ("shorter than a MAC", |folder| fs::write(folder.join("a"), b"short").unwrap()),
        ("empty", |folder| fs::write(folder.join("a"), b"").unwrap()),
        ("something appended", |folder| {
            let mut bytes = fs::read(folder.join("a")).unwrap();
            bytes.push(0);
            fs::write(folder.join("a"), bytes).unwrap();
        }),
        ("another's file", |folder| {
            fs::copy(folder.join("b"), folder.join("a")).unwrap();
        }),
        ("written under another key", |folder| {
            let bytes = [&mac(&[7; 32], "a", b"evil")[..], b"evil"].concat();
            fs::write(folder.join("a"), bytes).unwrap();
        }),
        ("others may write it", |folder| chmod(&folder.join("a"), 0o622)),
        ("a symlink", |folder| {
            fs::rename(folder.join("a"), folder.join("c")).unwrap();
            symlink("c", folder.join("a")).unwrap();
        }),
        ("others may read the key", |folder| chmod(&folder.join(KEY_FILE), 0o644)),
        ("a short key", |folder| fs::write(folder.join(KEY_FILE), b"short").unwrap()),
        ("no key", |folder| fs::remove_file(folder.join(KEY_FILE)).unwrap()),
    ];
    for (what, attack) in attacks {
        let (_temp, cache) = cache();
        cache.keep("a", b"code of a");
        cache.keep("b", b"code of b");
        attack(&cache.folder);
        assert_eq!(cache.load("a"), None, "{what}");
        cache.keep("a", b"code of a");
        assert_eq!(cache.load("a").unwrap(), b"code of a", "{what}");
        assert_eq!(mode(&cache.folder.join(KEY_FILE)), 0o600, "{what}");
    }
}

#[test]
fn a_folder_that_others_may_write_to_or_that_is_a_symlink_is_not_used() {
    let (_temp, cache) = cache();
    cache.keep("a", b"code");
    chmod(&cache.folder, 0o770);
    assert_eq!(cache.load("a"), None);
    cache.keep("b", b"code");
    assert!(!cache.folder.join("b").exists());
    chmod(&cache.folder, 0o700);
    assert!(cache.load("a").is_some());

    let elsewhere = cache.folder.with_extension("elsewhere");
    fs::rename(&cache.folder, &elsewhere).unwrap();
    symlink(&elsewhere, &cache.folder).unwrap();
    assert_eq!(cache.load("a"), None);
}

#[test]
fn only_so_many_files_are_kept_and_those_not_used_for_longest_go_first() {
    let (_temp, cache) = cache();
    let aged = |name: &str, seconds: u64| {
        let file = File::open(cache.folder.join(name)).unwrap();
        file.set_modified(SystemTime::now() - std::time::Duration::from_secs(seconds)).unwrap();
    };
    for n in 0..MAX_FILES {
        cache.keep(&n.to_string(), b"code");
        aged(&n.to_string(), 1_000 - n as u64);
    }
    assert!(cache.load("0").is_some(), "used just now");
    cache.keep("new", b"code");
    let count = fs::read_dir(&cache.folder).unwrap().count();
    assert_eq!(count, MAX_FILES + 1, "and the key");
    assert!(cache.load("0").is_some() && cache.load("1").is_none() && cache.load("new").is_some());
}

#[test]
fn the_code_of_authentication_is_that_of_the_standard() {
    let hex = |bytes: [u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    // RFC 4231, test cases 1 and 2
    let one = hmac(&[0x0b; 20], &[b"Hi ", b"There"]);
    assert_eq!(hex(one), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    let two = hmac(b"Jefe", &[b"what do ya want for nothing?"]);
    assert_eq!(hex(two), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert!(is_same(b"ab", b"ab") && !is_same(b"ab", b"aa") && !is_same(b"ab", b"a"));
}
