//! The page for people: files in the program, and nothing from elsewhere.

use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use bytes::Bytes;

use crate::answer::{Answer, file};
use crate::call::Call;
use crate::refusal::Refusal;

/// What the page may do: run what this server gives it, show photos that it was given as bytes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
                      connect-src 'self'; media-src 'self' blob:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const JSON: &str = "application/json";
const PICTURE: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal $kind:ident),* $(,)?) => {
        &[$(($name, $kind, include_bytes!(concat!("../page/", $name)))),*]
    };
}

/// All files of the page.
static FILES: &[(&str, &str, &[u8])] = files! {
    "index.html" HTML,
    "style.css" STYLE,
    "icon.svg" PICTURE,
    "main.js" SCRIPT,
    "api.js" SCRIPT,
    "dom.js" SCRIPT,
    "words.js" SCRIPT,
    "plot.js" SCRIPT,
    "polygon.js" SCRIPT,
    "jobs.js" SCRIPT,
    "part.js" SCRIPT,
    "judge.js" SCRIPT,
    "decide.js" SCRIPT,
    "line.js" SCRIPT,
    "record.js" SCRIPT,
    "report.js" SCRIPT,
    "en.json" JSON,
    "de.json" JSON,
    "zh.json" JSON,
};

/// The first page.
pub(crate) async fn index(_: Call) -> Answer {
    answer("index.html")
}

/// A file of the page.
pub(crate) async fn show(call: Call) -> Answer {
    answer(call.parameter("file"))
}

fn answer(name: &str) -> Answer {
    let found = FILES.iter().find(|(known, ..)| *known == name).ok_or_else(|| {
        let message = format!("{name:?}: the page has no such file");
        Refusal::new(StatusCode::NOT_FOUND, "no_such_path", message)
    })?;
    let &(_, kind, bytes) = found;
    let mut response = file(StatusCode::OK, kind, Bytes::from_static(bytes));
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), "camera=(self), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn text(name: &str) -> &'static str {
        let (.., bytes) = FILES.iter().find(|(known, ..)| *known == name).unwrap();
        std::str::from_utf8(bytes).unwrap()
    }

    fn words(name: &str) -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(text(name)).unwrap()
    }

    /// What stands in braces, to be filled in.
    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn every_language_has_every_text_with_the_same_places() {
        let english = words("en.json");
        for name in ["de.json", "zh.json"] {
            let other = words(name);
            let keys =
                |words: &serde_json::Map<String, _>| words.keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(keys(&english), keys(&other), "{name}");
            for (key, text) in &other {
                let (text, english) = (text.as_str().unwrap(), english[key].as_str().unwrap());
                assert!(!text.trim().is_empty(), "{name}: {key}");
                assert_eq!(places(text), places(english), "{name}: {key}");
            }
        }
    }

    #[test]
    fn every_text_that_is_used_is_there_and_every_one_is_used() {
        let english = words("en.json");
        let scripts: String = FILES
            .iter()
            .filter(|(_, kind, _)| [SCRIPT, HTML].contains(kind))
            .map(|(name, ..)| text(name))
            .collect();
        for key in english.keys() {
            let is_named = ["\"", "'", "`"]
                .iter()
                .any(|quote| scripts.contains(&format!("{quote}{key}{quote}")));
            // Those of a kind are put together of it and a word of the server's.
            let is_of_kind = key
                .rsplit_once('.')
                .is_some_and(|(kind, _)| scripts.contains(&format!("`{kind}.${{")));
            assert!(is_named || is_of_kind, "{key} is not used");
        }
        for before in ["t(\"", "data-t=\"", "data-label=\""] {
            for (at, _) in scripts.match_indices(before) {
                // Not of a word that ends so, as get("…").
                if scripts[..at].ends_with(|letter: char| letter.is_alphanumeric()) {
                    continue;
                }
                let key = scripts[at + before.len()..].split('"').next().unwrap();
                assert!(english.contains_key(key), "{key} is in no language");
            }
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        for (name, kind, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            let links = text.replace("http://www.w3.org/", "");
            assert!(!links.contains("http://") && !links.contains("https://"), "{name}");
            assert!(
                *kind != HTML || !text.contains("style=\"") && !text.contains("onclick="),
                "{name}"
            );
        }
    }
}
