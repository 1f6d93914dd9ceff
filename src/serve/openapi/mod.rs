//! The OpenAPI description: what the handlers declare, and what all routes share.

pub(super) mod handler;
mod operations;
mod security;
mod tags;
mod wildcards;

use utoipa::openapi::schema::Type;
use utoipa::openapi::{
    InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, ServerBuilder,
};
use utoipa::{PartialSchema, ToSchema};

use self::operations::{add_responses, operations};
use super::error::{ErrorBody, ErrorDetail};
use super::firebase::FirebaseError;
use super::firehose::DeliveryReply;
use crate::ingest::event::INTEGER_MAX;

pub(super) use self::security::describe_token;

/// What the API is, and what all of its reads have in common.
const DESCRIPTION: &str = "\
Live leaderboards, records and counters from race and view events.

While no generation of a cluster runs, its nodes answer reads from the last state. These answers carry the \
header `stale`, whose value is the reason, such as `the cluster waits for node 2`. A service that is not a \
node of a cluster sends it only with a stream that opens while the service starts.";

/// Responses that every route may return.
const COMMON: [(&str, &str); 2] = [
    ("400", "A parameter is unknown, missing or invalid."),
    ("500", "The service failed. Its log has the reason."),
];
/// Responses of routes other than streams, which return no error that passes.
const LIMITED: [(&str, &str); 1] =
    [("429", "This client sends too much. The header Retry-After states when to send again.")];
/// Responses of routes other than streams that need the engine.
const UNAVAILABLE: [(&str, &str); 1] = [(
    "503",
    "The service is busy, starting or stopping. The header Retry-After states when to try again.",
)];

/// The schemas that utoipa names after their Rust types: their names here, descriptions and maxima.
/// utoipa describes ids as int32, whose maximum is 2^31 - 1.
const INTEGERS: [(&str, &str, &str, usize); 3] = [
    ("u16", "ClassId", "A class.", u16::MAX as usize),
    ("u32", "RacerId", "A racer.", u32::MAX as usize),
    ("u64", "Integer", "A race, or a time in ms since the epoch.", INTEGER_MAX as usize),
];

/// A description without routes.
pub(super) fn base() -> OpenApi {
    let license = env!("CARGO_PKG_LICENSE");
    let info = InfoBuilder::new()
        .title("Velodrome")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name(license).identifier(Some(license)).build()));
    let server =
        ServerBuilder::new().url("/").description(Some("The service that has this description."));
    let mut openapi = OpenApiBuilder::new().info(info).servers(Some([server.build()])).build();
    let components = openapi.components.get_or_insert_default();
    security::add_schemes(components);
    components.schemas.insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    components.schemas.insert(ErrorDetail::name().into_owned(), ErrorDetail::schema());
    components.schemas.insert(DeliveryReply::name().into_owned(), DeliveryReply::schema());
    components.schemas.insert(FirebaseError::name().into_owned(), FirebaseError::schema());
    openapi
}

/// The description as JSON, completed.
pub(super) fn to_json(mut openapi: OpenApi) -> String {
    complete(&mut openapi);
    let json = openapi.to_json().unwrap_or_default();
    INTEGERS.iter().fold(json, |json, (rust, name, ..)| {
        let json = json.replace(&format!("/schemas/{rust}\""), &format!("/schemas/{name}\""));
        json.replace(&format!("\"{rust}\":"), &format!("\"{name}\":"))
    })
}

/// Adds the responses of the layers to each route, and the bounds of integers.
fn complete(openapi: &mut OpenApi) {
    let components = openapi.components.get_or_insert_default();
    for (rust, _, description, greatest) in INTEGERS {
        let integer = ObjectBuilder::new().schema_type(Type::Integer);
        let integer = integer.description(Some(description)).minimum(Some(0usize));
        components.schemas.insert(rust.to_owned(), integer.maximum(Some(greatest)).into());
    }
    wildcards::describe_served(openapi);
    tags::add_tags(openapi);
    for operation in operations(openapi) {
        add_responses(operation, &COMMON);
        let has_tag = |name: &str| operation.tags.iter().flatten().any(|tag| tag == name);
        let (is_stream, is_of_operations) = (has_tag(tags::STREAM), has_tag(tags::OPERATIONS));
        if !is_stream {
            add_responses(operation, &LIMITED);
        }
        if !is_stream && !is_of_operations {
            add_responses(operation, &UNAVAILABLE);
        }
    }
}
