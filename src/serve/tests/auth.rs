//! Calls every route of the description with tokens of all kinds, so that no route is left unguarded.

use std::collections::BTreeSet;

use super::routes::routes;
use super::tokens::{bearer, claims, invalid_tokens, issue, with_tokens};
use super::*;
use crate::auth::Scope;

/// Routes that need no token.
const PUBLIC: [&str; 2] = ["GET /healthz", "GET /readyz"];

/// Routes that concern all classes and projects, or none. A restricted token does not permit them.
const UNRESTRICTED: [&str; 12] = [
    "DELETE /v1/bans/{racerId}",
    "GET /.json",
    "GET /metrics",
    "GET /project.json",
    "GET /v1/bans",
    "GET /v1/classes",
    "GET /v1/cluster",
    "GET /v1/projects",
    "GET /v1/races",
    "GET /v1/rules",
    "POST /v1/rules",
    "PUT /v1/bans/{racerId}",
];

/// Routes that any restricted token permits. The path names no class or project: the description and
/// the transformation contain none, a racer is returned with the classes of the token, and ingests
/// check each event. Other tests cover these checks.
const ANY_RESTRICTION: [&str; 5] = [
    "GET /openapi.json",
    "GET /v1/racers/{racerId}",
    "POST /firehose/delivery",
    "POST /firehose/transform",
    "POST /v1/events",
];

#[test]
fn every_route_except_health_checks_needs_a_valid_token() {
    let service = Service::start(with_tokens());
    for route in routes(&service) {
        let name = &route.name;
        let without = route.call(&service, None);
        if route.is_in(&PUBLIC) {
            assert_eq!((without.status, route.scopes.len()), (200, 0), "{name}");
            continue;
        }
        assert_eq!(without.status, 401, "{name}");
        assert_eq!(without.header("www-authenticate"), "Bearer", "{name}");
        for (what, token) in invalid_tokens() {
            let denied = route.call(&service, Some(&format!("Bearer {token}")));
            assert_eq!(denied.status, 401, "{name}: {what}");
            let challenge = denied.header("www-authenticate");
            assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{name}: {what}");
        }
        let basic = bearer(Scope::Admin).replace("Bearer", "Basic");
        assert_eq!(route.call(&service, Some(&basic)).status, 401, "{name}");
    }
}

#[test]
fn every_route_needs_its_scope_or_admin() {
    let service = Service::start(with_tokens());
    for route in routes(&service).iter().filter(|route| !route.is_in(&PUBLIC)) {
        for scope in [Scope::Ingest, Scope::Read, Scope::Admin] {
            let expected = scope == route.scope() || scope == Scope::Admin;
            let permits = route.permits(&service, &claims(scope));
            assert_eq!(permits, expected, "{} with {scope}", route.name);
        }
        let needed = route.scope();
        let other = [Scope::Ingest, Scope::Read].into_iter().find(|scope| *scope != needed);
        let denied = route.call(&service, Some(&bearer(other.unwrap())));
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"");
        assert_eq!(denied.header("www-authenticate"), challenge, "{}", route.name);
    }
}

#[test]
fn every_route_checks_the_classes_and_projects_of_its_token() {
    let service = Service::start(with_tokens());
    let mut unrestricted = Vec::new();
    for route in routes(&service) {
        if route.is_in(&PUBLIC) {
            continue;
        }
        let mut restricted = claims(route.scope());
        (restricted.classes, restricted.projects) =
            (Some([65_535].into()), Some(["other".to_owned()].into()));
        let permits = |claims: &_| route.permits(&service, claims);
        let expected = route.is_in(&ANY_RESTRICTION);
        assert_eq!(permits(&restricted), expected, "{} for others", route.name);
        // A restriction to classes excludes all projects, and vice versa.
        restricted.projects = None;
        assert_eq!(permits(&restricted), expected, "{} for another class", route.name);
        (restricted.classes, restricted.projects) = (None, Some(BTreeSet::new()));
        assert_eq!(permits(&restricted), expected, "{} for nothing", route.name);

        // The class and the project of the examples in the description.
        (restricted.classes, restricted.projects) =
            (Some([1].into()), Some(["project-1".to_owned()].into()));
        if !permits(&restricted) {
            unrestricted.push(route.name);
        }
    }
    unrestricted.sort();
    assert_eq!(unrestricted, UNRESTRICTED, "routes that no restricted token permits");
}

#[test]
fn only_described_routes_accept_a_token_in_the_query() {
    let service = Service::start(with_tokens());
    for route in routes(&service).iter().filter(|route| !route.is_in(&PUBLIC)) {
        for name in crate::serve::auth::QUERY_TOKENS {
            let joint = if route.uri.contains('?') { '&' } else { '?' };
            let uri = format!("{}{joint}{name}={}", route.uri, issue(&claims(Scope::Admin)));
            let expected = route.token_names.iter().any(|token_name| token_name == name);
            let answer = route.call_at(&service, &uri, None);
            assert_eq!(answer.status != 401, expected, "{} {name}: {}", route.name, answer.text);
        }
    }
}

#[test]
fn without_tokens_only_this_machine_and_its_own_pages_are_served() {
    let service = Service::start(without_tokens());
    let own = format!("http://{}", service.address);
    for route in routes(&service).iter().filter(|route| !route.is_in(&PUBLIC)) {
        for (headers, is_permitted) in [
            (vec![], true),
            (vec![("origin", &*own)], true),
            (vec![("origin", "https://evil.example")], false),
            (vec![("origin", "null")], false),
            (vec![("host", "evil.example")], false),
        ] {
            let shown = format!("{} {headers:?}", route.name);
            let headers = [&[("content-type", "application/json")][..], &headers].concat();
            let answer = service.request(&route.method, &route.uri, &headers, route.body());
            let is_denied = [401, 403].contains(&answer.status);
            assert_eq!(!is_denied, is_permitted, "{shown}: {}", answer.text);
        }
    }
}
