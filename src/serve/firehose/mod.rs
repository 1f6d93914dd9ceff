//! Firehose's contracts over HTTP (CONTRACTS, section 6): the data transformation, and the endpoint that it
//! delivers to.

mod answer;
mod deliver;
mod repeats;
mod taking;
mod transform;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
pub(super) use answer::{DeliveryReply, shaped};
pub(super) use repeats::Repeats;

/// The transformation, which needs nothing of a service that has started.
pub(super) fn transformation() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(transform::transform))
}

/// The endpoint of deliveries. The layers around it refuse in the shape of other routes: [`shaped`] is to be put
/// around all.
pub(super) fn delivery() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(deliver::deliver))
}
