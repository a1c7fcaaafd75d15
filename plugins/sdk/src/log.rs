//! Messages for the host's log. The host limits their rate; what happens to each record belongs in a verdict.

/// Something is wrong.
pub fn error(message: &str) {
    write(0, message);
}

/// Something may be wrong.
pub fn warn(message: &str) {
    write(1, message);
}

/// Something worth knowing happened.
pub fn info(message: &str) {
    write(2, message);
}

/// Of use to the plugin's author.
pub fn debug(message: &str) {
    write(3, message);
}

#[cfg(target_family = "wasm")]
fn write(level: u8, message: &str) {
    crate::bindings::millstream::plugin::log::write(level, message);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: u8, message: &str) {
    let level = ["error", "warn", "info", "debug"].get(usize::from(level)).copied().unwrap_or("debug");
    eprintln!("{level}: {message}");
}
