//! The web page: static files that are part of the binary.
//!
//! The files contain no data, so they need no token and are available during startup. The page reads its
//! data from the API, as every client does.
//!
//! Files are served below `/ui/`. The page itself is served at several paths; the path selects its view.

mod accept_encoding;
mod asset;
mod assets;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use axum::routing::get;

#[cfg(any(test, fuzzing))]
pub(super) use self::accept_encoding::accepts_gzip;
use self::assets::{ASSETS, INDEX};
use super::error::ApiError;
use super::fallback::unknown_path;
use super::params::PathParams;

/// The paths of the page.
const PAGES: [&str; 5] = ["/", "/results", "/racer", "/views", "/operations"];

/// The routes of the page. They need no token and are not in the OpenAPI description.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let files = Router::new().route("/ui/{*name}", get(file));
    PAGES.into_iter().fold(files, |routes, path| routes.route(path, get(page)))
}

async fn page(uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    respond(INDEX, uri, &headers).await
}

async fn file(
    uri: Uri,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    respond(&name, uri, &headers).await
}

async fn respond(name: &str, uri: Uri, headers: &HeaderMap) -> Result<Response, ApiError> {
    match ASSETS.iter().find(|asset| asset.name() == name) {
        Some(asset) => Ok(asset.respond(headers)),
        None => Err(unknown_path(uri).await),
    }
}
