//! Logs the requests of a client with `log`, and with `tracing`. Copy the adapter that you need.
//!
//! `cargo run -p scramjet-client-blocking --example observe`
//!
//! Prints each step of each request on standard error. Uses the hub of `SCRAMJET_HUB_URL`, or a
//! fake hub. Creates nothing on the hub.

#![allow(clippy::print_stderr, reason = "examples print to the terminal")]

use std::error::Error;
use std::io;

use scramjet_client_blocking::{HostClient, Observer, RequestEvent, RequestInfo};
use scramjet_client_testing::demo;

/// Writes requests as lines of [`log`], and failures as warnings.
struct ToLog;

impl Observer for ToLog {
    fn observe(&self, request: &RequestInfo<'_>, event: &RequestEvent<'_>) {
        let RequestInfo {
            number,
            operation,
            method,
            url,
            elapsed,
            ..
        } = request;
        match event {
            RequestEvent::Built => log::debug!("#{number} {operation}: {method} {url}"),
            RequestEvent::Head {
                status, timings, ..
            } => log::debug!("#{number} {status} after {elapsed:?} ({timings:?})"),
            RequestEvent::Retry {
                attempt,
                error,
                delay,
                ..
            } => log::warn!("#{number} attempt {attempt} failed, retry in {delay:?}: {error}"),
            RequestEvent::Body {
                bytes,
                complete: true,
                ..
            } => log::info!("#{number} {operation}: {bytes} bytes in {elapsed:?}"),
            RequestEvent::Body { bytes, .. } => {
                log::info!("#{number} {operation}: dropped after {bytes} bytes and {elapsed:?}")
            }
            RequestEvent::Failed { error, .. } => log::warn!("#{number} {error}"),
            _ => {}
        }
    }
}

/// Writes requests as events of [`tracing`], with fields for filters and metrics.
struct ToTracing;

impl Observer for ToTracing {
    fn observe(&self, request: &RequestInfo<'_>, event: &RequestEvent<'_>) {
        let RequestInfo {
            number,
            operation,
            elapsed,
            ..
        } = *request;
        match event {
            RequestEvent::Built => {
                let RequestInfo { method, url, .. } = request;
                tracing::debug!(number, operation, %method, url, "request")
            }
            RequestEvent::Attempt { attempt, .. } => tracing::trace!(number, attempt, "attempt"),
            RequestEvent::Head {
                attempt,
                status,
                sent,
                timings,
                ..
            } => {
                let (status, reused, wait) = (status.as_u16(), timings.reused, timings.wait);
                tracing::debug!(number, attempt, status, sent, reused, ?wait, "head");
            }
            RequestEvent::Retry {
                attempt,
                error,
                delay,
                ..
            } => tracing::warn!(number, attempt, %error, ?delay, "retry"),
            RequestEvent::Body {
                bytes, complete, ..
            } => tracing::info!(number, operation, bytes, complete, ?elapsed, "body"),
            RequestEvent::Failed { error, .. } => {
                tracing::warn!(number, operation, %error, ?elapsed, "failed")
            }
            _ => {}
        }
    }
}

/// A minimal logger.
struct Lines;

impl log::Log for Lines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // ureq logs everything it sends at the level `trace`, including tokens.
        !metadata.target().starts_with("ureq")
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("[{}] {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

fn main() -> Result<(), Box<dyn Error>> {
    log::set_boxed_logger(Box::new(Lines))?;
    log::set_max_level(log::LevelFilter::Debug);
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(io::stderr)
        .without_time()
        .init();

    let hub = demo::hub();
    use_hub(&HostClient::builder(hub.url()).observer(ToLog).build()?)?;
    use_hub(
        &HostClient::builder(hub.url())
            .bearer_token("a-secret")
            .observer(ToTracing)
            .build()?,
    )
}

fn use_hub(host: &HostClient) -> Result<(), Box<dyn Error>> {
    host.version()?;
    host.list_sequences()?;
    match host.sequence_info("no-such-sequence") {
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
        Ok(info) => Err(format!("there is a sequence {}", info.id).into()),
    }
}
