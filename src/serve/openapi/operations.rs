//! Changes all operations of a description.

use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};

use crate::serve::error::ErrorBody;

/// All operations.
pub(super) fn operations(openapi: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    path_operations(openapi).map(|(_, operation)| operation)
}

/// All operations, with their paths.
pub(super) fn path_operations(
    openapi: &mut OpenApi,
) -> impl Iterator<Item = (&str, &mut Operation)> {
    openapi.paths.paths.iter_mut().flat_map(|(path, item)| {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        operations.into_iter().flatten().map(|operation| (path.as_str(), operation))
    })
}

/// Adds error responses by status, except those that the operation declares itself.
pub(super) fn add_responses(operation: &mut Operation, responses: &[(&str, &str)]) {
    for (status, description) in responses {
        let schema = Ref::from_schema_name(ErrorBody::name());
        let content = Content::new(Some(schema));
        let response = ResponseBuilder::new().description(*description);
        let response = response.content("application/json", content).build();
        let declared = &mut operation.responses.responses;
        declared.entry((*status).to_owned()).or_insert(RefOr::T(response));
    }
}
