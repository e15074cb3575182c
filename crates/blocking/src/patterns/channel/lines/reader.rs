use std::time::{Duration, Instant};

use scramjet_client_core::{
    Decode, Ended, InstanceId, Lines, OutputStream, ReadStream, RunnerExit, Step,
};

use crate::body::byte_stream::ByteStream;
use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::handles::instance::transform::check_completed;
use crate::handles::instance::wait::explain_loss;
use crate::patterns::channel::codec::Format;
use crate::patterns::channel::lines::state::{State, StreamEnd};
use crate::support::monitor::Monitor;

/// Timeout for finding out how an instance has ended.
const STATE_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads responses until the output ends, or a line arrives without a request.
pub(super) fn read(
    shared: &Monitor<State>,
    output: &mut ByteStream,
    format: Format,
    client: &Client,
    id: &InstanceId,
) -> Option<StreamEnd> {
    shared.change(|state| state.reading_since = Some(Instant::now()));
    let (mut decoder, mut buf) = (Lines::default(), vec![0; 8 << 10]);
    loop {
        let read = match output.pull(&mut buf) {
            Ok(read) => read,
            Err(error) => return Some(StreamEnd::Failed(explain_loss(client, id, error))),
        };
        // `end` is never called on the decoder, so it ignores a last line without a line end. Such
        // a line is incomplete, because the instance died while it wrote the line.
        decoder.feed(buf.get(..read).unwrap_or_default());
        let mut lines = Vec::new();
        loop {
            match decoder.next_item() {
                Ok(Step::Item(line)) if format == Format::Json && line.trim_ascii().is_empty() => {}
                Ok(Step::Item(line)) => lines.push(Ok(line)),
                Ok(Step::NeedData | Step::End) => break,
                Err(error) => lines.push(Err(error)),
            }
        }
        // Adds all lines of a chunk together, so that an extra line is noticed at once.
        let goes_on = lines.is_empty() || shared.change(|state| state.add_lines(lines));
        if !goes_on {
            return None;
        }
        if read == 0 {
            return Some(StreamEnd::Failed(end_of_output(client, id)));
        }
    }
}

/// Returns the error for an output that has ended without an error.
fn end_of_output(client: &Client, id: &InstanceId) -> Error {
    let completed = check_completed(&client.tightened(Some(STATE_TIMEOUT)), id);
    completed.err().unwrap_or_else(|| {
        // The hub lists a completed instance as running for 10 more seconds.
        let mut ended = Ended::gone(id);
        ended.exit = Some(RunnerExit::Completed);
        let operation = ReadStream {
            id,
            stream: OutputStream::Output,
        };
        client
            .describe(&operation)
            .failed(ErrorKind::Ended(Box::new(ended)))
    })
}
