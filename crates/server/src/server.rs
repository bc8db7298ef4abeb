//! A server: what it is made of, how it starts and how it ends.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use efficientad::InspectionEngine;
use efficientad_record::RecordError;
use efficientad_stream::StreamError;
use rustls::ServerConfig;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use crate::access::{Access, TokenError};
use crate::budget::Budget;
use crate::desk::Desk;
use crate::feed::Feed;
use crate::metrics::{Metrics, Snapshot};
use crate::models::{Models, Preparing};
use crate::options::{ServeOptions, ServerLimits};
use crate::pool::Pool;
use crate::routes::router;
use crate::serving::serve;
use crate::tls::{TlsError, configure};
use crate::verdicts::Verdicts;
use crate::watched::Logs;

/// Threads for connections: they wait, most of the time.
const CONNECTION_THREADS: usize = 2;
/// Threads that read models and take requests to pieces.
const BLOCKING_THREADS: usize = 4;
/// How often it is looked whether files have changed.
const REFRESH: Duration = Duration::from_secs(1);
/// How often it is looked whether the server is to end.
const STOP_POLL: Duration = Duration::from_millis(50);

/// Why a server can't start, or ended by itself.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Everybody could do everything.
    #[error(
        "{0} can be reached from other machines, and anybody could have photos judged there: give a token \
         file or certificates of clients, listen to 127.0.0.1, or say that it is to be insecure"
    )]
    Open(SocketAddr),
    /// The folder of models can't be read.
    #[error("{}: the folder of models cannot be read ({source}); check the path and its permissions", path.display())]
    Models {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The folder of data can't be used.
    #[error("{}: the folder of data cannot be used ({source}); check the path and its permissions", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The record of changes can't be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The token file can't be used.
    #[error(transparent)]
    Tokens(#[from] TokenError),
    /// Connections can't be encrypted.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address can't be listened to.
    #[error(
        "{address}: cannot be listened to ({source}); end what listens there, or choose another address"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// A log that is to be followed is none.
    #[error(transparent)]
    Log(#[from] StreamError),
    /// Threads can't be started.
    #[error(
        "threads cannot be started ({0}); end other programs, or raise the limit of the system"
    )]
    Threads(io::Error),
}

/// What all requests share.
pub(crate) struct Shared {
    pub models: Models,
    pub pool: Pool,
    pub budget: Budget,
    pub access: Access,
    pub metrics: Metrics,
    pub feed: Feed,
    /// What the page works at.
    pub desk: Option<Desk>,
    pub limits: ServerLimits,
    /// Whether models are read that the server starts with.
    is_ready: AtomicBool,
    /// Whether the server ends.
    is_stopping: AtomicBool,
}

impl Shared {
    /// Whether more requests are welcome.
    pub(crate) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed) && !self.is_stopping.load(Ordering::Relaxed)
    }

    /// Whether the server ends.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// What is looked up when somebody asks for metrics.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let models = self.models.loaded();
        Snapshot {
            queue: (self.pool.taken(), self.pool.capacity()),
            memory: self.budget.taken(),
            models: models.iter().map(|it| (it.name.clone(), it.detector.threshold())).collect(),
        }
    }
}

/// A server that listens.
pub struct Server {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    shared: Arc<Shared>,
}

impl Server {
    /// Begins to listen. `engine` inspects, on as many threads as it has.
    ///
    /// # Errors
    /// When anybody could come in, files can't be used, or the address is not to be had.
    pub fn bind(
        options: ServeOptions,
        engine: Arc<dyn InspectionEngine>,
    ) -> Result<Self, ServeError> {
        let ServeOptions { listen, limits, .. } = options;
        let has_client_ca = options.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let is_guarded = options.tokens.is_some() || has_client_ca || options.is_insecure;
        if !listen.ip().is_loopback() && !is_guarded {
            return Err(ServeError::Open(listen));
        }
        let tls = options.tls.as_ref().map(configure).transpose()?;
        let access = Access::new(options.tokens.as_deref(), listen)?;
        let logs = Logs::open(options.watch_logs)?;
        let threads = engine.threads().count();
        let feed = Feed::default();
        let desk = options.data.map(|data| {
            let (models, engine) = (options.models.clone(), Arc::clone(&engine));
            Desk::open(data, models, (options.reading, options.keep), engine, feed.clone())
        });
        let desk = desk.transpose()?;
        let preparing =
            Preparing { engine, reading: options.reading, defect_rate: options.defect_rate };
        let models = Models::new(options.models.clone(), limits.models, preparing)
            .map_err(|source| ServeError::Models { path: options.models, source })?;
        let metrics = Metrics::default();
        let record = desk.as_ref().map(|desk| desk.shop().record.clone());
        let verdicts = Arc::new(Verdicts::new(metrics.clone(), feed.clone(), record));
        let pool = Pool::start(threads, limits.queue, &verdicts).map_err(ServeError::Threads)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(CONNECTION_THREADS)
            .max_blocking_threads(BLOCKING_THREADS)
            .enable_io()
            .enable_time()
            .build()
            .map_err(ServeError::Threads)?;
        let failed = |source| ServeError::Listen { address: listen, source };
        let listener = runtime.block_on(TcpListener::bind(listen)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let shared = Arc::new(Shared {
            models,
            pool,
            budget: Budget::new(limits.memory),
            access,
            metrics,
            feed,
            desk,
            limits,
            is_ready: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        });
        logs.follow(Arc::clone(&shared)).map_err(ServeError::Threads)?;
        Ok(Self { runtime, listener, address, tls, shared })
    }

    /// Its parts, for tests that do without connections.
    #[cfg(test)]
    pub(crate) fn into_parts(self) -> (Runtime, Arc<Shared>) {
        (self.runtime, self.shared)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Answers requests until `stop` says so, and then those that are in progress. `ready` is called
    /// once, when the models that the server starts with are in memory.
    pub fn run(self, ready: impl FnOnce() + Send + 'static, stop: impl Fn() -> bool) {
        let Self { runtime, listener, tls, shared, .. } = self;
        runtime.spawn(watch_files(Arc::clone(&shared), ready));
        runtime.block_on(async {
            let stop = async {
                while !stop() {
                    sleep(STOP_POLL).await;
                }
                shared.is_stopping.store(true, Ordering::Relaxed);
            };
            let limits = &shared.limits;
            serve(listener, tls, router(Arc::clone(&shared)), limits, stop).await;
        });
        shared.desk.iter().for_each(|desk| desk.jobs.end());
        // Nothing is left that would be worth to wait for.
        runtime.shutdown_background();
    }
}

/// Reads the models that the server starts with, and takes files anew that change.
async fn watch_files(shared: Arc<Shared>, ready: impl FnOnce()) {
    shared.models.warm_up().await;
    shared.is_ready.store(true, Ordering::Relaxed);
    ready();
    let mut trouble = None;
    loop {
        sleep(REFRESH).await;
        shared.models.refresh().await;
        shared.access.refresh();
        let now = shared.desk.as_ref().and_then(|desk| desk.shop().record.trouble());
        if let Some(reason) = now.as_ref().filter(|_| now != trouble) {
            tracing::warn!("old photos can't be deleted, so that the record grows: {reason}");
        }
        trouble = now;
    }
}
