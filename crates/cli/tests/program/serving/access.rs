//! Who is let in.

use std::fs;
use std::process::Command;

use efficientad_testing::skipped;

use super::running::Running;
use crate::fixture::{Sandbox, run};

const OPERATOR: &str = "0123456789abcdef0123456789abcdef";
const ENGINEER: &str = "abcdef0123456789abcdef0123456789";
const AUDITOR: &str = "fedcba9876543210fedcba9876543210";

fn tokens(sandbox: &Sandbox) -> String {
    let text = format!(
        "# name role token\nline-1 operator {OPERATOR}\nanna engineer {ENGINEER}\noffice auditor {AUDITOR}\n"
    );
    sandbox.write("tokens", text.as_bytes())
}

#[test]
fn what_is_open_to_others_is_refused() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("models")).unwrap();
    let models = sandbox.path("models");
    let open = ["serve", "--models", &models, "--listen", "0.0.0.0:0"];
    run(open).expect(
        2,
        &[
            "0.0.0.0:0 can be reached from other machines",
            "--token",
            "--tls-client-ca",
            "--insecure",
        ],
    );
    let none = sandbox.path("none");
    run(["serve", "--models", &none]).expect(2, &[&none, "folder of models"]);
    let with_token = |file: &str| run([&open[..], &["--token", file]].concat());
    with_token(&none).expect(2, &[&none, "token file cannot be read"]);
    let bad = sandbox.write("bad", b"a operator short\n");
    with_token(&bad).expect(2, &[&bad, "line 1", "too short", "openssl rand -hex 32"]);
    let empty = sandbox.write("empty", b"# nobody\n");
    with_token(&empty).expect(2, &[&empty, "no token in the file"]);
    let large = sandbox.write("large", &vec![b'#'; (1 << 20) + 1]);
    with_token(&large).expect(2, &[&large, "larger than 1 MiB"]);
    let tls = ["--insecure", "--tls-cert", &bad, "--tls-key", &bad];
    run([&open[..], &tls].concat()).expect(2, &[&bad, "PEM"]);
    run([&open[..], &["--tls-cert", &bad]].concat()).expect(2, &["--tls-key"]);
}

#[test]
fn an_address_in_use_is_told() {
    let server = Running::start(&[]);
    let models = server.sandbox.path("models");
    run(["serve", "--models", &models, "--listen", &server.address])
        .expect(2, &[&server.address, "cannot be listened to", "choose another address"]);
}

#[test]
fn tokens_say_who_may_do_what() {
    let sandbox = Sandbox::new();
    let file = tokens(&sandbox);
    let server = Running::start_in(sandbox, &["--listen", "0.0.0.0:0", "--token", &file]);
    let address = server.address.replace("0.0.0.0", "127.0.0.1");
    let photo = fs::read(server.sandbox.good_photos("photos", 1) + "/0.png").unwrap();
    let status = |method: &str, path: &str, token: &str, body: &[u8]| {
        let authorization = format!("Bearer {token}");
        let headers = [("Host", "line.example"), ("Authorization", authorization.as_str())];
        let request = super::client::request(method, path, &headers, body);
        super::client::exchange(&address, &request).unwrap().status
    };
    let inspect = "/api/models/part/inspect";
    let unload = "/v2/repository/models/part/unload";
    for (token, expected) in [
        (AUDITOR, [200, 200, 403, 403]),
        (OPERATOR, [200, 200, 200, 403]),
        (ENGINEER, [200, 200, 200, 200]),
        ("somebody", [401, 401, 401, 401]),
    ] {
        let found = [
            status("GET", "/v2/models/part", token, b""),
            status("GET", "/metrics", token, b""),
            status("POST", inspect, token, &photo),
            status("POST", unload, token, b""),
        ];
        assert_eq!(found, expected, "{token}");
        assert_eq!(status("GET", "/v2/health/live", token, b""), 200, "probes have no token");
    }
    let nobody = super::client::request("GET", "/v2", &[], b"");
    let nobody = super::client::exchange(&address, &nobody).unwrap();
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Bearer")));
    assert!(nobody.json()["error"].as_str().unwrap().contains("Authorization: Bearer TOKEN"));

    // A token that is taken out of the file opens nothing any more.
    fs::write(&file, format!("anna engineer {ENGINEER}\n")).unwrap();
    super::running::until("the token's end", || status("GET", "/v2", OPERATOR, b"") == 401);
    fs::write(&file, "damaged\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(status("GET", "/v2", ENGINEER, b""), 200, "what was read before stays");
    let ended = server.stop();
    assert!(
        ended.log.contains("client=\"line-1\"") && ended.log.contains("line 1"),
        "{}",
        ended.log
    );
    assert!(ended.log.contains("can be read on their way"), "{}", ended.log);
    assert!(!ended.log.contains(ENGINEER), "tokens are not logged");
}

#[test]
fn other_names_and_other_sites_are_refused_on_this_machine() {
    let server = Running::start(&[]);
    let photo = fs::read(server.sandbox.good_photos("photos", 1) + "/0.png").unwrap();
    let post =
        |headers: &[(&str, &str)]| server.send("POST", "/api/models/part/inspect", headers, &photo);
    post(&[("Host", "evil.example:8080")]).refused(
        403,
        "host",
        &["this machine alone", "--listen"],
    );
    let origin = [("Host", "localhost:1"), ("Origin", "http://evil.example")];
    post(&origin).refused(403, "origin", &["a page of another site"]);
    assert_eq!(post(&[("Host", "localhost:1"), ("Origin", "http://localhost:1")]).status, 200);
    assert!(post(&[]).header("access-control-allow-origin").is_none());
}

/// Makes an authority, a certificate of the server and one of a client by openssl.
fn certificates(sandbox: &Sandbox) -> Option<()> {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let folder = sandbox.path("");
        let output = command.args(arguments.split(' ')).current_dir(folder).output().ok()?;
        assert!(
            output.status.success(),
            "{arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(())
    };
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    openssl(&format!("{new} -subj /CN=authority -keyout ca.key -out ca.pem"))?;
    let signed = "-CA ca.pem -CAkey ca.key -addext basicConstraints=critical,CA:FALSE";
    let server = "-subj /CN=server -addext subjectAltName=DNS:localhost,IP:127.0.0.1";
    openssl(&format!("{new} {signed} {server} -keyout server.key -out server.pem"))?;
    openssl(&format!("{new} {signed} -subj /CN=client -keyout client.key -out client.pem"))
}

#[test]
fn connections_are_encrypted_and_clients_known_by_certificates() {
    let sandbox = Sandbox::new();
    let has_curl = Command::new("curl").arg("--version").output().is_ok();
    if !has_curl || certificates(&sandbox).is_none() {
        return skipped("encrypted connections are not tried: curl or openssl is missing");
    }
    let path = |name: &str| sandbox.path(name);
    let (cert, key, ca) = (path("server.pem"), path("server.key"), path("ca.pem"));
    let (client, client_key) = (path("client.pem"), path("client.key"));
    let photo = sandbox.good_photos("photos", 1) + "/0.png";
    let tls =
        ["--tls-cert", &cert, "--tls-key", &key, "--listen", "0.0.0.0:0", "--tls-client-ca", &ca];
    let server = Running::start_in(sandbox, &tls);
    let url = format!(
        "https://127.0.0.1:{}/api/models/part/inspect",
        server.address.rsplit(':').next().unwrap()
    );
    let curl = |more: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--cacert", &ca, "--data-binary", &format!("@{photo}"), &url]);
        command.args(more).output().unwrap()
    };
    let known = curl(&["--cert", &client, "--key", &client_key]);
    let verdict: serde_json::Value = serde_json::from_slice(&known.stdout).unwrap();
    assert!(verdict["score"].is_number(), "{verdict}");
    let old = curl(&["--cert", &client, "--key", &client_key, "--tls-max", "1.2"]);
    assert!(old.status.success());
    let unknown = curl(&[]);
    assert!(!unknown.status.success() && unknown.stdout.is_empty(), "{unknown:?}");
}
