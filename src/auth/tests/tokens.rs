//! Issuing and verifying tokens.

use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::Header;
use proptest::prelude::*;
use ring::hmac;
use serde_json::json;

use super::*;

#[test]
fn verify_returns_the_claims_of_issue() {
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
    assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::EdDSA, Some(&*id_of(&ring))));
}

#[test]
fn the_format_of_claims_is_stable() {
    let claims = serde_json::to_value(claims()).unwrap();
    let expected = json!({"iss": "velodrome", "scope": "read", "iat": NOW, "exp": NOW + 60});
    assert_eq!(claims, expected);
    let scopes = |text: &str| Scopes::from(text.to_owned());
    assert_eq!(scopes("read other ingest"), [Scope::Ingest, Scope::Read].into_iter().collect());
}

#[test]
fn scopes_permit_themselves_and_admin_permits_all() {
    use Scope::{Admin, Ingest, Read};
    for (scopes, opened) in [
        (vec![Ingest], vec![Ingest]),
        (vec![Read], vec![Read]),
        (vec![Ingest, Read], vec![Ingest, Read]),
        (vec![Admin], vec![Ingest, Read, Admin]),
        (vec![], vec![]),
    ] {
        let scopes: Scopes = scopes.into_iter().collect();
        let open = [Ingest, Read, Admin].into_iter().filter(|scope| scopes.allow(*scope));
        assert_eq!(open.collect::<Vec<_>>(), opened, "{scopes:?}");
    }
}

#[test]
fn a_token_is_valid_from_nbf_until_exp() {
    let ring = keyring(PRIVATE);
    let token = ring.issue(&claims()).unwrap();
    assert!(ring.verify(&token, NOW + 59).is_ok());
    assert_eq!(ring.verify(&token, NOW + 60), Err(TokenError::Expired));
    let early = ring.issue(&Claims { nbf: Some(NOW), ..claims() }).unwrap();
    assert!(ring.verify(&early, NOW - 5).is_ok());
    assert_eq!(ring.verify(&early, NOW - 6), Err(TokenError::Early));
}

#[test]
fn other_issuers_may_omit_iat_and_give_fractions_of_seconds() {
    let ring = keyring(PRIVATE);
    let header = json!({"alg": "EdDSA", "kid": id_of(&ring)});
    let exp = NOW as f64 + 9.5;
    let token = signed(
        &header,
        &json!({"iss": "velodrome", "scope": "read", "nbf": NOW as f64 - 0.5, "exp": exp}),
    );
    let expected = Claims { iat: None, nbf: Some(NOW), ..Claims::new(claims().scope, 0, NOW + 10) };
    assert_eq!(ring.verify(&token, NOW + 9), Ok(expected));
    assert_eq!(ring.verify(&token, NOW + 10), Err(TokenError::Expired));
    let iat = json!({"iss": "velodrome", "scope": "read", "iat": 0.25, "exp": exp, "jti": "x"});
    assert_eq!(ring.verify(&signed(&header, &iat), NOW).unwrap().iat, Some(1));
}

#[test]
fn rejects_tokens_that_were_changed_or_forged() {
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
    for claim in ["exp", "iss", "scope"] {
        assert_eq!(ring.verify(&without(claim), NOW), Err(TokenError::Missing(claim)));
        assert_eq!(ring.verify(&with(claim, Value::Null), NOW), Err(TokenError::Missing(claim)));
    }
    for (claim, value) in [
        ("exp", json!("2100")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("nbf", json!(true)),
        ("iat", json!("now")),
        ("iss", json!("another")),
        ("aud", json!("another")),
        ("sub", json!(7)),
        ("scope", json!(["admin"])),
        ("classes", json!(1)),
        ("classes", json!([70_000])),
        ("projects", json!([1])),
    ] {
        let error = ring.verify(&with(claim, value.clone()), NOW).unwrap_err();
        assert!(matches!(error, TokenError::Wrong(wrong, _) if wrong == claim), "{claim} {value}");
        assert!(error.to_string().contains(&format!("'{claim}'")), "{error}");
    }
    let critical = json!({"alg": "EdDSA", "kid": id_of(&ring), "crit": ["b64"], "b64": "x"});
    assert_eq!(ring.verify(&signed(&critical, &body), NOW), Err(TokenError::Critical));
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
fn rejects_other_algorithms_and_other_keys() {
    let ring = keyring(PRIVATE);
    let body = URL_SAFE_NO_PAD.encode(json!(claims()).to_string());
    let unsigned = |alg: &str| {
        let header = json!({"alg": alg, "kid": id_of(&ring)});
        format!("{}.{body}", URL_SAFE_NO_PAD.encode(header.to_string()))
    };
    // The public key, which anyone may know, used as a secret.
    let mac = |secret: &[u8]| {
        let message = unsigned("HS256");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    };
    let line = PUBLIC.lines().nth(1).unwrap();
    let spki = STANDARD.decode(line).unwrap();
    for token in [
        format!("{}.", unsigned("none")),
        format!("{}.", unsigned("EdDSA").replace("EdDSA", "none")),
        mac(PUBLIC.as_bytes()),
        mac(&spki),
        mac(&spki[12..]),
        format!("{}.AAAA", unsigned("ES256")),
    ] {
        let error = ring.verify(&token, NOW).unwrap_err();
        assert!([TokenError::Malformed, TokenError::Forged].contains(&error), "{token}");
    }
    // A token of another key with the id of this one, and tokens of this key with no id or another id.
    let stranger = keyring(&new_pem());
    let header = Header { kid: Some(id_of(&ring)), ..Header::new(Algorithm::EdDSA) };
    let forged = jsonwebtoken::encode(&header, &claims(), &key_of(&stranger)).unwrap();
    assert_eq!(ring.verify(&forged, NOW), Err(TokenError::Forged));
    for header in [json!({"alg": "EdDSA"}), json!({"alg": "EdDSA", "kid": id_of(&stranger)})] {
        let token = signed(&header, &json!(claims()));
        assert_eq!(ring.verify(&token, NOW), Err(TokenError::UnknownKey), "{header}");
    }
}

proptest! {
    #[test]
    fn no_other_text_is_a_valid_token_or_panics(
        token in prop_oneof!["[A-Za-z0-9_.-]{0,80}", ".{0,40}", Just(signed(&json!({}), &json!({})))],
        now in any::<u64>(),
    ) {
        prop_assert!(keyring(PRIVATE).verify(&token, now).is_err());
    }
}
