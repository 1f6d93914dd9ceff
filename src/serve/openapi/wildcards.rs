//! Describes routes that match all remaining segments, for which OpenAPI has no syntax.

use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{OpenApi, RefOr, Required};

/// The route of Firebase's paths below the projects.
const BELOW_PROJECTS: &str = "/project/{*path}";

/// A path that such a route serves, the name of its operation, and its parameters.
type Served = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const SERVED: [Served; 2] = [
    ("/project/{projectId}.json", "project", &[("projectId", "project-1")]),
    (
        "/project/{projectId}/{counter}.json",
        "counter",
        &[("projectId", "project-1"), ("counter", "views")],
    ),
];

/// Replaces the route by the paths that have data.
pub(super) fn describe_served(openapi: &mut OpenApi) {
    let Some(route) = openapi.paths.paths.remove(BELOW_PROJECTS) else { return };
    for (path, id, parameters) in SERVED {
        let served = describe(route.clone(), id, parameters);
        openapi.paths.paths.insert(path.to_owned(), served);
    }
}

fn describe(mut route: PathItem, id: &str, parameters: &[(&str, &str)]) -> PathItem {
    let Some(operation) = &mut route.get else { return route };
    operation.operation_id = Some(id.to_owned());
    let declared = operation.parameters.get_or_insert_default();
    let is_in_path = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path);
    declared.retain(|parameter| !is_in_path(parameter));
    let described = parameters.iter().map(|(name, example)| {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        let parameter = ParameterBuilder::new().name(*name).parameter_in(ParameterIn::Path);
        let parameter = parameter.required(Required::True);
        RefOr::T(parameter.schema(Some(text)).example(Some((*example).into())).build())
    });
    declared.splice(0..0, described);
    route
}
