//! `efficientad serve`.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use efficientad_server::{Policy, ServeOptions, Server, ServerLimits, TlsFiles};
use tracing_subscriber::filter::LevelFilter;

use crate::args::{GuardArgs, ServeArgs, ServeLimitArgs};
use crate::interrupt::Interrupt;
use crate::output::{self, Status, note};
use crate::{engine, machine};

/// Judges photos that programs send.
pub fn run(args: ServeArgs) -> Result<Status> {
    machine::return_freed_memory();
    log(args.log_json);
    let engine = engine::open(&args.engine)?;
    let interrupt = Interrupt::listen(
        "stopping when requests in progress are answered; once more to stop at once",
    )?;
    let mut options = options(&args);
    options.watch_logs.extend(logs_of_stations(&args)?);
    if args.guard.token.is_some() && options.tls.is_none() && !options.listen.ip().is_loopback() {
        note("tokens and photos can be read on their way: give --tls-cert and --tls-key");
    }
    let server = Server::bind(options, engine)?;
    let scheme = if server.is_encrypted() { "https" } else { "http" };
    let address = format!("{scheme}://{}", server.address());
    interrupt.hold();
    // Its reader may have gone away; the server serves on.
    let ready = move || drop(output::print(format_args!("ready at {address}")));
    server.run(ready, || interrupt.is_requested());
    Ok(Status::Done)
}

/// The logs of the lines of stations.
#[cfg(feature = "station")]
fn logs_of_stations(args: &ServeArgs) -> Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for file in &args.station {
        let station = efficientad_station::StationConfig::open(file)?;
        logs.extend(station.lines.keys().map(|line| station.log(line)));
    }
    Ok(logs)
}

#[cfg(not(feature = "station"))]
fn logs_of_stations(_: &ServeArgs) -> Result<Vec<PathBuf>> {
    Ok(Vec::new())
}

/// Has the log written to the error output.
fn log(as_json: bool) {
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::INFO).with_writer(io::stderr);
    if as_json {
        log.json().flatten_event(true).with_current_span(false).with_target(false).init();
    } else {
        log.with_target(false).init();
    }
}

fn options(args: &ServeArgs) -> ServeOptions {
    let GuardArgs { token, tls_cert, tls_key, tls_client_ca, insecure } = &args.guard;
    let tls = tls_cert.clone().zip(tls_key.clone());
    ServeOptions {
        models: args.models.clone(),
        data: args.data.clone(),
        watch_logs: args.watch_log.clone(),
        keep: Policy {
            keep: args.record.keep_photos.into(),
            max_bytes: u64::from(args.record.keep_gib) << 30,
            max_age: args
                .record
                .keep_days
                .map(|days| Duration::from_secs(86_400 * u64::from(days))),
        },
        listen: args.listen,
        tokens: token.clone(),
        tls: tls.map(|(certificate, key)| TlsFiles {
            certificate,
            key,
            client_ca: tls_client_ca.clone(),
        }),
        is_insecure: *insecure,
        reading: args.decode.reading(),
        defect_rate: args.defect_rate,
        limits: limits(&args.limits),
    }
}

fn limits(args: &ServeLimitArgs) -> ServerLimits {
    ServerLimits {
        models: args.max_models.into(),
        queue: args.queue.into(),
        body: usize::from(args.max_body) << 20,
        memory: (args.memory as usize) << 20,
        connections: args.max_connections.into(),
        body_time: Duration::from_secs(args.body_time.into()),
        idle_time: Duration::from_secs(args.idle_time.into()),
        ..ServerLimits::default()
    }
}
