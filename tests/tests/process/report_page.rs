//! The report as a page, in a real browser: as its reader has it, who has nothing but the file.

use millstream_tests::{
    browser::{Browser, View},
    process::Folder,
};

use crate::report::table;

#[test]
fn the_page_is_whole_in_light_and_dark_on_a_laptop_and_a_telephone_and_loads_nothing() {
    let Some(mut browser) = Browser::start() else { return };
    let folder = Folder::with("");
    table(&folder);
    folder.run(&["report", "sqlite:users.db/users", "--html", "report.html"]).assert(0, &["report.html"]);
    let address = format!("file://{}", folder.path("report.html").display());
    for view in View::ALL {
        browser.open(&address, view);
        let drawn = "document.querySelectorAll('.chart svg').length === 5";
        browser.until("the charts are drawn", drawn);
        let page = browser.text("body");
        // Rows, missing values, dates, those that are none, the most frequent gender and domain.
        for number in ["600", "320", "588", "12 are no date", "240  40.0 %", "199  33.2 %", "none"] {
            let shown = browser.value("document.body.textContent").as_str().is_some_and(|all| all.contains(number));
            assert!(page.contains(number) || shown, "{number} is not in the page:\n{page}");
        }
        assert!(!browser.is_too_wide(), "{view:?}");
        // What records hold has done nothing: no script ran, no image was asked for.
        assert_eq!(browser.value("document.title"), "sqlite:users.db/users - report");
        assert_eq!(browser.value("document.images.length"), 0);
        let described = "[...document.querySelectorAll('[role=img]')].every((chart) => chart.ariaLabel.length > 20)";
        assert_eq!(browser.value(described), true);
        assert_eq!(browser.complaints(), Vec::<String>::new());
        assert_eq!(browser.requests(), std::slice::from_ref(&address));
        let picture = browser.picture();
        picture.assert_shows_something();
        picture.keep(&format!("report-{}", view.name()));
        assert_eq!(picture.width, view.width);
        assert_eq!(picture.brightness() < 128.0, view.dark, "{}", picture.brightness());
    }
}
