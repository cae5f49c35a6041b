//! Encrypted connections, certificates and keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_nats::ConnectOptions;
use nkeys::KeyPair;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair as TlsKey};

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

fn authority(name: &str) -> CertifiedIssuer<'static, TlsKey> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, TlsKey::generate().unwrap()).unwrap()
}

/// Writes certificate and key of `name` to `folder`.
fn issue(folder: &Path, name: &str, issuer: &CertifiedIssuer<'static, TlsKey>) -> (PathBuf, PathBuf) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let key = TlsKey::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, issuer).unwrap();
    let paths = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
    fs::write(&paths.0, certificate.pem()).unwrap();
    private(&paths.1, &key.serialize_pem());
    paths
}

fn private(path: &Path, text: &str) {
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
fn user(folder: &Path, name: &str) -> (String, PathBuf) {
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
