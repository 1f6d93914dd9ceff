//! Firehose's contracts over HTTP: the data transformation, and the endpoint for deliveries.

mod dedup;
mod deliver;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzz;
mod intake;
mod reply;
mod transform;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
pub(super) use dedup::DeliveryDedup;
pub(super) use reply::{DeliveryReply, format_errors};

/// The route of the transformation, which works before the service is ready.
pub(super) fn transform_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(transform::transform))
}

/// The route of deliveries. The layers around it return errors in the format of other routes, so
/// [`format_errors`] must be the outermost layer.
pub(super) fn delivery_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(deliver::deliver))
}
