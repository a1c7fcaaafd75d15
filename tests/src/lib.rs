//! What the end-to-end tests share.

/// The address of a real service, from `MILLSTREAM_<NAME>`. Without one the calling test says on standard error that it
/// is skipped and returns; `MILLSTREAM_FORBID_SKIP=1` makes that a failure.
pub fn service(name: &str) -> Option<String> {
    let variable = format!("MILLSTREAM_{}", name.to_uppercase());
    if let Ok(address) = std::env::var(&variable) {
        return Some(address);
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let message = format!("SKIPPED {test}: {variable} is not set");
    assert!(std::env::var("MILLSTREAM_FORBID_SKIP").as_deref() != Ok("1"), "{message}");
    eprintln!("{message}");
    None
}
