//! The service's description in OpenAPI: what the routes say of themselves, and what all share.

use std::mem;

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ArrayBuilder, Content, InfoBuilder, ObjectBuilder, OneOfBuilder, OpenApi, OpenApiBuilder, Ref,
    RefOr, ResponseBuilder, Schema,
    schema::{SchemaType, Type},
};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::auth::{ACCESS_KEY, QUERY_TOKENS};
use super::error::{ErrorBody, ErrorDetail};
use super::firebase::FirebaseError;
use super::firehose::DeliveryReply;
use crate::auth::Scope;

/// What every route may answer.
const EVERYWHERE: [(&str, &str); 3] = [
    ("400", "A parameter is unknown, missing or not what it may be"),
    ("429", "This client sends too much; the header Retry-After tells when to go on"),
    ("500", "An error of the service, which its log tells of"),
];
/// What routes may answer that need a token.
const GUARDED: [(&str, &str); 2] = [
    ("401", "No token, or one that is not valid"),
    ("403", "The token does not have the scope, or is for other classes or projects"),
];
/// What routes may answer that need the engine.
const SERVED: [(&str, &str); 1] = [("503", "Not now; the header Retry-After tells when")];

/// The greatest ids of classes and racers, by the names that their types have among the schemas. What
/// utoipa says of them is int32, which ends at 2^31.
const IDS: [(&str, usize); 2] = [("u16", u16::MAX as usize), ("u32", u32::MAX as usize)];

/// The name of the bearer tokens' scheme.
const BEARER: &str = "bearer";

/// A description without routes.
pub(super) fn base() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Velodrome")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Live leaderboards, records and counters from race and view events."));
    let mut openapi = OpenApiBuilder::new().info(info).build();
    let components = openapi.components.get_or_insert_default();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let in_header = ApiKey::Header(ApiKeyValue::new(ACCESS_KEY));
    components.add_security_scheme(ACCESS_KEY, SecurityScheme::ApiKey(in_header));
    for name in QUERY_TOKENS {
        let in_query = ApiKey::Query(ApiKeyValue::new(name));
        components.add_security_scheme(name, SecurityScheme::ApiKey(in_query));
    }
    components.schemas.insert(ErrorBody::name().into_owned(), ErrorBody::schema());
    components.schemas.insert(ErrorDetail::name().into_owned(), ErrorDetail::schema());
    components.schemas.insert(DeliveryReply::name().into_owned(), DeliveryReply::schema());
    components.schemas.insert(FirebaseError::name().into_owned(), FirebaseError::schema());
    openapi
}

/// Describes `routes` as needing a token with `scope`, as a bearer or in one of the `other` ways.
pub(super) fn guarded<S>(
    mut routes: OpenApiRouter<S>,
    scope: Scope,
    other: &[&str],
) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    for (_, operation) in operations(routes.get_openapi_mut()) {
        add(operation, &GUARDED);
        let ways = [BEARER].iter().chain(other);
        let needed = ways.map(|way| SecurityRequirement::new(*way, [scope.name()]));
        operation.security = Some(needed.collect());
    }
    routes
}

/// Adds to each route what its handler does not know of, the answers of the layers around it, and to
/// ids their bounds.
pub(super) fn complete(openapi: &mut OpenApi) {
    let components = openapi.components.get_or_insert_default();
    for (name, greatest) in IDS {
        let id = ObjectBuilder::new().schema_type(Type::Integer);
        let id = id.minimum(Some(0usize)).maximum(Some(greatest)).into();
        components.schemas.insert(name.to_owned(), id);
    }
    // Here a parameter is what it matches, be it one segment of the path or all that are left.
    let paths = mem::take(&mut openapi.paths.paths).into_iter();
    openapi.paths.paths = paths.map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    for (_, operation) in operations(openapi) {
        add(operation, &EVERYWHERE);
        if operation.tags.iter().flatten().all(|tag| tag != "operations") {
            add(operation, &SERVED);
        }
    }
}

/// All operations, with their path.
fn operations(openapi: &mut OpenApi) -> impl Iterator<Item = (&str, &mut Operation)> {
    openapi.paths.paths.iter_mut().flat_map(|(path, item)| {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        operations.into_iter().flatten().map(|operation| (&**path, operation))
    })
}

/// Adds answers, but for those that the route tells of itself.
fn add(operation: &mut Operation, answers: &[(&str, &str)]) {
    for (status, description) in answers {
        let schema = Ref::from_schema_name(ErrorBody::name());
        let content = Content::new(Some(schema));
        let response = ResponseBuilder::new().description(*description);
        let response = response.content("application/json", content).build();
        let responses = &mut operation.responses.responses;
        responses.entry((*status).to_owned()).or_insert(RefOr::T(response));
    }
}

/// What a body of JSON is: an event or an array of events. Whether an event is taken is told by its
/// verdict, so nothing is said here of what is in it.
pub(super) struct Sent;

impl PartialSchema for Sent {
    fn schema() -> RefOr<Schema> {
        let event = ObjectBuilder::new().description(Some("An event"));
        let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        let events = ArrayBuilder::new().items(any).description(Some("Several events"));
        OneOfBuilder::new().item(event).item(events).into()
    }
}

impl ToSchema for Sent {}
