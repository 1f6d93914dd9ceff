//! Keys in all their forms, and tokens that are and are not theirs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};

use super::*;

/// As `openssl genpkey -algorithm ed25519` wrote it, and `openssl pkey -pubout` of it.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIGIP9+Lh4YHbddkBheB+Jj1eQWCB4UpAB4hXWRYAoRR8\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAk2mKqWUbKZcSY5s0jy3rQg3AxXnLvoBCwpiE8kzvrIM=\n-----END PUBLIC KEY-----\n";
const NOW: u64 = 1_800_000_000;

fn keyring(pem: &str) -> Keyring {
    Keyring::from_pem(pem.as_bytes(), "the text").unwrap()
}

/// A new key's PEM.
fn another() -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    new_key(&path).unwrap();
    fs::read_to_string(path).unwrap()
}

fn claims() -> Claims {
    Claims::new([Scope::Read].into_iter().collect(), NOW, NOW + 60)
}

/// A token of any header and claims, which [`PRIVATE`] signed.
fn signed(header: &Value, claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let ring = keyring(PRIVATE);
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), key_of(&ring), Algorithm::EdDSA).unwrap();
    format!("{message}.{signature}")
}

fn key_of(ring: &Keyring) -> &EncodingKey {
    ring.signing().unwrap().1
}

fn id_of(ring: &Keyring) -> &str {
    ring.signing().unwrap().0
}

#[test]
fn a_token_says_what_it_was_issued_with() {
    let ring = keyring(PRIVATE);
    let all = Claims {
        sub: Some("dashboard".to_owned()),
        classes: Some([1, 65_535].into()),
        projects: Some(["a b,ü".to_owned()].into()),
        ..Claims::new([Scope::Read, Scope::Ingest].into_iter().collect(), NOW, NOW + 60)
    };
    for claims in [claims(), all] {
        let token = ring.issue(&claims).unwrap();
        assert_eq!(ring.verify(&token, NOW), Ok(claims));
    }
    let header = jsonwebtoken::decode_header(ring.issue(&claims()).unwrap()).unwrap();
    assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::EdDSA, Some(id_of(&ring))));
}

#[test]
fn a_token_is_as_it_is_written_down() {
    let claims = serde_json::to_value(claims()).unwrap();
    let expected = json!({"iss": "velodrome", "scope": "read", "iat": NOW, "exp": NOW + 60});
    assert_eq!(claims, expected);
    let scopes = |text: &str| Scopes::from(text.to_owned());
    assert_eq!(scopes("read other ingest"), [Scope::Ingest, Scope::Read].into_iter().collect());
}

#[test]
fn scopes_open_what_they_name_and_admin_all() {
    use Scope::{Admin, Ingest, Read};
    for (scopes, opened) in [
        (vec![Ingest], vec![Ingest]),
        (vec![Read], vec![Read]),
        (vec![Ingest, Read], vec![Ingest, Read]),
        (vec![Admin], vec![Ingest, Read, Admin]),
        (vec![], vec![]),
    ] {
        let scopes: Scopes = scopes.into_iter().collect();
        let open = [Ingest, Read, Admin].into_iter().filter(|scope| scopes.open(*scope));
        assert_eq!(open.collect::<Vec<_>>(), opened, "{scopes:?}");
    }
}

#[test]
fn a_token_is_valid_until_it_ends_and_from_its_beginning_on() {
    let ring = keyring(PRIVATE);
    let token = ring.issue(&claims()).unwrap();
    assert!(ring.verify(&token, NOW + 59).is_ok());
    assert_eq!(ring.verify(&token, NOW + 60), Err(TokenError::Expired));
    let early = ring.issue(&Claims { nbf: Some(NOW), ..claims() }).unwrap();
    assert!(ring.verify(&early, NOW - 5).is_ok());
    assert_eq!(ring.verify(&early, NOW - 6), Err(TokenError::Early));
}

#[test]
fn every_key_verifies_the_last_private_one_signs() {
    let [first, second] = [PRIVATE.to_owned(), another()];
    let both = keyring(&[&first[..], &second].concat());
    let token = both.issue(&claims()).unwrap();
    assert!(keyring(&second).verify(&token, NOW).is_ok());
    assert_eq!(keyring(&first).verify(&token, NOW), Err(TokenError::UnknownKey));
    let old = keyring(&first).issue(&claims()).unwrap();
    assert!(both.verify(&old, NOW).is_ok());
    // A public key behind them verifies alone.
    let with_public = keyring(&[&second[..], PUBLIC].concat());
    assert!(with_public.verify(&old, NOW).is_ok());
    assert!(keyring(&second).verify(&with_public.issue(&claims()).unwrap(), NOW).is_ok());
    assert!(matches!(keyring(PUBLIC).issue(&claims()), Err(KeyError::Private)));
}

#[test]
fn keys_of_both_versions_of_pkcs_8_are_read() {
    let random = ring::rand::SystemRandom::new();
    let der = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let (line, rest) = text.split_at(64);
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\r\n{line}\r\n{rest}\r\n-----END PRIVATE KEY-----\r\n");
    let ring = keyring(&pem);
    assert!(ring.verify(&ring.issue(&claims()).unwrap(), NOW).is_ok());
}

#[test]
fn a_token_that_was_changed_or_made_up_is_refused() {
    let ring = keyring(PRIVATE);
    let (header, body) = (json!({"alg": "EdDSA", "kid": id_of(&ring)}), json!(claims()));
    assert!(ring.verify(&signed(&header, &body), NOW).is_ok());
    let with = |claim: &str, value: Value| {
        let mut body = body.clone();
        body[claim] = value;
        signed(&header, &body)
    };
    let without = |claim: &str| {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove(claim);
        signed(&header, &body)
    };
    for token in [
        without("exp"),
        without("iss"),
        without("scope"),
        with("exp", json!("2100")),
        with("exp", json!(-1)),
        with("exp", Value::Null),
        with("iss", json!("another")),
        with("aud", json!("another")),
        with("scope", json!(["admin"])),
        with("classes", json!(1)),
        with("classes", json!([70_000])),
    ] {
        assert_eq!(ring.verify(&token, NOW), Err(TokenError::Malformed), "{token}");
    }
    let token = ring.issue(&claims()).unwrap();
    let mut parts: Vec<_> = token.split('.').map(str::to_owned).collect();
    let admin = Claims::new([Scope::Admin].into_iter().collect(), NOW, NOW + 60);
    parts[1] = URL_SAFE_NO_PAD.encode(json!(admin).to_string());
    assert_eq!(ring.verify(&parts.join("."), NOW), Err(TokenError::Forged));
    parts[2].clear();
    assert_eq!(ring.verify(&parts.join("."), NOW), Err(TokenError::Forged));
    for token in ["", "..", "a.b.c", &token[1..], &format!("{token}.{token}")] {
        assert_eq!(ring.verify(token, NOW), Err(TokenError::Malformed), "{token}");
    }
}

#[test]
fn no_other_algorithm_and_no_other_key_is_believed() {
    let ring = keyring(PRIVATE);
    let body = URL_SAFE_NO_PAD.encode(json!(claims()).to_string());
    let unsigned = |alg: &str| {
        let header = json!({"alg": alg, "kid": id_of(&ring)});
        format!("{}.{body}", URL_SAFE_NO_PAD.encode(header.to_string()))
    };
    // The public key, which everybody may know, as a secret.
    let mac = |secret: &[u8]| {
        let message = unsigned("HS256");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let line = PUBLIC.lines().nth(1).unwrap();
    let spki = base64::engine::general_purpose::STANDARD.decode(line).unwrap();
    for token in [
        format!("{}.", unsigned("none")),
        format!("{}.", unsigned("EdDSA").replace("EdDSA", "none")),
        mac(PUBLIC.as_bytes()),
        mac(&spki),
        mac(&spki[12..]),
        format!("{}.AAAA", unsigned("ES256")),
    ] {
        let refused = ring.verify(&token, NOW).unwrap_err();
        assert!([TokenError::Malformed, TokenError::Forged].contains(&refused), "{token}");
    }
    // Another key under the id of ours, and ours under no id or another one.
    let stranger = keyring(&another());
    let header = Header { kid: Some(id_of(&ring).to_owned()), ..Header::new(Algorithm::EdDSA) };
    let forged = jsonwebtoken::encode(&header, &claims(), key_of(&stranger)).unwrap();
    assert_eq!(ring.verify(&forged, NOW), Err(TokenError::Forged));
    for header in [json!({"alg": "EdDSA"}), json!({"alg": "EdDSA", "kid": id_of(&stranger)})] {
        let token = signed(&header, &json!(claims()));
        assert_eq!(ring.verify(&token, NOW), Err(TokenError::UnknownKey), "{header}");
    }
}

#[test]
fn a_new_key_is_its_owners_alone_and_replaces_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let id = new_key(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let ring = Keyring::from_file(&path).unwrap();
    assert_eq!(id, id_of(&ring));
    let before = fs::read(&path).unwrap();
    let refused = new_key(&path).unwrap_err().to_string();
    assert!(refused.contains(path.to_str().unwrap()), "{refused}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_private_key_that_others_can_open_is_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    for (pem, mode, is_taken) in [
        (PRIVATE, 0o600, true),
        (PRIVATE, 0o400, true),
        (PRIVATE, 0o640, false),
        (PRIVATE, 0o602, false),
        (PUBLIC, 0o644, true),
    ] {
        fs::write(&path, pem).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let read = Keyring::from_file(&path);
        assert_eq!(read.is_ok(), is_taken, "{mode:o}");
        if let Err(error) = read {
            let message = error.to_string();
            assert!(message.contains(&format!("chmod 600 {}", path.display())), "{message}");
        }
        fs::remove_file(&path).unwrap();
    }
    assert!(matches!(Keyring::from_file(&path), Err(KeyError::Read { .. })));
}

#[test]
fn what_is_no_key_is_refused_and_no_key_is_shown() {
    let secret = PRIVATE.lines().nth(1).unwrap();
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let truncated = PRIVATE.replace(&secret[30..], "");
    for (pem, says) in [
        ("", "has no key"),
        (&PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE"), "has no key"),
        (&PRIVATE.replace('\n', " "), "is no PEM"),
        (&PRIVATE[..50], "is no PEM"),
        (&PRIVATE.replace("MC", "M!"), "is no PEM"),
        (rsa, "block 1 of the text is no Ed25519"),
        (&format!("{PRIVATE}{rsa}"), "block 2 of the text is no Ed25519"),
        (&truncated, "block 1 of the text is no Ed25519"),
        (&PUBLIC.replace("AyEA", "AyEB"), "block 1 of the text is no Ed25519"),
    ] {
        let error = Keyring::from_pem(pem.as_bytes(), "the text").unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains(says), "{pem}: {shown}");
        assert!(!shown.contains(&secret[24..30]), "{shown}");
    }
    let shown = format!("{:?}", keyring(PRIVATE));
    assert!(!shown.contains(&secret[24..30]), "{shown}");
}

proptest! {
    #[test]
    fn no_text_is_taken_for_a_token_or_panics(
        token in prop_oneof!["[A-Za-z0-9_.-]{0,80}", ".{0,40}", Just(signed(&json!({}), &json!({})))],
        now in any::<u64>(),
    ) {
        prop_assert!(keyring(PRIVATE).verify(&token, now).is_err());
    }

    #[test]
    fn no_text_of_keys_panics(text in prop::collection::vec(any::<u8>(), 0..200), at in 0..119usize) {
        _ = Keyring::from_pem(&text, "the text");
        let mut pem = PRIVATE.as_bytes().to_vec();
        pem.splice(at..at, text);
        _ = Keyring::from_pem(&pem, "the text");
    }
}
