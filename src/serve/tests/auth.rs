//! Every route of the description, with tokens of all kinds: none is forgotten.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::auth::{Claims, Keyring, Scope, new_key, now};

/// What everybody may call.
const PUBLIC: [&str; 2] = ["GET /healthz", "GET /readyz"];
/// What is of no single class or project, so that a token for some of them does not open it.
const WHOLE: [&str; 11] = [
    "DELETE /v1/bans/{racerId}",
    "GET /.json",
    "GET /metrics",
    "GET /project.json",
    "GET /v1/bans",
    "GET /v1/classes",
    "GET /v1/projects",
    "GET /v1/races",
    "GET /v1/rules",
    "POST /v1/rules",
    "PUT /v1/bans/{racerId}",
];
/// What names no object, so that a token for any of them opens it: the description, the transformation, a racer,
/// who is told with the classes of the token alone, and what takes events, each of which is held against the
/// token; that is tested on its own.
const OBJECTLESS: [&str; 5] = [
    "GET /openapi.json",
    "GET /v1/racers/{racerId}",
    "POST /firehose/delivery",
    "POST /firehose/transform",
    "POST /v1/events",
];

/// A keyring of one new key.
fn keyring() -> Keyring {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    new_key(&path).unwrap();
    Keyring::from_file(&path).unwrap()
}

/// The keys of services that ask for tokens.
fn own() -> &'static Keyring {
    static KEYS: std::sync::LazyLock<Keyring> = std::sync::LazyLock::new(keyring);
    &KEYS
}

/// A service that asks for tokens.
pub(super) fn closed() -> Config {
    Config { auth: Auth::On(own().clone()), ..open() }
}

fn claims(scope: Scope) -> Claims {
    Claims::new([scope].into_iter().collect(), now(), now() + 600)
}

fn issued(claims: &Claims) -> String {
    own().issue(claims).unwrap()
}

/// The header for a token with `scope`.
pub(super) fn bearer(scope: Scope) -> String {
    format!("Bearer {}", issued(&claims(scope)))
}

/// A token with `scope`, for one class alone where there is one.
pub(super) fn access_key(scope: Scope, class: Option<u16>) -> String {
    issued(&Claims { classes: class.map(|class| [class].into()), ..claims(scope) })
}

/// A route of the description, with a request that is right.
struct Route {
    /// Method and path as the description has them.
    name: String,
    method: String,
    /// Path and query, filled from the description's examples.
    uri: String,
    /// The scopes that it says to need, of each way to bring a token.
    scopes: BTreeSet<String>,
    /// The parameters of the query that may hold its token.
    in_query: Vec<String>,
}

/// All routes that the service describes, which are those that its router is made of.
fn routes(service: &Service) -> Vec<Route> {
    let headers = [("authorization", &*bearer(Scope::Read))];
    let described = service.request("GET", "/openapi.json", &headers, b"").json();
    let paths = described["paths"].as_object().unwrap();
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
        let (mut uri, mut query) = (path.to_owned(), Vec::new());
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let key = parameter["name"].as_str().unwrap();
            let (is_path, required) = (parameter["in"] == "path", parameter["required"] == true);
            // Headers are looked at behind the token.
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
        if !query.is_empty() {
            uri = format!("{uri}?{}", query.join("&"));
        }
        let (mut scopes, mut in_query) = (BTreeSet::new(), Vec::new());
        for needed in operation["security"].as_array().into_iter().flatten() {
            for (way, needs) in needed.as_object().unwrap() {
                scopes.extend(needs.as_array().unwrap().iter().map(|s| s.as_str().unwrap().into()));
                if way != "bearer" {
                    in_query.push(way.clone());
                }
            }
        }
        Self { name, method, uri, scopes, in_query }
    }

    fn is_in(&self, names: &[&str]) -> bool {
        names.contains(&&*self.name)
    }

    /// The only scope that it says to need.
    fn scope(&self) -> Scope {
        let scopes: Vec<_> = self.scopes.iter().map(String::as_str).collect();
        let all = [Scope::Ingest, Scope::Read, Scope::Admin];
        let scope = all.into_iter().find(|scope| scopes == [scope.name()]);
        scope.unwrap_or_else(|| panic!("{} is in no group of routes: {scopes:?}", self.name))
    }

    fn call(&self, service: &Service, authorization: Option<&str>) -> Answer {
        self.call_at(service, &self.uri, authorization)
    }

    fn call_at(&self, service: &Service, uri: &str, authorization: Option<&str>) -> Answer {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(authorization.map(|value| ("authorization", value)));
        service.request(
            &self.method,
            uri,
            &headers,
            if self.method == "POST" { b"[]" } else { b"" },
        )
    }

    /// Whether a token of these claims opens it.
    fn is_opened_by(&self, service: &Service, claims: &Claims) -> bool {
        let answer = self.call(service, Some(&format!("Bearer {}", issued(claims))));
        ![401, 403].contains(&answer.status)
    }
}

/// Tokens that open nothing anywhere, with what they are.
fn bad_tokens() -> Vec<(&'static str, String)> {
    let admin = claims(Scope::Admin);
    let good = issued(&admin);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    vec![
        ("garbage", "sesame".to_owned()),
        ("expired", issued(&Claims { exp: now() - 1, ..admin.clone() })),
        ("early", issued(&Claims { nbf: Some(now() + 600), ..admin.clone() })),
        ("of another key", keyring().issue(&admin).unwrap()),
        ("unsigned", format!("{message}.")),
        ("forged", format!("{message}.{flipped}{}", &signature[1..])),
    ]
}

#[test]
fn every_route_but_the_public_ones_needs_a_valid_token() {
    let service = Service::start(closed());
    for route in routes(&service) {
        let name = &route.name;
        let without = route.call(&service, None);
        if route.is_in(&PUBLIC) {
            assert_eq!((without.status, route.scopes.len()), (200, 0), "{name}");
            continue;
        }
        assert_eq!(without.status, 401, "{name}");
        assert_eq!(without.header("www-authenticate"), "Bearer", "{name}");
        for (what, token) in bad_tokens() {
            let refused = route.call(&service, Some(&format!("Bearer {token}")));
            assert_eq!(refused.status, 401, "{name}: {what}");
            let challenge = refused.header("www-authenticate");
            assert_eq!(challenge, "Bearer error=\"invalid_token\"", "{name}: {what}");
        }
        let basic = bearer(Scope::Admin).replace("Bearer", "Basic");
        assert_eq!(route.call(&service, Some(&basic)).status, 401, "{name}");
    }
}

#[test]
fn every_route_needs_its_scope_or_admin() {
    let service = Service::start(closed());
    for route in routes(&service).iter().filter(|route| !route.is_in(&PUBLIC)) {
        for scope in [Scope::Ingest, Scope::Read, Scope::Admin] {
            let opens = scope == route.scope() || scope == Scope::Admin;
            let is_open = route.is_opened_by(&service, &claims(scope));
            assert_eq!(is_open, opens, "{} with {scope}", route.name);
        }
        let needed = route.scope();
        let other = [Scope::Ingest, Scope::Read].into_iter().find(|scope| *scope != needed);
        let refused = route.call(&service, Some(&bearer(other.unwrap())));
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{needed}\"");
        assert_eq!(refused.header("www-authenticate"), challenge, "{}", route.name);
    }
}

#[test]
fn every_route_is_for_the_objects_of_its_token_alone() {
    let service = Service::start(closed());
    let mut whole = Vec::new();
    for route in routes(&service) {
        if route.is_in(&PUBLIC) {
            continue;
        }
        let mut objects = claims(route.scope());
        (objects.classes, objects.projects) =
            (Some([65_535].into()), Some(["of-another".to_owned()].into()));
        let opens = |claims: &Claims| route.is_opened_by(&service, claims);
        assert_eq!(opens(&objects), route.is_in(&OBJECTLESS), "{} of others", route.name);
        // Classes alone open no project, and the other way round.
        objects.projects = None;
        assert_eq!(opens(&objects), route.is_in(&OBJECTLESS), "{} of others", route.name);
        (objects.classes, objects.projects) = (None, Some(BTreeSet::new()));
        assert_eq!(opens(&objects), route.is_in(&OBJECTLESS), "{} of none", route.name);

        // What the description's examples are of.
        (objects.classes, objects.projects) =
            (Some([1].into()), Some(["project-1".to_owned()].into()));
        if !opens(&objects) {
            whole.push(route.name);
        }
    }
    whole.sort();
    assert_eq!(whole, WHOLE, "these routes are closed to tokens of their very objects");
}

#[test]
fn only_routes_that_say_so_take_a_token_from_the_query() {
    let service = Service::start(closed());
    for route in routes(&service).iter().filter(|route| !route.is_in(&PUBLIC)) {
        for name in crate::serve::auth::QUERY_TOKENS {
            let joint = if route.uri.contains('?') { '&' } else { '?' };
            let uri = format!("{}{joint}{name}={}", route.uri, issued(&claims(Scope::Admin)));
            let opens = route.in_query.iter().any(|way| way == name);
            let answer = route.call_at(&service, &uri, None);
            assert_eq!(answer.status != 401, opens, "{} {name}: {}", route.name, answer.text);
        }
    }
}

#[test]
fn a_refusal_says_why() {
    let service = Service::start(closed());
    let refused = |path: &str, authorization: &str| {
        let answer = service.request("GET", path, &[("authorization", authorization)], b"");
        (answer.error(), answer.json()["error"]["message"].as_str().unwrap().to_owned())
    };
    let of = |claims: &Claims| format!("Bearer {}", issued(claims));
    let read = claims(Scope::Read);
    let (unauthorized, forbidden) = (is_error(401, "unauthorized"), is_error(403, "forbidden"));
    for (path, authorization, error, says) in [
        ("/v1/classes", String::new(), &unauthorized, "send it as 'Authorization: Bearer TOKEN'"),
        ("/v1/classes", "Bearer x".to_owned(), &unauthorized, "'velodrome token'"),
        ("/v1/classes", of(&Claims { exp: 1, ..read.clone() }), &unauthorized, "has expired"),
        ("/v1/classes", bearer(Scope::Ingest), &forbidden, "the scope 'read'"),
        (
            "/v1/projects/a",
            of(&Claims { projects: Some(["b".to_owned()].into()), ..read.clone() }),
            &forbidden,
            "not for project 'a'",
        ),
        (
            "/v1/classes/2/leaderboard",
            of(&Claims { classes: Some([1].into()), ..read.clone() }),
            &forbidden,
            "not for class '2'",
        ),
        (
            "/v1/races",
            of(&Claims { classes: Some([1].into()), ..read.clone() }),
            &forbidden,
            "name one of them",
        ),
    ] {
        let (code, message) = refused(path, &authorization);
        assert_eq!(&code, error, "{path}: {message}");
        assert!(message.contains(says), "{message}");
    }
    let class = of(&Claims { classes: Some([1].into()), ..read });
    let headers = [("authorization", &*class)];
    assert_eq!(service.request("GET", "/v1/races?classId=1", &headers, b"").status, 200);
}

#[test]
fn clients_of_firebase_are_refused_as_there() {
    let service = Service::start(closed());
    let projects = Some(["other".to_owned()].into());
    let of_another = issued(&Claims { projects, ..claims(Scope::Read) });
    let tokens = [("none", String::new()), ("of another project", of_another)];
    for (what, token) in tokens.into_iter().chain(bad_tokens()) {
        let answer = service.get(&format!("/project/intro.json?auth={token}"));
        let is_expired = what == "expired";
        let says = if is_expired { "Auth token is expired" } else { "Permission denied" };
        assert_eq!((answer.status, answer.json()), (401, json!({"error": says})), "{what}");
    }
}

#[test]
fn what_nobody_serves_is_told_without_a_token() {
    let service = Service::start(closed());
    assert_eq!(service.get("/v1/nothing").error(), is_error(404, "not_found"));
    let answer = service.request("DELETE", "/v1/classes", &[], b"");
    assert_eq!(answer.error(), is_error(405, "method_not_allowed"));
}

#[test]
fn each_event_is_held_against_the_objects_of_its_token() {
    let service = Service::start(closed());
    let view = |project: &str| {
        format!(
            r#"{{"event":"view","uuid":"u","projectId":"{project}","deviceTimestamp":1620240001114}}"#
        )
    };
    let body = [event(1), view("intro"), view("other"), event(2)].join("\n");
    let post = |claims: &Claims| {
        let authorization = format!("Bearer {}", issued(claims));
        let headers =
            [("content-type", "application/x-ndjson"), ("authorization", &*authorization)];
        service.request("POST", "/v1/events", &headers, body.as_bytes()).json()
    };
    let projects = Some(["intro".to_owned()].into());
    let answer = post(&Claims { projects, ..claims(Scope::Ingest) });
    let verdicts = json!([
        {"index": 0, "error": "the token is not for class '1'"},
        {"index": 2, "error": "the token is not for project 'other'"},
        {"index": 3, "error": "the token is not for class '1'"},
    ]);
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(1), &verdicts));
    assert_eq!(service.logged(), [view("intro")]);
    let is_refusal = |letter: &Value| {
        letter["errorMessage"].as_str().unwrap().starts_with("the token is not for")
    };
    assert_eq!(service.letters().iter().filter(|letter| is_refusal(letter)).count(), 3);

    let classes = Some([1].into());
    let answer = post(&Claims { classes, ..claims(Scope::Ingest) });
    assert_eq!(answer["accepted"], 2);
    assert_eq!(post(&claims(Scope::Ingest))["accepted"], 4);
}

#[test]
fn without_tokens_only_this_machines_user_is_served() {
    let service = Service::start(open());
    let own = format!("http://{}", service.address);
    for route in routes(&service).iter().filter(|route| !route.is_in(&PUBLIC)) {
        for (headers, is_open) in [
            (vec![], true),
            (vec![("origin", &*own)], true),
            (vec![("origin", "https://evil.example")], false),
            (vec![("origin", "null")], false),
            (vec![("host", "evil.example")], false),
        ] {
            let shown = format!("{} {headers:?}", route.name);
            let headers = [&[("content-type", "application/json")][..], &headers].concat();
            let body: &[u8] = if route.method == "POST" { b"[]" } else { b"" };
            let answer = service.request(&route.method, &route.uri, &headers, body);
            let is_refused = [401, 403].contains(&answer.status);
            assert_eq!(!is_refused, is_open, "{shown}: {}", answer.text);
        }
    }
}
