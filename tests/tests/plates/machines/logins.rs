//! Queues that ask who is there: TLS, tokens, passwords and credentials files, of a real server.

use std::{fs, path::Path, process::Command};

use data_encoding::BASE64URL_NOPAD;
use framerill_tests::skip;
use nkeys::KeyPair;
use serde_json::{Value, json};

use super::nats::Nats;
use crate::scene::{Ended, Scene};

/// A doctor's word on a queue, as JSON.
fn asked(scene: &Scene, url: &str, more: &[&str]) -> Ended {
    let mut args = vec!["status", "--json", "--queue", url];
    args.extend(more);
    scene.plates(&args)
}

fn lets_in(scene: &Scene, url: &str, more: &[&str]) {
    let ended = asked(scene, url, more);
    assert_eq!(ended.code, Some(0), "{url}: {}", ended.stderr);
    assert_eq!(ended.json()["in_queue"], json!(0), "{url}");
}

/// Refused within the start's patience, with a sentence that has one of `words` and none of the secrets.
fn keeps_out(scene: &Scene, url: &str, more: &[&str], words: &[&str]) {
    let ended = asked(scene, url, more);
    assert_eq!(ended.code, Some(3), "{url}: {}", ended.stderr);
    let has = |it: &&str| ended.stderr.to_lowercase().contains(it);
    assert!(words.iter().any(has), "{url}: {}", ended.stderr);
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
}

#[test]
fn a_token_opens_a_queue_and_another_one_does_not() {
    let Some(nats) = Nats::start_with("authorization { token: \"secret-token\" }\n") else {
        return;
    };
    let scene = Scene::new();
    lets_in(&scene, &nats.url_for("nats", "secret-token@"), &[]);
    for login in ["secret-other@", ""] {
        let url = nats.url_for("nats", login);
        keeps_out(&scene, &url, &[], &["authorization", "login"]);
    }
}

#[test]
fn a_password_opens_a_queue_and_another_one_does_not() {
    let users = "authorization { users: [{ user: cars, password: \"secret:/@word\" }] }\n";
    let Some(nats) = Nats::start_with(users) else {
        return;
    };
    let scene = Scene::new();
    let url = nats.url_for("nats", "cars:secret%3A%2F%40word@");
    lets_in(&scene, &url, &[]);
    let url = nats.url_for("nats", "cars:secret-other@");
    keeps_out(&scene, &url, &[], &["authorization", "login"]);
}

#[test]
fn over_tls_a_queue_is_trusted_by_the_authority_that_is_named_and_by_no_other() {
    let scene = Scene::new();
    if !certify(&scene, "server") || !certify(&scene, "other") {
        return skip("no openssl");
    }
    let file = |name: &str| scene.path(name).display().to_string();
    let configuration = format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", timeout: 5 }}\n",
        file("server.pem"),
        file("server.key"),
    );
    let Some(nats) = Nats::start_with(&configuration) else {
        return;
    };
    let ours = ["--queue-ca", &file("server.ca.pem")];
    lets_in(&scene, &nats.url_for("tls", ""), &ours);
    // An authority that is named is one that has to be asked, whatever the scheme says.
    lets_in(&scene, &nats.url(), &ours);
    let words = ["certificate", "tls"];
    keeps_out(&scene, &nats.url_for("tls", ""), &[], &words);
    let other = ["--queue-ca", &file("other.ca.pem")];
    keeps_out(&scene, &nats.url_for("tls", ""), &other, &words);
    let none = ["--queue-ca", &file("none.pem")];
    keeps_out(&scene, &nats.url_for("tls", ""), &none, &["none.pem"]);
}

/// An authority, and a certificate of loopback from it; none without `openssl`.
fn certify(scene: &Scene, name: &str) -> bool {
    let file = |end: &str| scene.path(&format!("{name}{end}")).display().to_string();
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl").args(args).output();
        done.is_ok_and(|it| it.status.success())
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
    ];
    let authority = file(".ca.key");
    let [ca, request, pem, private] = [".ca.pem", ".csr", ".pem", ".key"].map(file);
    let mut of_authority = vec![
        "req",
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=framerill test CA",
    ];
    of_authority.extend(key);
    of_authority.extend([&authority[..], "-out", &ca]);
    let mut of_server = vec!["req", "-new", "-subj", "/CN=framerill test"];
    of_server.extend(["-addext", "subjectAltName=IP:127.0.0.1"]);
    of_server.extend(key);
    of_server.extend([&private[..], "-out", &request]);
    let signed = [
        "x509", "-req", "-in", &request, "-CA", &ca, "-CAkey", &authority,
    ];
    let more = [
        "-CAcreateserial",
        "-days",
        "2",
        "-copy_extensions",
        "copy",
        "-out",
        &pem,
    ];
    openssl(&of_authority) && openssl(&of_server) && openssl(&[&signed[..], &more].concat())
}

#[test]
fn a_credentials_file_opens_a_queue_and_one_of_a_stranger_does_not() {
    let [operator, system, account, user, stranger] = [
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_account(),
        KeyPair::new_user(),
        KeyPair::new_account(),
    ];
    let none = json!({"subs": -1, "data": -1, "payload": -1});
    let mut limits = json!({
        "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
        "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1,
    });
    merge(&mut limits, &none);
    let of_account = json!({"type": "account", "version": 2, "limits": limits});
    let mut of_user = json!({"type": "user", "version": 2});
    merge(&mut of_user, &none);
    let of_operator = json!({
        "type": "operator", "version": 2, "system_account": system.public_key(),
    });
    let mut of_system = of_account.clone();
    for storage in ["mem_storage", "disk_storage", "streams", "consumer"] {
        of_system["limits"][storage] = json!(0);
    }
    let configuration = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{ {}: {}\n {}: {} }}\n",
        claim(&operator, &operator, &of_operator),
        system.public_key(),
        system.public_key(),
        claim(&operator, &system, &of_system),
        account.public_key(),
        claim(&operator, &account, &of_account),
    );
    let Some(nats) = Nats::start_with(&configuration) else {
        return;
    };
    let scene = Scene::new();
    for (name, signer) in [("ours.creds", &account), ("theirs.creds", &stranger)] {
        let jwt = claim(signer, &user, &of_user);
        keep(&scene.path(name), &jwt, &user);
    }
    let file = |name: &str| scene.path(name).display().to_string();
    let words = ["authorization", "login", "credentials"];
    lets_in(&scene, &nats.url(), &["--queue-creds", &file("ours.creds")]);
    let theirs = file("theirs.creds");
    keeps_out(&scene, &nats.url(), &["--queue-creds", &theirs], &words);
    keeps_out(&scene, &nats.url(), &[], &words);
    fs::write(scene.path("none.creds"), "secret").expect("a file");
    let none = file("none.creds");
    keeps_out(
        &scene,
        &nats.url(),
        &["--queue-creds", &none],
        &["none.creds"],
    );
}

fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().expect("a map") {
        into[name] = value.clone();
    }
}

/// What `signer` says of `subject`, in the form of NATS 2.
fn claim(signer: &KeyPair, subject: &KeyPair, nats: &Value) -> String {
    let part = |it: &Value| BASE64URL_NOPAD.encode(it.to_string().as_bytes());
    let head = part(&json!({"typ": "JWT", "alg": "ed25519-nkey"}));
    let body = part(&json!({
        "jti": subject.public_key(), "iat": 1_700_000_000, "iss": signer.public_key(),
        "name": "framerill test", "sub": subject.public_key(), "nats": nats,
    }));
    let said = format!("{head}.{body}");
    let signature = signer.sign(said.as_bytes()).expect("it has its seed");
    format!("{said}.{}", BASE64URL_NOPAD.encode(&signature))
}

fn keep(path: &Path, jwt: &str, user: &KeyPair) {
    let seed = user.seed().expect("it has its seed");
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
         -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    );
    fs::write(path, text).expect("a file");
}
