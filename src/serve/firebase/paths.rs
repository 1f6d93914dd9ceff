//! Which requests are for the tree.

use axum::extract::{MatchedPath, Request};

/// The paths of the routes in the description.
const ROUTES: [&str; 3] = ["/.json", "/project.json", "/project/{*path}"];

/// Whether a request is for a path of the tree: that of one of its routes, or one without a route that ends with
/// `.json`.
pub(in crate::serve) fn is_tree_request(request: &Request) -> bool {
    match request.extensions().get::<MatchedPath>() {
        Some(path) => ROUTES.contains(&path.as_str()),
        None => request.uri().path().ends_with(".json"),
    }
}
