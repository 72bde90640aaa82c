//! The page: plain files, embedded in the program.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Redirect, Response};

/// Embeds files of the directory `page`.
macro_rules! files {
    ($($name:literal $kind:expr;)*) => {
        const FILES: &[(&str, &str, &str)] = &[$(($name, $kind, include_str!(concat!("page/", $name))),)*];
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

files! {
    "api.js" SCRIPT;
    "detail.js" SCRIPT;
    "dom.js" SCRIPT;
    "download.js" SCRIPT;
    "format.js" SCRIPT;
    "heat.js" SCRIPT;
    "main.js" SCRIPT;
    "overview.js" SCRIPT;
    "parts.js" SCRIPT;
    "past.js" SCRIPT;
    "plot.js" SCRIPT;
    "store.js" SCRIPT;
    "stream.js" SCRIPT;
    "style.css" STYLE;
    "table.js" SCRIPT;
    "view.js" SCRIPT;
}

/// Returns the document.
pub async fn index() -> Html<&'static str> {
    Html(include_str!("page/index.html"))
}

/// Returns a script or a style sheet.
pub async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => ([(CONTENT_TYPE, *kind)], *text).into_response(),
        None => (StatusCode::NOT_FOUND, "no such file\n").into_response(),
    }
}

/// Redirects mmash's page of plots to the page.
pub async fn graph() -> Redirect {
    Redirect::to("../")
}
