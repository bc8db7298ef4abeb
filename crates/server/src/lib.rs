//! Judging photos over HTTP.
//!
//! | module | what it does |
//! |---|---|
//! | `serving` | connections: limits, time limits, encryption, a graceful end |
//! | `routes` | the one table of all that can be asked, and who may |
//! | `call`, `answer`, [`refusal`](self) | a request, its answer, and why it may have none |
//! | `api` | plain requests: photos in, verdicts out |
//! | `v2` | the Open Inference Protocol |
//! | `openapi` | what describes the server to programs |
//! | `page` | the page for people: its files |
//! | `desk`, `parts`, `jobs`, `decide`, `reports` | what the page works at: photos, jobs, thresholds, reports |
//! | `feed` | what happens, as a stream of events |
//! | `watched` | logs of `efficientad watch` on this machine |
//! | `models` | models of a folder, in memory as long as they are used |
//! | `pool`, `inspecting` | a bounded queue of photos, and the threads that inspect them |
//! | `verdicts` | the one place that every verdict passes |
//! | `access`, `tls` | tokens with roles, names, certificates |
//! | `stamp` | telling that a file has changed |
//! | `budget`, `shares` | how much memory requests take together, and how much one client may take |
//! | `metrics` | what is measured |
//!
//! A server is bounded in all that clients can make large: connections, heads, bodies, photos in the
//! queue, and the memory for all of these. What is beyond is refused by a status and a text that says
//! what helps.

mod access;
mod answer;
mod api;
mod archive;
mod budget;
mod call;
mod decide;
mod desk;
mod feed;
mod inspecting;
mod jobs;
#[cfg(test)]
mod malformed;
mod metrics;
mod models;
mod openapi;
mod options;
mod page;
mod parts;
mod pool;
mod refusal;
mod reports;
mod routes;
mod server;
mod serving;
mod shares;
mod stamp;
#[cfg(test)]
mod testing;
mod tls;
mod v2;
mod verdicts;
mod watched;

pub use access::TokenError;
pub use efficientad_record::{Keep, Policy};
pub use options::{ServeOptions, ServerLimits};
pub use server::{ServeError, Server};
pub use tls::{TlsError, TlsFiles};
