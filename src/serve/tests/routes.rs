//! All routes of the OpenAPI description, each with a valid request.

use std::collections::BTreeSet;

use super::tokens::{bearer, bearer_of};
use super::*;
use crate::auth::{Claims, Scope};

/// A route and a valid request for it.
pub(super) struct Route {
    /// Method and path, as in the description.
    pub(super) name: String,
    pub(super) method: String,
    /// Path and query, with the examples of the description.
    pub(super) uri: String,
    /// The scopes that the description requires.
    pub(super) scopes: BTreeSet<String>,
    /// The names of the headers or query parameters that may contain a token, besides `Authorization`.
    pub(super) token_names: Vec<String>,
}

/// All routes in the description of `service`. The router is made of the same routes.
pub(super) fn routes(service: &Service) -> Vec<Route> {
    let headers = [("authorization", &*bearer(Scope::Read))];
    let description = service.request("GET", "/openapi.json", &headers, b"").json();
    let paths = description["paths"].as_object().unwrap();
    let routes = paths.iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(|(method, operation)| Route::new(path, method, operation))
    });
    routes.collect()
}

impl Route {
    fn new(path: &str, method: &str, operation: &Value) -> Self {
        let method = method.to_ascii_uppercase();
        let name = format!("{method} {path}");
        let uri = example_uri(&name, path, operation);
        let (mut scopes, mut token_names) = (BTreeSet::new(), Vec::new());
        for alternative in operation["security"].as_array().into_iter().flatten() {
            for (scheme, required) in alternative.as_object().unwrap() {
                let required = required.as_array().unwrap().iter();
                scopes.extend(required.map(|scope| scope.as_str().unwrap().into()));
                if scheme != "bearer" {
                    token_names.push(scheme.clone());
                }
            }
        }
        Self { name, method, uri, scopes, token_names }
    }

    pub(super) fn is_in(&self, names: &[&str]) -> bool {
        names.contains(&&*self.name)
    }

    /// The only scope that the description requires.
    pub(super) fn scope(&self) -> Scope {
        let scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        let all = [Scope::Ingest, Scope::Read, Scope::Admin];
        let scope = all.into_iter().find(|scope| scopes == [scope.name()]);
        scope.unwrap_or_else(|| panic!("{} does not require one scope: {scopes:?}", self.name))
    }

    pub(super) fn call(&self, service: &Service, authorization: Option<&str>) -> Answer {
        self.call_at(service, &self.uri, authorization)
    }

    pub(super) fn call_at(
        &self,
        service: &Service,
        uri: &str,
        authorization: Option<&str>,
    ) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        service.request(&self.method, uri, &headers, self.body())
    }

    /// A body that the route can parse.
    pub(super) fn body(&self) -> &'static [u8] {
        if self.method == "POST" { b"[]" } else { b"" }
    }

    /// Whether a token with `claims` permits a call.
    pub(super) fn permits(&self, service: &Service, claims: &Claims) -> bool {
        let answer = self.call(service, Some(&bearer_of(claims)));
        ![401, 403].contains(&answer.status)
    }
}

/// The path with the examples of its parameters, and a query with those that are required.
fn example_uri(name: &str, path: &str, operation: &Value) -> String {
    let (mut uri, mut query) = (path.to_owned(), Vec::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let key = parameter["name"].as_str().unwrap();
        let (is_path, required) = (parameter["in"] == "path", parameter["required"] == true);
        // Headers are checked after the token.
        if parameter["in"] == "header" || (!is_path && !required) {
            continue;
        }
        let example = [&parameter["example"], &parameter["schema"]["example"]];
        let example = example.into_iter().find(|example| !example.is_null());
        let example = example.unwrap_or_else(|| panic!("{name}: give '{key}' an example"));
        let text = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
        match is_path {
            true => uri = uri.replace(&format!("{{{key}}}"), &text),
            false => query.push(format!("{key}={text}")),
        }
    }
    if query.is_empty() { uri } else { format!("{uri}?{}", query.join("&")) }
}
