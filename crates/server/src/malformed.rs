//! Thousands of malformed requests at the router: none may panic, and none is the server's fault.
//!
//! `EFFICIENTAD_MALFORMED_REQUESTS` says how many.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use efficientad::{CpuEngine, InstructionSet};
use efficientad_images::picture::encode_png;
use efficientad_jobs::Reading;
use fastrand::Rng;
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::openapi::document;
use crate::options::{ServeOptions, ServerLimits};
use crate::routes::router;
use crate::server::Server;
use crate::testing::{model, photo};

const DEFAULT_REQUESTS: usize = 1000;

fn server(folder: &Path) -> Server {
    let engine = Arc::new(CpuEngine::new(2, InstructionSet::best()).unwrap());
    model(Arc::clone(&engine)).save(&folder.join("part.model")).unwrap();
    std::fs::write(folder.join("broken.model"), b"no model").unwrap();
    let options = ServeOptions {
        models: folder.to_owned(),
        data: Some(folder.to_owned()),
        watch_logs: Vec::new(),
        keep: crate::Policy::default(),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tokens: None,
        tls: None,
        is_insecure: false,
        reading: Reading::default(),
        defect_rate: 0.1,
        limits: ServerLimits {
            body: 1 << 16,
            memory: 1 << 20,
            photos: 4,
            ..ServerLimits::default()
        },
    };
    Server::bind(options, engine).unwrap()
}

/// A request that can be spoilt.
#[derive(Clone, Debug)]
struct Draft {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Draft {
    fn new(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let mut all = vec![("host".to_owned(), b"127.0.0.1".to_vec())];
        let named = |&(name, value): &(&str, &str)| (name.to_owned(), value.as_bytes().to_vec());
        all.extend(headers.iter().map(named));
        Self { method: method.to_owned(), path: path.to_owned(), headers: all, body: body.into() }
    }

    /// The request, if it can be one at all.
    fn request(&self) -> Option<Request<Body>> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value.as_slice());
        }
        request.body(Body::from(Bytes::from(self.body.clone()))).ok()
    }
}

/// One good request of each kind.
fn good() -> Vec<Draft> {
    let png = encode_png(&photo(7)).unwrap();
    let inspect = "/api/models/part/inspect";
    let infer = "/v2/models/part/infer";
    let form: Vec<u8> = [
        b"--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a.png\"\r\n\r\n".to_vec(),
        png.clone(),
        b"\r\n--b\r\nContent-Disposition: form-data; name=\"c\"\r\n\r\ntext\r\n--b--\r\n".to_vec(),
    ]
    .concat();
    let form_type = [("content-type", "multipart/form-data; boundary=b")];
    let pixels = r#"{"inputs":[{"name":"pixels","shape":[2,2,3],"datatype":"UINT8","data":[[[1,2,3],[4,5,6]],[[7,8,9],[1,2,255]]]}],"outputs":[{"name":"map"},{"name":"score","parameters":{"binary_data":true}}]}"#;
    let size = png.len() + 4;
    let head = format!(
        r#"{{"id":"7","inputs":[{{"name":"image","shape":[1],"datatype":"BYTES","parameters":{{"binary_data_size":{size}}}}}],"parameters":{{"binary_data_output":true}}}}"#
    );
    let length = (png.len() as u32).to_le_bytes();
    let binary = [head.as_bytes(), &length, &png].concat();
    let head_length = head.len().to_string();
    let accept = [("accept", "image/png")];
    let mut all = vec![
        Draft::new("POST", inspect, &[], png.clone()),
        Draft::new("POST", &format!("{inspect}?name=a&overlay=true&map=1"), &[], png.clone()),
        Draft::new("POST", inspect, &accept, png.clone()),
        Draft::new("POST", inspect, &form_type, form),
        Draft::new("POST", infer, &[("content-type", "application/json")], pixels),
        Draft::new("POST", infer, &[("inference-header-content-length", &head_length)], binary),
        Draft::new("POST", "/v2/repository/index", &[], r#"{"ready":true}"#),
        Draft::new("POST", "/v2/repository/models/part/load", &[], "{}"),
        Draft::new("POST", "/api/models/broken/inspect", &[], "no photo"),
        Draft::new("POST", "/api/models/part/threshold", &[], r#"{"value":1.5,"who":"a"}"#),
        Draft::new("POST", "/api/parts/part/marks/good?name=a.png", &[], png.clone()),
        Draft::new("POST", "/api/parts/part/photos?name=a.png", &[], png),
        Draft::new(
            "POST",
            "/api/jobs",
            &[],
            r#"{"kind":"train","part":"part","steps":1,"who":"a"}"#,
        ),
    ];
    let paths = document()["paths"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    // The stream of events has no end.
    let finite = paths.iter().filter(|path| *path != "/api/events");
    let filled = finite.map(|path| path.replace("{model}", "part").replace("{version}", "1"));
    all.extend(filled.map(|path| Draft::new("GET", &path, &[], "")));
    all
}

const PARTS: &[&str] = &[
    "",
    "..",
    ".",
    "%2e%2e",
    "%2F",
    "..%2fpart",
    "%00",
    "%ff",
    "%",
    "part.model",
    "{model}",
    "*",
    "ä",
    "%C3%A4",
    "part/../part",
    "versions",
    "broken",
    "none",
    "~",
    "part%20",
];
const VALUES: &[&str] = &[
    "",
    "0",
    "-1",
    "1",
    "4294967296",
    "18446744073709551615",
    "99999999999999999999",
    "1e3",
    "NaN",
    "application/json",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "image/png",
    "multipart/form-data; boundary=\"b",
    "*/*;q=",
    "text/html",
    "null",
    "\u{e4}",
    "Bearer ",
    "127.0.0.1:0",
    "http://127.0.0.1",
    "evil.example",
];
const NAMES: &[&str] = &[
    "content-type",
    "accept",
    "inference-header-content-length",
    "content-length",
    "host",
    "origin",
    "authorization",
    "x-request-id",
    "transfer-encoding",
    "expect",
];
const TOKENS: &[&str] = &[
    "-1",
    "0",
    "1e400",
    "9223372036854775807",
    "18446744073709551616",
    "null",
    "[]",
    "{}",
    "\"\"",
    "[[[[",
    "]",
    "}",
    ",",
    "true",
    "\"BYTES\"",
    "\"UINT8\"",
    "\"FP32\"",
    "\"image\"",
    "\"map\"",
    "256",
    "\\u0000",
    "{\"binary_data_size\":3}",
    "[4294967296,4294967296,3]",
    "[1,1,1,3]",
    "--b",
    "--b--\r\n",
    "\r\n\r\n",
];

/// Spoils a request in one to four ways.
fn spoil(draft: &mut Draft, random: &mut Rng) {
    for _ in 0..random.usize(1..5) {
        let length = draft.body.len();
        match random.u8(0..10) {
            0 => draft.body.truncate(random.usize(0..=length)),
            1 if length > 0 => draft.body[random.usize(0..length)] = random.u8(..),
            2 => {
                let place = random.usize(0..=length);
                let token = random.choice(TOKENS).unwrap().bytes();
                draft.body.splice(place..place, token);
            }
            3 if length > 8 => {
                let start = random.usize(0..length - 8);
                let token = random.choice(TOKENS).unwrap().bytes();
                draft.body.splice(start..start + random.usize(0..8), token);
            }
            4 => {
                let mut parts: Vec<&str> = draft.path.split('/').collect();
                let place = random.usize(0..parts.len());
                parts[place] = random.choice(PARTS).unwrap();
                draft.path = parts.join("/");
            }
            5 => {
                let value = random.choice(VALUES).unwrap();
                draft.path = format!("{}?{value}={value}&map={value}", draft.path);
            }
            6 => {
                let (name, value) = (random.choice(NAMES).unwrap(), random.choice(VALUES).unwrap());
                draft.headers.push(((*name).to_owned(), value.as_bytes().to_vec()));
            }
            7 => {
                let place = random.usize(0..draft.headers.len());
                draft.headers[place].1 = random.choice(VALUES).unwrap().as_bytes().to_vec();
            }
            8 => {
                draft.method =
                    (*random.choice(&["GET", "POST", "PUT", "HEAD", "DELETE", "x"]).unwrap())
                        .to_owned()
            }
            _ => {
                let more = random.usize(0..100_000);
                draft.body.resize(length + more, random.u8(..));
            }
        }
    }
}

#[test]
fn malformed_requests_are_refused_and_harm_nothing() {
    let count = std::env::var("EFFICIENTAD_MALFORMED_REQUESTS");
    let count = count.map_or(DEFAULT_REQUESTS, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (runtime, shared) = server(folder.path()).into_parts();
    let router = router(Arc::clone(&shared));
    let good = good();
    let send = |draft: &Draft| {
        let request = draft.request()?;
        Some(runtime.block_on(async {
            let response = router.clone().oneshot(request).await.unwrap();
            let (parts, body) = response.into_parts();
            (parts.status, body.collect().await.unwrap().to_bytes())
        }))
    };
    for draft in &good {
        let (status, body) = send(draft).unwrap();
        assert_ne!(status, StatusCode::INTERNAL_SERVER_ERROR, "{draft:?}: {body:?}");
    }
    let mut random = Rng::with_seed(3);
    let mut refused = 0;
    for number in 0..count {
        let mut draft = random.choice(&good).unwrap().clone();
        spoil(&mut draft, &mut random);
        let Some((status, body)) = send(&draft) else { continue };
        // A model may have been unloaded, or there may be no memory for what is asked.
        let is_told = status != StatusCode::INTERNAL_SERVER_ERROR;
        assert!(
            is_told,
            "request {number}: {draft:?}: {status} {:?}",
            String::from_utf8_lossy(&body)
        );
        if status.is_client_error() && draft.method != "HEAD" {
            let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(!told["error"].is_null(), "request {number}: {draft:?}");
            refused += 1;
        }
    }
    assert!(refused > count / 4, "{refused} of {count} were refused: too few were malformed");
    let (status, _) = send(&good[0]).unwrap();
    assert!(status == StatusCode::OK || status == StatusCode::CONFLICT, "{status}");
    // A thread that inspects lets go of its request after the answer is there.
    let is_given_back = || (shared.budget.taken(), shared.pool.taken()) == (0, 0);
    let until = Instant::now() + Duration::from_secs(60);
    while !is_given_back() && Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
    }
    assert!(is_given_back(), "something was not given back");
}
