//! Credentials from profiles, as AWS's own tools find them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::fake_s3::{Call, FakeS3, page};
use crate::run::{Exit, Workplace, view};

/// The path of the call that exchanges a login for credentials.
const PORTAL: &str = "federation/credentials";

/// The response of SSO's portal.
fn portal(call: &Call) -> Response {
    match call.headers["x-amz-sso_bearer_token"] == "logged-in" {
        true => Json(json!({
            "roleCredentials": {
                "accessKeyId": "FROMSSO", "secretAccessKey": "secret", "sessionToken": "token",
                "expiration": 4_070_908_800_000_u64,
            },
        }))
        .into_response(),
        false => {
            let error = [("x-amzn-errortype", "UnauthorizedException")];
            let message = Json(json!({ "message": "Session token not found or invalid" }));
            (StatusCode::UNAUTHORIZED, error, message).into_response()
        }
    }
}

/// Replays a bucket with one object, with this profile file and without credentials in the environment.
/// Returns the access keys of the calls, too.
fn replay(place: &Workplace, profile: &str, variables: &[(&str, &str)]) -> (Exit, Vec<String>) {
    let text = view(1, "a");
    let server = FakeS3::start(move |call, _| match &call.key[..] {
        "" => page(&[("a", "1", text.len())], None),
        PORTAL => portal(call),
        _ => call.object("1", text.as_bytes(), true),
    });
    place.write("config", profile);
    let (config, home) = (place.path("config"), place.path("home"));
    let common = [
        ("AWS_CONFIG_FILE", config.to_str().unwrap()),
        ("HOME", home.to_str().unwrap()),
        ("AWS_PROFILE", "races"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        server.endpoint(),
        ("AWS_ENDPOINT_URL_SSO", server.endpoint().1),
    ];
    let variables = [&common[..], variables].concat();
    let ended = place.run_with("replay s3://races --out out", &variables, b"");
    let calls = server.calls();
    let signed = calls.iter().filter(|call| call.key != PORTAL);
    (ended, signed.map(|call| call.access_key()).collect())
}

#[test]
fn a_profile_gets_credentials_from_a_process() {
    let place = Workplace::new();
    let output = json!({
        "Version": 1, "AccessKeyId": "FROMSCRIPT", "SecretAccessKey": "secret", "SessionToken": "token",
        "Expiration": "2099-01-01T00:00:00Z",
    });
    let script = format!("#!/bin/sh\n[ \"$1\" = 'for races' ] && echo '{output}'\n");
    place.write("script", script);
    let path = place.path("script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = path.display();
    let profile =
        format!("[profile races]\nregion = us-east-1\ncredential_process = {path} \"for races\"\n");
    let (ended, keys) = replay(&place, &profile, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert_eq!(place.json("out/summary.json")["events"], 1);
    assert!(keys.len() > 1 && keys.iter().all(|key| key == "FROMSCRIPT"), "{keys:?}");

    let profile = format!("[profile races]\nregion = us-east-1\ncredential_process = {path} no\n");
    let (ended, _) = replay(&place, &profile, &[]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{}", ended.stderr);
    let cause = "no AWS credentials: an error occurred while loading credentials: Error retrieving";
    assert!(ended.stderr.contains(cause), "{}", ended.stderr);
    assert!(ended.stderr.contains("exit status: 1"), "{}", ended.stderr);
}

const SSO: &str = "\
[profile races]
region = us-east-1
sso_session = company
sso_account_id = 123456789012
sso_role_name = reader
[sso-session company]
sso_region = us-east-1
sso_start_url = https://company.awsapps.com/start
sso_registration_scopes = sso:account:access
";

/// The file with the login of the session `company`; its name is the session's SHA-1.
const LOGIN: &str = "home/.aws/sso/cache/71b21161ffa1e6516bcc072aaf5ef38cbe85b511.json";

#[test]
fn a_profile_gets_credentials_from_sso_after_a_login() {
    let place = Workplace::new();
    let expect_error = |cause: &str| {
        let (ended, keys) = replay(&place, SSO, &[]);
        assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{}", ended.stderr);
        let begin = "velodrome: cannot use 's3://races/': no AWS credentials: ";
        assert!(ended.stderr.starts_with(begin), "{}", ended.stderr);
        assert!(ended.stderr.ends_with("; run aws sso login\n"), "{}", ended.stderr);
        assert!(ended.stderr.contains(cause), "{}", ended.stderr);
        assert!(keys.is_empty());
    };
    expect_error("failed to load the cached SSO token");
    let login = |token: &str, expiry: &str| {
        place.write(LOGIN, json!({ "accessToken": token, "expiresAt": expiry }).to_string());
    };
    login("logged-in", "2021-01-01T00:00:00Z");
    expect_error("expired");
    login("logged-out", "2099-01-01T00:00:00Z");
    expect_error("Session token not found or invalid");
    login("logged-in", "2099-01-01T00:00:00Z");
    let (ended, keys) = replay(&place, SSO, &[]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(keys.len() > 1 && keys.iter().all(|key| key == "FROMSSO"), "{keys:?}");
}
