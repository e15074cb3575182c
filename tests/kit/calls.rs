//! Records the operations that tests with a hub call, to find those that no test calls.

use std::env;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;

use scramjet_client_blocking::{HostClient, HostClientBuilder, RequestEvent, RequestInfo};

/// Environment variable with the file that gets the name of each called operation, one in a line.
pub const RECORD: &str = "SCRAMJET_TEST_RECORD";

/// Returns a builder of clients. Clients in a process with [`RECORD`] record the operations that
/// succeeded.
pub fn client_builder(url: impl Into<String>) -> HostClientBuilder {
    let builder = HostClient::builder(url);
    match env::var_os(RECORD) {
        None => builder,
        Some(path) => {
            builder.observer(move |request: &RequestInfo<'_>, event: &RequestEvent<'_>| {
                if matches!(event, RequestEvent::Head { status, .. } if status.is_success()) {
                    append(&path, request.operation);
                }
            })
        }
    }
}

/// Appends a line with a single write, because other threads write to the file too.
fn append(path: &OsString, operation: &str) {
    let file = OpenOptions::new().create(true).append(true).open(path);
    file.and_then(|mut file| file.write_all(format!("{operation}\n").as_bytes()))
        .unwrap();
}
