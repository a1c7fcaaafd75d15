//! The live page: files that are part of the program, without anything secret in them. What they show comes from `/events`.

use axum::{
    Router,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
    routing::get,
};

/// Files that the page refers to: address, type and content.
const ASSETS: [(&str, &str, &str); 6] = [
    ("/page.css", "text/css; charset=utf-8", include_str!("page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page.js")),
    ("/flow.js", "text/javascript; charset=utf-8", include_str!("flow.js")),
    ("/report.js", "text/javascript; charset=utf-8", include_str!("report.js")),
    ("/uplot.css", "text/css; charset=utf-8", include_str!("uplot/uPlot.min.css")),
    ("/uplot.js", "text/javascript; charset=utf-8", include_str!("uplot/uPlot.iife.min.js")),
];

const PAGE: &str = include_str!("page.html");

/// Whether the page refers to that address.
pub(super) fn is_asset(path: &str) -> bool {
    ASSETS.iter().any(|(name, ..)| *name == path)
}

/// The page.
pub(super) async fn page() -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response()
}

/// The routes of what the page refers to.
pub(super) fn assets<S: Clone + Send + Sync + 'static>(mut routes: Router<S>) -> Router<S> {
    for (name, kind, content) in ASSETS {
        routes = routes.route(name, get(async move || ([(CONTENT_TYPE, kind)], content)));
    }
    routes
}
