use http::Method;

use crate::operation::Inline;
use crate::{Chunks, Operation, Path, Version};

/// `GET /log`: what the hub logs, in JSON lines ([`LogLine`](crate::LogLine)): first all that it has kept (up to some MB),
/// then as it comes. Never ends.
#[derive(Clone, Copy, Debug)]
pub struct ReadLog;

impl Operation for ReadLog {
    const NAME: &'static str = "read log";
    const METHOD: Method = Method::GET;
    type Payload = Inline;
    type Decoder = Chunks;

    fn path(&self) -> Path {
        Path::new("log")
    }
}

/// `GET /audit`: what is done on the hub and by whom, in JSON lines ([`AuditRecord`](crate::AuditRecord)): first what it has
/// kept, then as it comes. Never ends. Since 0.22.0.
///
/// While anyone reads, the hub adds heartbeats of its own and of its instances.
#[derive(Clone, Copy, Debug)]
pub struct ReadAudit;

impl Operation for ReadAudit {
    const NAME: &'static str = "read audit";
    const METHOD: Method = Method::GET;
    const SINCE: Version = Version::new(0, 22, 0);
    type Payload = Inline;
    type Decoder = Chunks;

    fn path(&self) -> Path {
        Path::new("audit")
    }
}
