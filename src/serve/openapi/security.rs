//! Describes which tokens routes need.

use utoipa::openapi::Components;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa_axum::router::OpenApiRouter;

use super::operations::{add_responses, operations};
use crate::auth::Scope;
use crate::serve::auth::{ACCESS_KEY, QUERY_TOKENS, TokenSource};

/// The name of the scheme of bearer tokens.
const BEARER: &str = "bearer";

/// Responses of routes that need a token.
const DENIED: [(&str, &str); 2] = [
    ("401", "The token is missing or invalid."),
    ("403", "The token does not have the scope, or is for other classes or projects."),
];

/// Adds a security scheme for each place where a token may be.
pub(super) fn add_schemes(components: &mut Components) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let in_header = ApiKey::Header(ApiKeyValue::new(ACCESS_KEY));
    components.add_security_scheme(ACCESS_KEY, SecurityScheme::ApiKey(in_header));
    for name in QUERY_TOKENS {
        let in_query = ApiKey::Query(ApiKeyValue::new(name));
        components.add_security_scheme(name, SecurityScheme::ApiKey(in_query));
    }
}

/// Describes `routes` as needing a token with `scope`, which may be in any place of `source`.
pub(in crate::serve) fn describe_token<S>(
    mut routes: OpenApiRouter<S>,
    scope: Scope,
    source: TokenSource,
) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    for operation in operations(routes.get_openapi_mut()) {
        add_responses(operation, &DENIED);
        let schemes = [BEARER].iter().chain(source.names());
        let alternatives = schemes.map(|name| SecurityRequirement::new(*name, [scope.name()]));
        operation.security = Some(alternatives.collect());
    }
    routes
}
