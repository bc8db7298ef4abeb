//! Connections: how many, how long, and how they end.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::{Either, select};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::options::ServerLimits;

/// Most bytes that a connection reads ahead, heads included.
const READ_AHEAD: usize = 64 << 10;
/// Most fields of a head.
const MOST_HEADERS: usize = 64;
/// How long it is waited for files or memory that a new connection takes.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until `stop` ends, and then the requests in progress.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    router: Router,
    limits: &ServerLimits,
    stop: impl Future<Output = ()>,
) {
    let connections = Connections {
        places: Arc::new(Semaphore::new(limits.connections)),
        tls: tls.map(TlsAcceptor::from),
        router,
        limits: limits.clone(),
        end: watch::channel(()).0,
    };
    select(pin!(connections.accept_all(&listener)), pin!(stop)).await;
    // Nobody else comes in.
    drop(listener);
    let Connections { places, end, limits, .. } = connections;
    let _ = end.send(());
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    if timeout(limits.stop_time, places.acquire_many(all)).await.is_err() {
        tracing::warn!("requests in progress took too long, and were broken off");
    }
}

struct Connections {
    places: Arc<Semaphore>,
    tls: Option<TlsAcceptor>,
    router: Router,
    limits: ServerLimits,
    /// Says that no further request is taken.
    end: watch::Sender<()>,
}

impl Connections {
    async fn accept_all(&self, listener: &TcpListener) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => self.begin(stream, place),
                Err(error) => {
                    tracing::warn!("a connection was not accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn begin(&self, stream: TcpStream, place: OwnedSemaphorePermit) {
        // Answers are written whole.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.limits.idle_time));
        let stream = Box::pin(stream);
        let (router, end, tls) = (self.router.clone(), self.end.subscribe(), self.tls.clone());
        let idle_time = self.limits.idle_time;
        tokio::spawn(async move {
            let _place = place;
            let ended = match tls {
                None => converse(stream, router, idle_time, end).await,
                Some(tls) => match timeout(idle_time, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, router, idle_time, end).await,
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                },
            };
            if let Err(error) = ended {
                tracing::debug!("a connection broke off: {error}");
            }
        });
    }
}

/// Answers the requests of a connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    router: Router,
    idle_time: Duration,
    mut end: watch::Receiver<()>,
) -> io::Result<()> {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        router.clone().oneshot(request.map(axum::body::Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Begins anew between two requests.
        .header_read_timeout(idle_time)
        .max_buf_size(READ_AHEAD)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = match select(connection.as_mut(), pin!(end.changed())).await {
        Either::Left((ended, _)) => ended,
        Either::Right(_) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    ended.map_err(io::Error::other)
}
