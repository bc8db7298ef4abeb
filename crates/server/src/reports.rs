//! Reports of evaluations: the files, and addresses at which a browser opens them for a while.
//!
//! A browser sends no token when it opens an address. So whoever may read is given an address that
//! nobody can guess, and that is good for one report and ten minutes.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::answer::{self, Answer, file};
use crate::call::Call;
use crate::desk::{blocking, lock};
use crate::refusal::Refusal;

/// How long an address is good.
const GOOD_FOR: Duration = Duration::from_secs(600);
/// The page's file in its folder.
const FILE: &str = "report.html";
/// What a report may do: show itself. It has neither scripts nor other files.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The folder of reports.
pub(crate) struct Reports {
    folder: PathBuf,
    addresses: Mutex<HashMap<String, (PathBuf, Instant)>>,
}

impl Reports {
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let folder = folder(data);
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, addresses: Mutex::default() })
    }

    /// The names of all reports, the last ones first.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let written = entries.filter(|entry| entry.path().join(FILE).is_file());
        let mut names: Vec<(_, String)> = written
            .filter_map(|entry| {
                let modified =
                    entry.path().join(FILE).metadata().and_then(|it| it.modified()).ok()?;
                Some((modified, entry.file_name().into_string().ok()?))
            })
            .collect();
        names.sort_unstable();
        names.into_iter().rev().map(|(_, name)| name).collect()
    }

    /// An address of a report.
    fn address(&self, name: &str) -> Result<String, Refusal> {
        let found = self.names().into_iter().find(|known| known == name);
        let path = found.map(|name| self.folder.join(name).join(FILE)).ok_or_else(|| {
            let message = format!("{name:?}: there is no such report");
            Refusal::new(StatusCode::NOT_FOUND, "no_such_report", message)
        })?;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|error| Refusal::internal(error.to_string()))?;
        let secret = format!("{:032x}", u128::from_be_bytes(secret));
        let mut addresses = lock(&self.addresses);
        addresses.retain(|_, (_, made)| made.elapsed() < GOOD_FOR);
        addresses.insert(secret.clone(), (path, Instant::now()));
        Ok(format!("/reports/{secret}"))
    }

    fn file(&self, secret: &str) -> Result<PathBuf, Refusal> {
        let addresses = lock(&self.addresses);
        let good = addresses.get(secret).filter(|(_, made)| made.elapsed() < GOOD_FOR);
        good.map(|(path, _)| path.clone()).ok_or_else(|| {
            Refusal::new(
                StatusCode::NOT_FOUND,
                "address_expired",
                "this address of a report was good for ten minutes: open the report from the page again",
            )
        })
    }
}

/// The folder of reports in the folder of data.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("reports")
}

/// All reports.
pub(crate) async fn list(call: Call) -> Answer {
    answer::json(&json!({ "reports": call.desk()?.reports.names() }))
}

/// Gives a report an address.
pub(crate) async fn open(call: Call) -> Answer {
    let address = call.desk()?.reports.address(call.parameter("report"))?;
    answer::json(&json!({ "address": address }))
}

/// A report at its address.
pub(crate) async fn show(call: Call) -> Answer {
    let path = call.desk()?.reports.file(call.parameter("secret"))?;
    let page = blocking(move || {
        fs::read(&path).map_err(|error| {
            Refusal::internal(format!("{}: cannot be read ({error})", path.display()))
        })
    });
    let mut response = file(StatusCode::OK, "text/html; charset=utf-8", page.await?.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}
