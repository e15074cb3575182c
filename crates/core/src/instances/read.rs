use http::Method;

use super::instance_path;
use crate::operation::Inline;
use crate::{Chunks, InstanceId, Operation, Path};

/// `GET /instance/:id/{stdout,stderr,output,log}`: one of the instance's streams, as it comes.
///
/// What was written before the first reader came is kept for it. Every reader gets everything from the moment it came, and
/// one that does not keep up holds all others back.
#[derive(Clone, Copy, Debug)]
pub struct ReadStream<'a> {
    /// The instance.
    pub id: &'a InstanceId,
    /// Which of its streams.
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

/// A stream that comes out of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutputStream {
    /// What its process prints. Ends with the process, about 10 seconds after the sequence completed, or at once when it is killed.
    Stdout,
    /// What its process prints to standard error. Ends like `stdout`.
    Stderr,
    /// What the sequence returns: JSON lines for objects, text and bytes as they are. Ends when the sequence's output does.
    Output,
    /// What it logs, in JSON lines ([`LogLine`](crate::LogLine)). quirk (1.x): never ends, not even with the instance.
    Log,
}

impl OutputStream {
    /// The stream's name in the route.
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
