//! The browser that looks at our pages sees what is there, and what is wrong.

use millstream_tests::browser::{Browser, View};
use millstream_tests::process::Folder;

const PAGE: &str = "<!doctype html><meta name=viewport content='width=device-width'><title>t</title>
<style>body{background:#fff}@media(prefers-color-scheme:dark){body{background:#111}}i{display:block;height:40px}</style>
<p id=greeting>hello <b>you</b></p><script>
for (let n = 0; n < 12; n++) { const i = document.createElement('i'); i.style.background = `hsl(${n * 30} 60% 50%)`; document.body.append(i) }
</script>";

fn page(folder: &Folder, content: &str) -> String {
    folder.write("page.html", content);
    format!("file://{}", folder.path("page.html").display())
}

#[test]
fn a_page_is_read_and_pictured_at_each_width_in_light_and_dark() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = Folder::with("");
    let address = page(&folder, PAGE);
    for view in View::ALL {
        browser.open(&address, view);
        assert_eq!(browser.text("#greeting"), "hello you");
        assert_eq!(browser.value("window.innerWidth"), view.width);
        let picture = browser.picture();
        picture.assert_shows_something();
        assert_eq!(picture.width, view.width);
        assert_eq!(picture.brightness() < 128.0, view.dark, "{view:?}");
        assert!(!browser.is_too_wide());
        assert_eq!(browser.complaints(), [""; 0]);
        assert_eq!(browser.requests(), [address.as_str()]);
    }
}

#[test]
fn errors_requests_and_blank_pages_are_noticed() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = Folder::with("");
    let address = page(
        &folder,
        "<!doctype html><script>console.error('oh'); fetch('http://127.0.0.1:1/x').catch(() => window.done = true)</script>",
    );
    browser.open(&address, View::laptop(false));
    browser.until("the request has failed", "window.done === true");
    assert!(browser.complaints().iter().any(|complaint| complaint.contains("oh")));
    assert!(browser.requests().contains(&"http://127.0.0.1:1/x".to_owned()));
    let picture = browser.picture();
    std::panic::catch_unwind(|| picture.assert_shows_something()).expect_err("a blank page passes");
}
