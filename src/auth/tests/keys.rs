//! Parsing and creating keys.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;

#[test]
fn all_keys_verify_and_the_last_private_key_signs() {
    let [first, second] = [PRIVATE.to_owned(), new_pem()];
    let both = keyring(&[&first[..], &second].concat());
    let token = both.issue(&claims()).unwrap();
    assert!(keyring(&second).verify(&token, NOW).is_ok());
    assert_eq!(keyring(&first).verify(&token, NOW), Err(TokenError::UnknownKey));
    let old = keyring(&first).issue(&claims()).unwrap();
    assert!(both.verify(&old, NOW).is_ok());
    // A public key at the end only verifies.
    let with_public = keyring(&[&second[..], PUBLIC].concat());
    assert!(with_public.verify(&old, NOW).is_ok());
    assert!(keyring(&second).verify(&with_public.issue(&claims()).unwrap(), NOW).is_ok());
    assert!(matches!(keyring(PUBLIC).issue(&claims()), Err(KeyError::Private)));
}

#[test]
fn parses_both_versions_of_pkcs_8() {
    let random = ring::rand::SystemRandom::new();
    let der = ring::signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    let text = STANDARD.encode(der);
    let (line, rest) = text.split_at(64);
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\r\n{line}\r\n{rest}\r\n-----END PRIVATE KEY-----\r\n");
    let ring = keyring(&pem);
    assert!(ring.verify(&ring.issue(&claims()).unwrap(), NOW).is_ok());
}

#[test]
fn a_new_key_is_private_to_its_owner_and_replaces_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    let id = create_key(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let ring = Keyring::from_file(&path).unwrap();
    assert_eq!(id, id_of(&ring));
    let before = fs::read(&path).unwrap();
    let error = create_key(&path).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn rejects_a_private_key_that_other_users_can_access() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    for (pem, mode, is_accepted) in [
        (PRIVATE, 0o600, true),
        (PRIVATE, 0o400, true),
        (PRIVATE, 0o640, false),
        (PRIVATE, 0o602, false),
        (PUBLIC, 0o644, true),
    ] {
        fs::write(&path, pem).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let read = Keyring::from_file(&path);
        assert_eq!(read.is_ok(), is_accepted, "{mode:o}");
        if let Err(error) = read {
            let message = error.to_string();
            assert!(message.contains(&format!("chmod 600 {}", path.display())), "{message}");
        }
        fs::remove_file(&path).unwrap();
    }
    assert!(matches!(Keyring::from_file(&path), Err(KeyError::Read { .. })));
}

#[test]
fn errors_of_invalid_keys_contain_no_part_of_the_key() {
    let secret = PRIVATE.lines().nth(1).unwrap();
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let truncated = PRIVATE.replace(&secret[30..], "");
    for (pem, says) in [
        ("", "contains no key"),
        (&PRIVATE.replace("PRIVATE", "ENCRYPTED PRIVATE"), "contains no key"),
        (&PRIVATE.replace('\n', " "), "is not PEM"),
        (&PRIVATE[..50], "is not PEM"),
        (&PRIVATE.replace("MC", "M!"), "is not PEM"),
        (rsa, "block 1 of the text is not an Ed25519"),
        (&format!("{PRIVATE}{rsa}"), "block 2 of the text is not an Ed25519"),
        (&truncated, "block 1 of the text is not an Ed25519"),
        (&PUBLIC.replace("AyEA", "AyEB"), "block 1 of the text is not an Ed25519"),
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
    fn parsing_keys_never_panics(text in prop::collection::vec(any::<u8>(), 0..200), at in 0..119usize) {
        _ = Keyring::from_pem(&text, "the text");
        let mut pem = PRIVATE.as_bytes().to_vec();
        pem.splice(at..at, text);
        _ = Keyring::from_pem(&pem, "the text");
    }
}
