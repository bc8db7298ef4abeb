//! A request on its way through the server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

use crate::access::Caller;
use crate::inspecting::{Order, Wanted};
use crate::models::Loaded;
use crate::refusal::Refusal;
use crate::server::Shared;
use crate::verdicts::Origin;

/// How long the rest of a body is read that is refused, so that its sender reads the answer.
const DISCARD_TIME: Duration = Duration::from_secs(2);

/// A request that may be answered.
pub(crate) struct Call {
    pub shared: Arc<Shared>,
    /// Names it in the log and in its answer.
    pub id: String,
    pub caller: Caller,
    /// What stands in the path where the route has a name.
    pub parameters: Vec<(String, String)>,
    pub uri: Uri,
    pub headers: HeaderMap,
    /// Locked, as bodies alone can't be shared by threads.
    pub body: Mutex<Body>,
}

impl Call {
    /// What stands in the path for `name`; nothing if the route has no such part.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// The fields of the query.
    pub(crate) fn query(&self) -> Vec<(String, String)> {
        let query = self.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// A header's value; none if it is no text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The type of the body, as the client says.
    pub(crate) fn content_type(&self) -> Option<&str> {
        self.header(&CONTENT_TYPE)
    }

    /// The model that the path names, in memory, and of the version that the path may name.
    pub(crate) async fn model(&self) -> Result<Arc<Loaded>, Refusal> {
        let model = self.shared.models.get(self.parameter("model")).await?;
        self.check_version(model.version())?;
        Ok(model)
    }

    /// Whether the path names no other version than this.
    pub(crate) fn check_version(&self, version: &str) -> Result<(), Refusal> {
        let wanted = self.parameter("version");
        if wanted.is_empty() || wanted == version {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "no_such_version",
            format!(
                "{}: version {wanted:?} is not here, but {version}: a version is the first 16 digits of \
                 the SHA-256 of the model's file; leave it out to take what is there",
                self.parameter("model")
            ),
        ))
    }

    /// What is asked of a model for this request's photos.
    pub(crate) fn order(&self, model: Arc<Loaded>, wanted: Wanted) -> Order {
        let Caller { name, is_one_of_several, .. } = self.caller.clone();
        Order {
            model,
            wanted,
            share_of: name.clone().filter(|_| is_one_of_several),
            origin: Arc::new(Origin { request: self.id.clone(), client: name }),
            budget: self.shared.budget.clone(),
        }
    }

    /// The whole body. Its bytes count against the server's memory as they arrive, and as long as
    /// they are in use.
    pub(crate) async fn read_body(&mut self) -> Result<Bytes, Refusal> {
        let mut body = std::mem::take(self.body.get_mut().unwrap_or_else(PoisonError::into_inner));
        let result = self.read(&mut body).await;
        if result.is_err() {
            discard(body).await;
        }
        result
    }

    async fn read(&self, body: &mut Body) -> Result<Bytes, Refusal> {
        let limits = &self.shared.limits;
        let announced = self.header(&CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if announced.is_some_and(|length: u64| length > limits.body as u64) {
            return Err(self.too_large());
        }
        let deadline = Instant::now() + limits.body_time;
        // Takes no memory before bytes arrive.
        let mut bytes = Vec::with_capacity(announced.unwrap_or(0) as usize);
        let mut reservation = self.shared.budget.nothing();
        loop {
            let frame = timeout_at(deadline, body.frame()).await.map_err(|_| self.too_slow())?;
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| {
                Refusal::bad_request(format!(
                    "the body of the request broke off: {error}; send it again"
                ))
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if bytes.len() + data.len() > limits.body {
                return Err(self.too_large());
            }
            if !reservation.grow(data.len()) {
                return Err(memory_full());
            }
            bytes.extend_from_slice(&data);
        }
        Ok(reservation.hold(bytes))
    }

    fn too_large(&self) -> Refusal {
        let limit = self.shared.limits.body;
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!(
                "the body of the request is larger than {limit} bytes: send fewer photos at once, or \
                 start the server with a larger --max-body"
            ),
        )
    }

    fn too_slow(&self) -> Refusal {
        let limit = self.shared.limits.body_time.as_secs();
        Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            format!(
                "the body of the request took more than {limit} s: send smaller photos, or faster"
            ),
        )
    }
}

/// There is no memory for a request now.
pub(crate) fn memory_full() -> Refusal {
    Refusal::busy(
        "memory_full",
        "the requests in progress take all the memory that there is for them: try again later, or start \
         the server with a larger --memory",
        Duration::from_secs(1),
    )
}

/// Reads the rest of a body for a moment, as a client that still sends does not read the answer.
pub(crate) async fn discard(mut body: Body) {
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _ = timeout(DISCARD_TIME, rest).await;
}
