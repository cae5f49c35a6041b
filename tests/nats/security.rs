//! Encrypted connections, certificates and keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_nats::ConnectOptions;
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair as TlsKey};
use serde_json::{Value, json};

use crate::common::{Fixture, success};
use crate::replayed;
use crate::server::{NatsServer, ask};
use crate::service::send;
use crate::worker::{Worker, results_with};

/// An authority, a server's and a client's certificate, as PEM files.
struct Certificates {
    authority: PathBuf,
    client: PathBuf,
    client_key: PathBuf,
}

/// An authority of this name, made for the test.
pub fn authority(name: &str) -> CertifiedIssuer<'static, TlsKey> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, TlsKey::generate().unwrap()).unwrap()
}

/// Writes certificate and key of `name` to `folder`.
pub fn issue(folder: &Path, name: &str, issuer: &CertifiedIssuer<'static, TlsKey>) -> (PathBuf, PathBuf) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = TlsKey::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, issuer).unwrap();
    let paths = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    fs::write(&paths.0, certificate.pem()).unwrap();
    private(&paths.1, &key.serialize_pem());
    paths
}

/// Writes what nobody else may read.
pub fn private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn certificates(folder: &Path) -> (Certificates, String) {
    let issuer = authority("trigger");
    let authority = folder.join("ca.pem");
    fs::write(&authority, issuer.pem()).unwrap();
    let (server, server_key) = issue(folder, "server", &issuer);
    let (client, client_key) = issue(folder, "client", &issuer);
    let tls = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: true }}\n",
        server.display(),
        server_key.display(),
        authority.display()
    );
    (Certificates { authority, client, client_key }, tls)
}

/// A user's key pair: the public key, and a file with the seed.
pub fn user(folder: &Path, name: &str) -> (String, PathBuf) {
    let pair = KeyPair::new_user();
    let path = folder.join(format!("{name}.nk"));
    private(&path, &pair.seed().unwrap());
    (pair.public_key(), path)
}

#[test]
fn certificates_and_nkeys_let_in_who_has_them_and_nobody_else() {
    let fixture = Fixture::new(5000);
    let folder = fixture.path("");
    let (files, tls) = certificates(&folder);
    let (public, seed) = user(&folder, "trigger");
    let (_, stranger) = user(&folder, "stranger");
    let server = NatsServer::with(&format!("{tls}authorization {{ users: [ {{ nkey: {public} }} ] }}"));
    let query = |authority: &Path, certificate: bool, seed: &Path| {
        let client = if certificate {
            format!("&cert={}&key={}", files.client.display(), files.client_key.display())
        } else {
            String::new()
        };
        format!("ca={}{client}&nkey={}", authority.display(), seed.display())
    };
    let good = query(&files.authority, true, &seed);
    let url = format!("tls://localhost:{}", server.port);
    success(&mut send(&fixture, &format!("{url}/FRAMES?{good}"), &["--create", "--frame-events", "100"]));
    let source = format!("{url}/FRAMES/trigger?{good}");
    let sink = format!("{url}/RESULTS?{good}");
    let args = ["--source", &source, "--sink", &sink, "--threshold", "100", "--until-end", "1"];
    let (status, log) = Worker::start(&fixture, &args).wait();
    assert!(status.success(), "{log}");
    let options = || {
        ConnectOptions::new()
            .require_tls(true)
            .add_root_certificates(files.authority.clone())
            .add_client_certificate(files.client.clone(), files.client_key.clone())
            .nkey(fs::read_to_string(&seed).unwrap())
    };
    let found = results_with(&url, options(), "RESULTS");
    assert_eq!(found.events(), 5000);
    assert!(found.accepted == replayed(&fixture, "100"));
    ask(&url, options(), |client| async move { client.flush().await.unwrap() });

    let other_authority = folder.join("other-ca.pem");
    fs::write(&other_authority, authority("somebody").pem()).unwrap();
    let open = folder.join("open.nk");
    fs::copy(&seed, &open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    for (what, query, scheme, word) in [
        (
            "a key that the server does not know",
            query(&files.authority, true, &stranger),
            "tls",
            "uthorization",
        ),
        ("no certificate", query(&files.authority, false, &seed), "tls", "ertificate"),
        ("a server of another authority", query(&other_authority, true, &seed), "tls", "ertificate"),
        ("no key at all", format!("ca={}", files.authority.display()), "tls", ""),
        ("a key that others can read", query(&files.authority, true, &open), "tls", "chmod 600"),
        ("no encryption", format!("nkey={}", seed.display()), "nats", "ertificate"),
    ] {
        let to = format!("{scheme}://localhost:{}/FRAMES?{query}", server.port);
        let output = send(&fixture, &to, &[]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        println!("{what}: {text}");
        assert_eq!(output.status.code(), Some(1), "{what}: {text}");
        assert!(text.contains(word) && text.contains("localhost"), "{what}: {text}");
        assert!(!text.contains(fs::read_to_string(&seed).unwrap().as_str()), "no secret in messages");
    }
}

/// A JSON Web Token as `nsc` writes it: `issuer` says about `subject`, a public key, what `nats` has.
fn token(issuer: &KeyPair, subject: &str, name: &str, nats: &Value) -> String {
    let claims = json!({ "jti": name, "iat": 1_700_000_000, "iss": issuer.public_key(), "name": name, "sub": subject, "nats": nats });
    let encoded = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", encoded(&json!({ "typ": "JWT", "alg": "ed25519-nkey" })), encoded(&claims));
    let signature = BASE64URL_NOPAD.encode(&issuer.sign(text.as_bytes()).unwrap());
    format!("{text}.{signature}")
}

/// The file that `nsc generate creds` writes: of a user whom `account` lets in.
fn credentials(folder: &Path, name: &str, account: &KeyPair) -> PathBuf {
    let user = KeyPair::new_user();
    let jwt = token(
        account,
        &user.public_key(),
        name,
        &json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 }),
    );
    let seed = user.seed().unwrap();
    let path = folder.join(format!("{name}.creds"));
    private(
        &path,
        &format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        ),
    );
    path
}

/// A server that trusts an operator, its accounts and their users, as a laboratory's central one would.
#[test]
fn credentials_of_an_account_let_in_its_users_and_nobody_else() {
    let fixture = Fixture::new(5000);
    let folder = fixture.path("");
    let (operator, account, system) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1
    });
    let of_account = |pair: &KeyPair, name: &str, nats: Value| {
        let jwt = token(&operator, &pair.public_key(), name, &nats);
        format!("{}: {jwt}", pair.public_key())
    };
    let trigger = json!({ "type": "account", "version": 2, "limits": limits });
    let server = NatsServer::with(&format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{}\n{}\n}}",
        token(&operator, &operator.public_key(), "laboratory", &json!({ "type": "operator", "version": 2 })),
        system.public_key(),
        of_account(&account, "trigger", trigger),
        of_account(&system, "system", json!({ "type": "account", "version": 2 })),
    ));
    let address = |names: &str, file: &Path| format!("{}/{names}?creds={}", server.url(), file.display());
    let good = credentials(&folder, "worker", &account);
    success(&mut send(&fixture, &address("FRAMES", &good), &["--create", "--frame-events", "100"]));
    let (source, sink) = (address("FRAMES/trigger", &good), address("RESULTS", &good));
    let args = ["--source", &source, "--sink", &sink, "--threshold", "100", "--until-end", "1"];
    let (status, log) = Worker::start(&fixture, &args).wait();
    assert!(status.success(), "{log}");
    let text = fs::read_to_string(&good).unwrap();
    let found = results_with(&server.url(), ConnectOptions::with_credentials(&text).unwrap(), "RESULTS");
    assert_eq!(found.events(), 5000);
    assert!(found.accepted == replayed(&fixture, "100"));

    let stranger = credentials(&folder, "stranger", &KeyPair::new_account());
    let (open, empty) = (folder.join("open.creds"), folder.join("empty.creds"));
    fs::copy(&good, &open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o640)).unwrap();
    private(&empty, "no credentials\n");
    for (what, file, word) in [
        ("a user of an account that the server does not know", &stranger, "uthorization"),
        ("credentials that others can read", &open, "chmod 600"),
        ("a file without any", &empty, "empty.creds"),
        ("no file", &folder.join("none.creds"), "none.creds"),
    ] {
        let output = send(&fixture, &address("FRAMES", file), &[]).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        println!("{what}: {told}");
        assert_eq!(output.status.code(), Some(1), "{what}: {told}");
        assert!(told.contains(word) && told.contains("127.0.0.1"), "{what}: {told}");
        assert!(!text.lines().any(|line| line.len() > 40 && told.contains(line)), "no secret in messages");
    }
}
