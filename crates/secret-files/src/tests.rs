use std::{fs, os::unix::fs::PermissionsExt, sync::Mutex};

use rcgen::{CertificateParams, KeyPair};

use super::*;

/// Certificate and key, both PEM.
fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["hl7.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn secret(parts: &[(&str, &str)]) -> String {
    let object: serde_json::Map<_, _> =
        parts.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    serde_json::Value::Object(object).to_string()
}

#[test]
fn a_value_that_cannot_be_used_says_why() {
    let ((certificate, key), (_, other)) = (pair(), pair());
    for (text, error) in [
        ("-----BEGIN".to_owned(), ValueError::Shape),
        (secret(&[("ca", &certificate), ("kee", &key)]), ValueError::Shape),
        (secret(&[]), ValueError::Empty),
        (secret(&[("certificate", &certificate)]), ValueError::HalfPair),
        (secret(&[("ca", &certificate), ("key", &key)]), ValueError::HalfPair),
        (secret(&[("ca", &key)]), ValueError::NotPem("ca")),
        (secret(&[("certificate", "x"), ("key", &key)]), ValueError::NotPem("certificate")),
        (secret(&[("certificate", &certificate), ("key", &certificate)]), ValueError::NotPem("key")),
        (secret(&[("certificate", &certificate), ("key", &other)]), ValueError::Mismatch),
    ] {
        assert_eq!(Value::read(&text).unwrap_err(), error);
    }
}

#[test]
fn the_value_is_not_printed() {
    let (certificate, key) = pair();
    let value = Value::read(&secret(&[("certificate", &certificate), ("key", &key)])).unwrap();
    assert_eq!(format!("{value:?}"), "{Key, Certificate}");
}

#[tokio::test(start_paused = true)]
async fn a_new_value_is_written_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        Config { id: "s".into(), directory: folder.path().into(), refresh: Duration::from_secs(300) };
    let ((first, first_key), (second, second_key)) = (pair(), pair());
    let value = |certificate: &str, key: &str| {
        Ok(secret(&[("ca", certificate), ("certificate", certificate), ("key", key)]))
    };
    // In the order in which Secrets Manager answers; then the test is over.
    let answers = Mutex::new(vec![
        Err("AccessDeniedException"),
        value(&first, &first_key),
        value(&second, &first_key),
        value(&second, &second_key),
    ]);
    let (written, shutdown) = (Written::default(), CancellationToken::new());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
    let seen = Mutex::new(Vec::new());
    let fetch = async || {
        seen.lock().unwrap().push((written.check().is_ok(), read("certificate.pem"), read("key.pem")));
        let mut answers = answers.lock().unwrap();
        if answers.is_empty() {
            shutdown.cancel();
            return Err("the test is over");
        }
        answers.remove(0)
    };
    run(&config, fetch, &written, &shutdown).await;
    let old = || (true, Some(first.clone()), Some(first_key.clone()));
    let expected =
        vec![(false, None, None), (false, None, None), old(), old(), (true, Some(second), Some(second_key))];
    assert!(*seen.lock().unwrap() == expected, "the files were not what they should have been");
    let mode = fs::metadata(folder.path().join("key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
}
