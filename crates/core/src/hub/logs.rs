use crate::operation::get;
use crate::{Chunks, Version};

get! {
    /// `GET /log`: streams the log of the hub.
    ///
    /// Response: JSON lines, each a [`LogLine`](crate::LogLine). They begin with all lines that the
    /// hub has kept (up to some MB), and continue with new ones. The stream never ends.
    pub struct ReadLog;
    NAME = "read log";
    PATH = "log";
    Decoder = Chunks;
}

get! {
    /// `GET /audit`: streams the audit log of the hub: the requests to it and their senders.
    ///
    /// Response: JSON lines, each an [`AuditRecord`](crate::AuditRecord). They begin with the
    /// records that the hub has kept, and continue with new ones. The stream never ends. While a
    /// client reads it, the hub adds heartbeats of its own and of its instances. Since hub 0.22.0.
    pub struct ReadAudit;
    NAME = "read audit";
    SINCE = Version::new(0, 22, 0);
    PATH = "audit";
    Decoder = Chunks;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_kit::assert_request;

    #[test]
    fn read_log_has_no_body() {
        assert_request(&ReadLog, "GET /log");
    }

    #[test]
    fn read_audit_has_no_body() {
        assert_request(&ReadAudit, "GET /audit");
    }
}
