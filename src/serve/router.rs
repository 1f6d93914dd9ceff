//! All routes, with the layers around them.

use axum::extract::Request;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answers::bound_answer;
use super::auth::{TokenSource, guard};
use super::openapi::handler::OpenApiJson;
use super::reads;
use super::state::App;
use super::{
    alleycat, bans, cluster, fallback, firebase, firehose, health, ingest, metrics, middleware,
    openapi, origin, passing_refusals, rules, stream, ui,
};
use crate::auth::Scope;

/// All routes of `app`, to be served by [`super::server::serve`]. `metrics` is the handle of the
/// recorder that [`super::metrics::install`] returns.
pub fn router(app: App, metrics: PrometheusHandle) -> Router {
    let (router, description) = described_routes(&app).split_for_parts();
    let json = openapi::to_json(description);
    let (tree, _) = tree_layers(&app, firebase::routes_of_other_paths()).split_for_parts();
    let tree = tree.method_not_allowed_fallback(fallback::unknown_method).with_state(app.clone());

    let router = router
        .merge(ui::routes())
        .fallback(|request: Request| fallback::unmatched(tree, request))
        .method_not_allowed_fallback(fallback::unknown_method)
        .layer(Extension(OpenApiJson(json.into())))
        .layer(Extension(metrics))
        .layer(from_fn_with_state(app.clone(), middleware::limit_rate))
        .layer(from_fn(middleware::require_one_host));
    let router = match app.origins() {
        [] => router,
        origins => router.layer(origin::cors(origins)),
    };
    router
        .layer(CatchPanicLayer::custom(fallback::handler_panicked))
        .layer(from_fn(passing_refusals::end_streams))
        .layer(from_fn(firehose::format_errors))
        .layer(from_fn(firebase::format_errors))
        .layer(from_fn(middleware::record))
        .with_state(app)
}

/// The routes of the API, which are in the OpenAPI description. All but the health checks are guarded,
/// and most return 503 `starting` until the service has started.
fn described_routes(app: &App) -> OpenApiRouter<App> {
    let started = || from_fn_with_state(app.clone(), middleware::require_started);
    let has_state = || from_fn_with_state(app.clone(), middleware::require_state);
    let bounded = || from_fn_with_state(app.clone(), bound_answer);
    let events = OpenApiRouter::new().routes(routes!(ingest::post_events)).layer(started());
    let deliveries = firehose::delivery_routes().layer(started());
    let alleycat = alleycat::routes().layer(has_state()).layer(bounded());
    let reads = reads::routes()
        .layer(has_state())
        .routes(routes!(metrics::metrics))
        .routes(routes!(cluster::cluster))
        .routes(routes!(openapi::handler::openapi))
        .layer(bounded());
    let has_memory = from_fn_with_state(app.clone(), middleware::require_memory);
    let opens_stream = from_fn_with_state(app.clone(), middleware::mark_stream);
    let streams = stream::routes().layer(has_memory).layer(opens_stream);
    let admin = OpenApiRouter::new()
        .routes(routes!(bans::bans))
        .routes(routes!(bans::ban, bans::lift_ban))
        .routes(routes!(rules::rules, rules::switch_rules))
        .layer(bounded())
        .layer(started());
    OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .merge(guard(app, Scope::Ingest, TokenSource::Query, events))
        .merge(guard(app, Scope::Ingest, TokenSource::Bearer, firehose::transform_routes()))
        .merge(guard(app, Scope::Ingest, TokenSource::AccessKey, deliveries))
        .merge(guard(app, Scope::Read, TokenSource::Bearer, reads))
        .merge(guard(app, Scope::Read, TokenSource::Query, alleycat))
        .merge(guard(app, Scope::Read, TokenSource::Query, streams))
        .merge(guard(app, Scope::Admin, TokenSource::Bearer, admin))
        .merge(tree_layers(app, firebase::routes()))
}

/// Opens routes of the Firebase tree to readers.
fn tree_layers(app: &App, routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
    let routes = routes
        .layer(from_fn_with_state(app.clone(), bound_answer))
        .layer(from_fn_with_state(app.clone(), middleware::require_memory))
        .layer(from_fn_with_state(app.clone(), middleware::require_state_of_read));
    guard(app, Scope::Read, TokenSource::Query, routes)
}
