//! The input and output buffers of a connection.

use std::ops::Range;

use ::ureq::unversioned::transport::Buffers;

/// Buffers that use physical memory only as far as they are filled.
///
/// ureq's own `LazyBuffers` write zeros to the whole buffers at the first use: 256 KiB per
/// connection with its default sizes, even if a thread only waits for a small event. These buffers
/// allocate zeroed memory, which the operating system provides page by page: 8 KiB for such a
/// connection.
#[derive(Debug)]
pub(super) struct LazyBuffers {
    input: Vec<u8>,
    input_size: usize,
    /// The bytes of `input` that were received and not yet consumed.
    unconsumed: Range<usize>,
    output: Vec<u8>,
    output_size: usize,
    /// The last call of `input_consume` consumed something.
    progress: bool,
}

impl LazyBuffers {
    /// Creates buffers of these sizes. Allocates nothing.
    pub(super) fn new(input_size: usize, output_size: usize) -> Self {
        Self {
            input: Vec::new(),
            input_size,
            unconsumed: 0..0,
            output: Vec::new(),
            output_size,
            progress: false,
        }
    }

    /// Returns the spare capacity of the input. Moves unconsumed bytes to the front if they are in
    /// the second half.
    fn spare_input(&mut self) -> &mut [u8] {
        if self.input.is_empty() {
            self.input = vec![0; self.input_size];
        }
        if self.unconsumed.is_empty() {
            self.unconsumed = 0..0;
        } else if self.unconsumed.start > 0 && self.unconsumed.end > self.input.len() / 2 {
            self.input.copy_within(self.unconsumed.clone(), 0);
            self.unconsumed = 0..self.unconsumed.len();
        }
        self.input
            .get_mut(self.unconsumed.end..)
            .unwrap_or_default()
    }

    fn allocated_output(&mut self) -> &mut Vec<u8> {
        if self.output.is_empty() {
            self.output = vec![0; self.output_size];
        }
        &mut self.output
    }
}

impl Buffers for LazyBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.allocated_output()
    }

    fn input(&self) -> &[u8] {
        self.input.get(self.unconsumed.clone()).unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.spare_input()
    }

    fn input_appended(&mut self, amount: usize) {
        let end = self.unconsumed.end.saturating_add(amount);
        self.unconsumed.end = end.min(self.input.len());
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        let start = self.unconsumed.start.saturating_add(amount);
        self.unconsumed.start = start.min(self.unconsumed.end);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        // ureq reads the upload into the spare capacity of the input. During an upload, the input
        // is nearly always empty. It may hold an early response, which must not block the upload.
        const MIN_SPARE: usize = 10 << 10;
        if self.spare_input().len() < MIN_SPARE {
            let size = self.unconsumed.end.saturating_add(MIN_SPARE);
            self.input.resize(size, 0);
        }
        self.allocated_output();
        let spare = self.input.get_mut(self.unconsumed.end..);
        (spare.unwrap_or_default(), &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        !self.unconsumed.is_empty() && self.progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(text: &[u8]) -> LazyBuffers {
        let mut buffers = LazyBuffers::new(8, 4);
        buffers
            .input_append_buf()
            .iter_mut()
            .zip(text)
            .for_each(|(place, byte)| *place = *byte);
        buffers.input_appended(text.len());
        buffers
    }

    #[test]
    fn buffers_are_allocated_when_they_are_used() {
        let mut buffers = LazyBuffers::new(8, 4);
        assert_eq!(
            (buffers.input.capacity(), buffers.output.capacity()),
            (0, 0)
        );
        assert_eq!(buffers.output().len(), 4);
        assert_eq!(buffers.input.capacity(), 0);
        assert_eq!(buffers.input_append_buf().len(), 8);
    }

    #[test]
    fn input_keeps_unconsumed_bytes() {
        let mut buffers = received(b"abcdef");
        assert!(!buffers.can_use_input(), "nothing was consumed yet");
        buffers.input_consume(2);
        assert_eq!(
            (buffers.input(), buffers.can_use_input()),
            (&b"cdef"[..], true)
        );
        buffers.input_consume(0);
        assert!(!buffers.can_use_input(), "the last call consumed nothing");
        // Unconsumed bytes move to the front, and received bytes follow them.
        assert_eq!(buffers.input_append_buf().len(), 4);
        buffers.input_append_buf().fill(b'x');
        buffers.input_appended(4);
        assert_eq!(buffers.input(), b"cdefxxxx");
        buffers.input_consume(8);
        assert_eq!(
            (buffers.input(), buffers.can_use_input()),
            (&b""[..], false)
        );
        assert_eq!(buffers.input_append_buf().len(), 8);
    }

    #[test]
    fn tmp_and_output_leaves_spare_capacity_beside_unconsumed_input() {
        let mut buffers = received(b"abcdefgh");
        let (free, output) = buffers.tmp_and_output();
        assert_eq!((free.len(), output.len()), (10 << 10, 4));
        assert_eq!(buffers.input(), b"abcdefgh");
    }
}
