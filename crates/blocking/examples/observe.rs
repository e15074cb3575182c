//! Looks on at what a client does: as lines of `log`, and as spans and events of `tracing`. Copy the adapter that you need.
//!
//! `cargo run --release --example observe -- [--hub URL]`
//!
//! Without `--hub` or `SCRAMJET_HUB_URL` it starts a hub on this machine. It leaves nothing behind, also when a step fails.

use std::error::Error;
use std::io;

use scramjet_client_blocking::{HostClient, Observer, RequestEvent, RequestInfo};
use scramjet_client_tests::hub;

/// Every request as lines of [`log`], failures as warnings.
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
            } => log::warn!("#{number} attempt {attempt} in vain, again in {delay:?}: {error}"),
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

/// Every request as events of [`tracing`], with fields to filter and count by.
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
                tracing::debug!(number, operation, method = %request.method, url = request.url, "request")
            }
            RequestEvent::Attempt { attempt, .. } => tracing::trace!(number, attempt, "attempt"),
            RequestEvent::Head {
                attempt,
                status,
                sent,
                timings,
                ..
            } => {
                tracing::debug!(number, attempt, status = status.as_u16(), sent, reused = timings.reused, wait = ?timings.wait, "head");
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

/// The shortest logger.
struct Lines;

impl log::Log for Lines {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // ureq's lines of the level `trace` hold all that is sent, tokens included.
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

    let hub = hub::from_args()?;
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
