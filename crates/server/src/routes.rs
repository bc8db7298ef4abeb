//! The one table of all that can be asked: from it come the router, who may ask, and the document that
//! describes it.

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::access::Needs;
use crate::answer::{Answer, REQUEST_ID, refused};
use crate::call::{Call, discard};
use crate::openapi::{Operation, desk};
use crate::refusal::Refusal;
use crate::server::Shared;
use crate::{api, archive, decide, feed, jobs, openapi, page, parts, reports, v2};

/// Most characters of an id that a client gives a request.
const LONGEST_ID: usize = 64;

/// How a call is answered.
type Run = fn(Call) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Something that can be asked.
pub(crate) struct Route {
    pub method: Verb,
    pub path: &'static str,
    pub needs: Needs,
    /// What it is, in the document that describes the server.
    pub describe: fn() -> Operation,
    run: Run,
}

/// Methods in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Post,
}

impl Verb {
    /// As documents of OpenAPI have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
        }
    }
}

macro_rules! route {
    ($method:ident $path:literal, $needs:ident, $run:path, $describe:path) => {
        Route {
            method: Verb::$method,
            path: $path,
            needs: Needs::$needs,
            describe: $describe,
            run: |call| Box::pin($run(call)),
        }
    };
}

/// All that can be asked.
pub(crate) static ROUTES: &[Route] = &[
    route!(Get "/", Nothing, page::index, openapi::page),
    route!(Get "/openapi.json", Nothing, openapi::answer, openapi::itself),
    route!(Get "/metrics", Read, api::metrics, openapi::metrics),
    route!(Get "/api/models", Read, api::models::list, openapi::models),
    route!(Get "/api/models/{model}", Read, api::models::show, openapi::model),
    route!(Post "/api/models/{model}/inspect", Inspect, api::inspect::inspect, openapi::inspect),
    route!(Get "/page/{file}", Nothing, page::show, desk::file),
    route!(Get "/api/session", Read, decide::session, desk::session),
    route!(Get "/api/events", Read, feed::events, desk::events),
    route!(Get "/api/line", Read, feed::line, desk::line),
    route!(Get "/api/models/{model}/decision", Read, decide::show, desk::decision),
    route!(Post "/api/models/{model}/threshold", Manage, decide::set, desk::threshold),
    route!(Get "/api/record", Read, archive::search, desk::record),
    route!(Get "/api/record/export", Read, archive::export, desk::export),
    route!(Get "/api/record/{entry}/photo", Read, archive::photo, desk::recorded_photo),
    route!(Post "/api/record/{entry}/mark", Inspect, archive::mark, desk::mark_entry),
    route!(Get "/api/changes", Read, decide::changes, desk::changes),
    route!(Get "/api/parts", Read, parts::api::list, desk::parts),
    route!(Get "/api/parts/{part}", Read, parts::api::show, desk::part),
    route!(Post "/api/parts/{part}/photos", Manage, parts::api::add, desk::photo),
    route!(Post "/api/parts/{part}/photos/{photo}/remove", Manage, parts::api::remove, desk::remove),
    route!(Post "/api/parts/{part}/marks/{mark}", Inspect, parts::api::mark, desk::mark),
    route!(Post "/api/parts/{part}/give-up", Manage, jobs::api::give_up, desk::give_up),
    route!(Get "/api/data/folders", Read, parts::api::folders, desk::folders),
    route!(Get "/api/data/taking", Read, parts::api::taking, desk::taking),
    route!(Get "/api/data/picture", Read, parts::api::picture, desk::picture),
    route!(Get "/api/jobs", Read, jobs::api::list, desk::jobs),
    route!(Post "/api/jobs", Manage, jobs::api::start, desk::start),
    route!(Get "/api/jobs/{job}", Read, jobs::api::show, desk::job),
    route!(Post "/api/jobs/{job}/stop", Manage, jobs::api::stop, desk::stop),
    route!(Get "/api/reports", Read, reports::list, desk::reports),
    route!(Post "/api/reports/{report}/open", Read, reports::open, desk::open),
    route!(Get "/reports/{secret}", Nothing, reports::show, desk::report),
    route!(Get "/v2", Read, v2::server, openapi::v2_server),
    route!(Get "/v2/health/live", Nothing, v2::live, openapi::v2_live),
    route!(Get "/v2/health/ready", Nothing, v2::ready, openapi::v2_ready),
    route!(Get "/v2/models/{model}", Read, v2::model, openapi::v2_model),
    route!(Get "/v2/models/{model}/versions/{version}", Read, v2::model, openapi::v2_model),
    route!(Get "/v2/models/{model}/ready", Read, v2::model_ready, openapi::v2_model_ready),
    route!(Get "/v2/models/{model}/versions/{version}/ready", Read, v2::model_ready, openapi::v2_model_ready),
    route!(Post "/v2/models/{model}/infer", Inspect, v2::infer::infer, openapi::v2_infer),
    route!(Post "/v2/models/{model}/versions/{version}/infer", Inspect, v2::infer::infer, openapi::v2_infer),
    route!(Post "/v2/repository/index", Read, v2::repository::index, openapi::v2_index),
    route!(Post "/v2/repository/models/{model}/load", Manage, v2::repository::load, openapi::v2_load),
    route!(Post "/v2/repository/models/{model}/unload", Manage, v2::repository::unload, openapi::v2_unload),
];

/// What answers requests.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let handle = move |State(shared): State<Arc<Shared>>, parameters: Parameters, request| {
            respond(shared, Some(route), read(parameters), request)
        };
        let method: MethodRouter<Arc<Shared>> = on(route.method.filter(), handle);
        router = router.route(route.path, method);
    }
    let nowhere = |State(shared): State<Arc<Shared>>, request: Request| {
        let refusal = no_such_path(request.uri().path());
        respond(shared, None, Err(refusal), request)
    };
    let other_method = |State(shared): State<Arc<Shared>>, request: Request| {
        let refusal = other_method(request.method(), request.uri().path());
        respond(shared, None, Err(refusal), request)
    };
    router.fallback(nowhere).method_not_allowed_fallback(other_method).with_state(shared)
}

/// What stands in a path, if it can be read.
type Parameters = Result<RawPathParams, RawPathParamsRejection>;

fn read(parameters: Parameters) -> Result<Vec<(String, String)>, Refusal> {
    let parameters = parameters.map_err(|_| {
        Refusal::bad_request(
            "the path holds bytes that are no UTF-8: write names as they are listed",
        )
    })?;
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    Ok(parameters.iter().map(owned).collect())
}

fn no_such_path(path: &str) -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "no_such_path",
        format!("{path:?}: there is nothing at this path; /openapi.json names all there are"),
    )
}

fn other_method(method: &Method, path: &str) -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "other_method",
        format!("{path:?}: this path does not take {method}; /openapi.json says what it takes"),
    )
}

/// Answers a request: checks who asks, does it, counts and logs it.
async fn respond(
    shared: Arc<Shared>,
    route: Option<&'static Route>,
    parameters: Result<Vec<(String, String)>, Refusal>,
    request: Request,
) -> Response<Body> {
    let begun = Instant::now();
    let (parts, body) = request.into_parts();
    let id = request_id(&parts.headers);
    let is_v2 = parts.uri.path().starts_with("/v2");
    let needs = route.map_or(Needs::Read, |route| route.needs);
    let checked = shared.access.check(&parts.headers, needs);
    let client = checked.as_ref().ok().and_then(|caller| caller.name.clone());
    let (method, path) = (parts.method, parts.uri.path().to_owned());
    let prepared = checked.and_then(|caller| Ok((caller, parameters?)));
    let answer = match (prepared, route) {
        (Ok((caller, parameters)), Some(route)) => {
            let (uri, headers, body) = (parts.uri, parts.headers, Mutex::new(body));
            let shared = Arc::clone(&shared);
            (route.run)(Call { shared, id: id.clone(), caller, parameters, uri, headers, body })
                .await
        }
        (Err(refusal), _) => {
            discard(body).await;
            Err(refusal)
        }
        (Ok(_), None) => Err(no_such_path(&path)),
    };
    let reason = answer.as_ref().err().map(|refusal| refusal.message.clone());
    let mut response = answer.unwrap_or_else(|refusal| refused(&refusal, is_v2));
    let (status, time) = (response.status().as_u16(), begun.elapsed());
    shared.metrics.answered(route.map_or("none", |route| route.path), status, time);
    let milliseconds = time.as_secs_f64() * 1e3;
    tracing::info!(request = id, client, %method, path, status, milliseconds, reason, "answered");
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The id that the client gave the request, or one of this server's.
fn request_id(headers: &HeaderMap) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static RUN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
    let plain = |id: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(is_plain)
    };
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(plain) {
        Some(id) => id.to_owned(),
        None => format!("{:08x}-{:x}", *RUN as u32, COUNT.fetch_add(1, Ordering::Relaxed)),
    }
}
