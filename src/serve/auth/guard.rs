//! The layer that checks tokens.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use utoipa_axum::router::OpenApiRouter;

use super::bind::Auth;
use super::credentials::TokenSource;
use crate::auth::{Claims, Keyring, Scope, TokenError, now};
use crate::serve::client::{Client, ConnectionClient};
use crate::serve::error::ApiError;
use crate::serve::openapi::describe_token;
use crate::serve::origin;
use crate::serve::permissions::{AllowedObjects, Permissions};
use crate::serve::state::App;

/// Which tokens a group of routes accepts.
#[derive(Clone)]
struct Guard {
    app: App,
    scope: Scope,
    source: TokenSource,
}

/// An error, and the challenge of the response: what the client must send instead (RFC 6750, section 3).
struct Denied {
    error: ApiError,
    challenge: Option<String>,
}

/// Opens `routes` only to tokens with `scope`, and adds this to their description.
pub(in crate::serve) fn guard(
    app: &App,
    scope: Scope,
    source: TokenSource,
    routes: OpenApiRouter<App>,
) -> OpenApiRouter<App> {
    let guard = Guard { app: app.clone(), scope, source };
    describe_token(routes, scope, source).layer(from_fn_with_state(guard, check))
}

/// Runs the handler if the token permits it. The permissions of the token become an extension of the
/// request.
async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let token = guard.source.take_token(&mut request);
    let permissions = match guard.app.auth() {
        Auth::Off => match origin::check(request.headers(), guard.app.origins()) {
            Ok(()) => Ok(Permissions::default()),
            Err(error) => Err(Denied { error, challenge: None }),
        },
        Auth::On(keyring) => permissions(keyring, guard.scope, token.as_deref(), now()),
    };
    match permissions {
        Ok(permissions) => {
            let extensions = request.extensions_mut();
            if let (Some(connection), Some(ConnectInfo(peer))) =
                (extensions.get::<ConnectionClient>(), extensions.get::<ConnectInfo<SocketAddr>>())
            {
                connection.set(permissions.client(peer.ip()));
            }
            extensions.insert(permissions);
            next.run(request).await
        }
        Err(denied) => denied.into_response(),
    }
}

/// The permissions of `token` at `now`, in s since the epoch.
fn permissions(
    keyring: &Keyring,
    scope: Scope,
    token: Option<&str>,
    now: u64,
) -> Result<Permissions, Denied> {
    let Some(token) = token else {
        let message = "a token is required; send it as 'Authorization: Bearer TOKEN'";
        return Err(Denied::unauthorized(message.to_owned(), "Bearer"));
    };
    let invalid = |error: TokenError| {
        Denied::unauthorized(error.to_string(), "Bearer error=\"invalid_token\"")
    };
    let claims = keyring.verify(token, now).map_err(invalid)?;
    if !claims.scope.allow(scope) {
        let message = format!("the token does not have the scope '{scope}'; use one that has");
        let error = ApiError::new(StatusCode::FORBIDDEN, "forbidden", message);
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
        return Err(Denied { error, challenge: Some(challenge) });
    }
    let Claims { classes, projects, exp, .. } = claims;
    let objects = (classes.is_some() || projects.is_some()).then(|| AllowedObjects {
        classes: classes.unwrap_or_default(),
        projects: projects.unwrap_or_default(),
    });
    let expires = Instant::now().checked_add(Duration::from_secs(exp.saturating_sub(now)));
    Ok(Permissions::new(objects, expires).of_token(Client::with_token(token)))
}

impl Denied {
    fn unauthorized(message: String, challenge: &str) -> Self {
        let error = ApiError::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
        Self { error, challenge: Some(challenge.to_owned()) }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let mut response = self.error.into_response();
        if let Some(Ok(challenge)) = self.challenge.map(HeaderValue::try_from) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}
