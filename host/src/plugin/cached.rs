//! A plugin is compiled once: the next engine finds its code, unless that was touched.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{Grants, Instance, Limits, Plugin, PluginEngine, StageName, build::build};
use crate::state::StageState;

fn component() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/dedup");
    build(&folder, &mut |_| {}).unwrap().wasm
}

/// Starts the plugin as a host with that cache does; how many components were compiled for it.
fn start(cache: &Path, wasm: &Path) -> u64 {
    let engine = PluginEngine::new().unwrap().with_cache(cache.to_owned());
    let plugin = Plugin::load(&engine, wasm).unwrap();
    let name = StageName { pipeline: "p".into(), stage: "dedup".into() };
    let grants = Grants::named(&["state"]);
    let limits = Limits { timeout: Duration::from_secs(10), grants, ..Limits::default() };
    let state = Arc::new(Mutex::new(StageState::new()));
    let (_, descriptor) = Instance::new(&plugin, &name, "{}", &limits, state).unwrap();
    assert_eq!(descriptor.name, "dedup");
    engine.keep(&plugin);
    engine.compilations()
}

/// The one file of compiled code.
fn file(cache: &Path) -> PathBuf {
    let mut files: Vec<_> = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap() != "key");
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn a_second_start_compiles_nothing_and_a_touched_file_is_compiled_anew() {
    let temp = tempfile::tempdir().unwrap();
    let (cache, wasm) = (temp.path().join("cache"), component());
    assert_eq!(start(&cache, &wasm), 1);
    assert_eq!(start(&cache, &wasm), 0);
    let good = fs::read(file(&cache)).unwrap();
    let mut tampered = good.clone();
    tampered[good.len() / 2] ^= 1;
    for touched in [&tampered[..], &good[..good.len() / 2], b"", b"foreign"] {
        fs::write(file(&cache), touched).unwrap();
        assert_eq!(start(&cache, &wasm), 1);
        assert_eq!(start(&cache, &wasm), 0, "it was kept anew");
        assert_eq!(fs::read(file(&cache)).unwrap().len(), good.len());
    }
}

#[test]
fn authenticated_code_that_the_engine_does_not_take_is_compiled_anew() {
    let temp = tempfile::tempdir().unwrap();
    let (cache, wasm) = (temp.path().join("cache"), component());
    assert_eq!(start(&cache, &wasm), 1);
    // As another version of the engine would leave it, had it the same name.
    let name = file(&cache).file_name().unwrap().to_string_lossy().into_owned();
    super::cache::CodeCache::new(cache.clone()).keep(&name, b"\x7fELF of another engine");
    assert_eq!(start(&cache, &wasm), 1);
}

#[test]
fn another_component_has_another_file() {
    let temp = tempfile::tempdir().unwrap();
    let (cache, wasm) = (temp.path().join("cache"), component());
    assert_eq!(start(&cache, &wasm), 1);
    // The same component with a custom section (WebAssembly 2.0, section 5.5.3) appended.
    let mut bytes = fs::read(&wasm).unwrap();
    bytes.extend_from_slice(b"\0\x05\x04test");
    let other = temp.path().join("dedup.wasm");
    fs::write(&other, bytes).unwrap();
    assert_eq!(start(&cache, &other), 1);
    assert_eq!((start(&cache, &other), start(&cache, &wasm)), (0, 0));
}
