//! Golden files: what a command prints, as it was looked at last. `MILLSTREAM_UPDATE_GOLDEN=1` writes them anew.

use std::path::Path;

/// Fails unless the text is that of `golden/<name>.txt`.
#[track_caller]
pub fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/process/golden").join(format!("{name}.txt"));
    if std::env::var("MILLSTREAM_UPDATE_GOLDEN").as_deref() == Ok("1") {
        std::fs::write(&path, text).expect("writing a golden file");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "this is not {}; if it is better, set MILLSTREAM_UPDATE_GOLDEN=1:\n{text}\n--- instead of ---\n{golden}",
        path.display()
    );
}
