use std::io;
use std::mem::replace;
use std::ops::ControlFlow;

use crate::limits::call_limits::StopReason;
use crate::support::panics::in_drop;

/// Progress of an upload or a download. See [`Upload::progress`](crate::Upload::progress) and
/// [`ByteStream::progress`](crate::ByteStream::progress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Number of bytes so far.
    pub bytes: u64,
    /// Total number of bytes, if known.
    pub total: Option<u64>,
}

impl Progress {
    /// Returns the progress in percent, from 0 to 100, if the total is known. An empty transfer is
    /// at 100 percent.
    #[must_use]
    pub fn percent(&self) -> Option<u8> {
        let percent = (u128::from(self.bytes) * 100)
            .checked_div(u128::from(self.total?))
            .unwrap_or(100);
        Some(u8::try_from(percent.min(100)).unwrap_or(100))
    }
}

type Report = Box<dyn FnMut(Progress) -> ControlFlow<()> + Send>;

/// Calls the progress callback, if there is one.
#[derive(Default)]
pub(crate) struct Reporter {
    report: Option<Report>,
    started: bool,
    /// The callback is running, or it has panicked.
    reporting: bool,
}

impl Reporter {
    pub(crate) fn new(report: impl FnMut(Progress) -> ControlFlow<()> + Send + 'static) -> Self {
        Self {
            report: Some(Box::new(report)),
            ..Self::default()
        }
    }

    /// Reports zero bytes at the first call, so that a progress bar knows the total before data
    /// moves. Later calls have no effect.
    pub(crate) fn report_start(&mut self, total: Option<u64>) -> io::Result<()> {
        if replace(&mut self.started, true) {
            Ok(())
        } else {
            self.report(0, total)
        }
    }

    pub(crate) fn report(&mut self, bytes: u64, total: Option<u64>) -> io::Result<()> {
        let Some(report) = &mut self.report else {
            return Ok(());
        };
        if replace(&mut self.reporting, true) {
            // The data that was read before the panic is lost.
            return Err(io::Error::other("the progress callback panicked"));
        }
        let flow = report(Progress { bytes, total });
        self.reporting = false;
        match flow {
            ControlFlow::Break(()) => Err(StopReason::Cancelled.into()),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        in_drop(|| drop(self.report.take()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_neither_more_than_all_nor_a_division_by_zero() {
        let percent = |bytes, total| Progress { bytes, total }.percent();
        assert_eq!(percent(5, None), None);
        assert_eq!(percent(0, Some(0)), Some(100));
        assert_eq!(percent(0, Some(7)), Some(0));
        assert_eq!(percent(199, Some(200)), Some(99));
        assert_eq!(percent(u64::MAX, Some(u64::MAX)), Some(100));
        assert_eq!(percent(9, Some(3)), Some(100));
    }
}
