//! Pages of `docs/` that are made from the code, held in step by tests: in comes a page's text, out comes a failure where
//! the file says something else. `MILLSTREAM_UPDATE_GOLDEN=1` writes the file anew. There is nothing of it in the product.

use std::path::Path;

/// Fails unless `docs/<name>` is this text.
#[track_caller]
pub fn assert_page(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var("MILLSTREAM_UPDATE_GOLDEN").as_deref() == Ok("1") {
        std::fs::write(&path, text).expect("writing a page");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == text, "docs/{name} is not what the code says; set MILLSTREAM_UPDATE_GOLDEN=1 to write it anew");
}

/// The first line of such a page.
pub fn notice(from: &str) -> String {
    format!(
        "<!-- Made from {from}. To change it, change those, and run the tests with MILLSTREAM_UPDATE_GOLDEN=1. -->\n"
    )
}

/// A template with `{{name}}` filled in; each name has to be in it.
pub fn filled(template: &str, parts: &[(&str, String)]) -> String {
    parts.iter().fold(template.to_owned(), |text, (name, part)| {
        let place = format!("{{{{{name}}}}}");
        assert!(text.contains(&place), "the template has no {place}");
        text.replace(&place, part.trim_end())
    })
}
