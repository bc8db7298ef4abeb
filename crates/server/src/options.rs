//! How a server is to run.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use efficientad_jobs::Reading;
use efficientad_record::Policy;

use crate::tls::TlsFiles;

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// The folder of models: each is a file `NAME.model`.
    pub models: PathBuf,
    /// The folder of data that the page works at: photos, reports, the record of changes; `None` if
    /// photos are judged and nothing else.
    pub data: Option<PathBuf>,
    /// Logs of `efficientad watch` on this machine, whose verdicts the line shows too. They need not be there
    /// yet.
    pub watch_logs: Vec<PathBuf>,
    /// Which photos the record of verdicts keeps, where there is a folder of data.
    pub keep: Policy,
    /// Where to listen; port 0 is any that is free.
    pub listen: SocketAddr,
    /// The file of tokens; `None` if none are asked for.
    pub tokens: Option<PathBuf>,
    /// What connections are encrypted by; `None` if they are not.
    pub tls: Option<TlsFiles>,
    /// Whether others than this machine may come in without a token or certificate.
    pub is_insecure: bool,
    /// What is said of how photos are read.
    pub reading: Reading,
    /// Largest share of defective parts that is no drift, from 0 to below 1.
    pub defect_rate: f64,
    /// What is refused as too much.
    pub limits: ServerLimits,
}

/// What a server refuses as too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Models in memory.
    pub models: usize,
    /// Photos that wait, beside those that are being inspected.
    pub queue: usize,
    /// Bytes of a request's body.
    pub body: usize,
    /// Bytes of all bodies, and of the pictures and maps that are asked for, together.
    pub memory: usize,
    /// Photos of one request.
    pub photos: usize,
    /// Connections at once.
    pub connections: usize,
    /// How long a client may take to send the head of a request, send nothing between two, or take
    /// nothing of an answer.
    pub idle_time: Duration,
    /// How long a client may take to send the body of a request.
    pub body_time: Duration,
    /// How long requests in progress are waited for at the end.
    pub stop_time: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            models: 4,
            queue: 64,
            body: 64 << 20,
            memory: 256 << 20,
            photos: 256,
            connections: 512,
            idle_time: Duration::from_secs(30),
            body_time: Duration::from_secs(60),
            stop_time: Duration::from_secs(60),
        }
    }
}
