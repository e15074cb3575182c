use http::Method;

use super::instance_path;
use crate::operation::Inline;
use crate::{Chunks, InstanceId, Operation, Path};

/// `GET /instance/:id/{stdout,stderr,output,log}`: reads one of the streams of an instance.
///
/// Response: the stream as bytes. The hub buffers data until the first client reads the stream. If
/// several clients read it, each gets all data from its request on, and a slow one blocks the
/// others.
///
/// Quirk (1.x): after an uncaught exception in the sequence, all streams stay open for 195 seconds.
#[derive(Clone, Copy, Debug)]
pub struct ReadStream<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// The stream.
    pub stream: OutputStream,
}

impl Operation for ReadStream<'_> {
    const NAME: &'static str = "read stream";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Chunks;

    fn path(&self) -> Path {
        instance_path(self.id).literal(self.stream.as_str())
    }
}

/// A stream that an instance writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutputStream {
    /// The standard output of the process. Ends with the process: about 10 seconds after the
    /// sequence completed, or at once after a kill.
    Stdout,
    /// The standard error of the process. Ends like `stdout`.
    Stderr,
    /// The output of the sequence: objects as JSON lines, text and bytes unchanged. Ends with the
    /// output of the sequence.
    Output,
    /// The log of the instance in JSON lines ([`LogLine`](crate::LogLine)). Quirk (1.x): never
    /// ends, not even when the instance does.
    Log,
}

impl OutputStream {
    /// Returns the name of the stream in the route.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Output => "output",
            Self::Log => "log",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::{assert_request, id};

    #[test]
    fn read_stream_has_the_stream_in_its_path() {
        for (stream, expected) in [
            (OutputStream::Stdout, "GET /instance/i/stdout"),
            (OutputStream::Stderr, "GET /instance/i/stderr"),
            (OutputStream::Output, "GET /instance/i/output"),
            (OutputStream::Log, "GET /instance/i/log"),
        ] {
            let id = &id("i");
            assert_request(&ReadStream { id, stream }, expected);
        }
    }
}
