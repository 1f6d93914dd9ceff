//! The OpenAPI description: what the handlers declare, and what all routes share.

pub(super) mod handler;
mod operations;
mod security;

use std::mem;

use utoipa::openapi::schema::Type;
use utoipa::openapi::{InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder};
use utoipa::{PartialSchema, ToSchema};

use self::operations::{add_responses, operations};
use super::error::{ErrorBody, ErrorDetail};
use super::firebase::FirebaseError;
use super::firehose::DeliveryReply;

pub(super) use self::security::describe_token;

/// Responses that every route may return.
const COMMON: [(&str, &str); 3] = [
    ("400", "A parameter is unknown, missing or invalid."),
    ("429", "This client sends too much. The header Retry-After states when to send again."),
    ("500", "The service failed. Its log has the reason."),
];
/// Responses of routes that need the engine.
const UNAVAILABLE: [(&str, &str); 1] = [(
    "503",
    "The service is busy, starting or stopping. The header Retry-After states when to try again.",
)];

/// The greatest ids of classes and racers, by the schema names of their types. utoipa describes both as
/// int32, whose maximum is 2^31 - 1.
const IDS: [(&str, usize); 2] = [("u16", u16::MAX as usize), ("u32", u32::MAX as usize)];

/// A description without routes.
pub(super) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Velodrome")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Live leaderboards, records and counters from race and view events."));
    let mut openapi = OpenApiBuilder::new().info(info).build();
    let components = openapi.components.get_or_insert_default();
    security::add_schemes(components);
    components.schemas.insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    components.schemas.insert(ErrorDetail::name().into_owned(), ErrorDetail::schema());
    components.schemas.insert(DeliveryReply::name().into_owned(), DeliveryReply::schema());
    components.schemas.insert(FirebaseError::name().into_owned(), FirebaseError::schema());
    openapi
}

/// Adds the responses of the layers to each route, and the bounds of ids.
pub(super) fn complete(openapi: &mut OpenApi) {
    let components = openapi.components.get_or_insert_default();
    for (name, greatest) in IDS {
        let id = ObjectBuilder::new().schema_type(Type::Integer);
        let id = id.minimum(Some(0usize)).maximum(Some(greatest)).into();
        components.schemas.insert(name.to_owned(), id);
    }
    // OpenAPI has no syntax for a parameter that matches all remaining segments.
    let paths = mem::take(&mut openapi.paths.paths).into_iter();
    openapi.paths.paths = paths.map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for operation in operations(openapi) {
        add_responses(operation, &COMMON);
        if operation.tags.iter().flatten().all(|tag| tag != "operations") {
            add_responses(operation, &UNAVAILABLE);
        }
    }
}
