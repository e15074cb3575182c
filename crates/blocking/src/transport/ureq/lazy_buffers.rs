//! The input and output buffers of a connection.

use std::ops::Range;

use ::ureq::unversioned::transport::Buffers;

use super::send_context;

/// Initial size of the input, enough for most short responses. The output begins with the size of
/// the request's head.
const INITIAL_SIZE: usize = 512;

/// Lower bound for the size of the output.
const MIN_OUTPUT_SIZE: usize = 256;

/// Factor by which a buffer grows.
const GROWTH: usize = 8;

/// Buffers that begin small, and grow when they are full.
///
/// ureq's own `LazyBuffers` write zeros to the whole buffers at the first use: 256 KiB per
/// connection with its default sizes, even if a thread only waits for a small event. These buffers
/// take 1 KiB for such a connection. Large ones are zeroed memory, which the operating system
/// provides page by page. But if the allocator reuses memory, it writes zeros to all of it.
#[derive(Debug)]
pub(super) struct LazyBuffers {
    input: Vec<u8>,
    input_size: usize,
    /// The bytes of `input` that were received and not yet consumed.
    unconsumed: Range<usize>,
    /// The last read filled the input.
    is_full: bool,
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
            is_full: false,
            output: Vec::new(),
            output_size,
            progress: false,
        }
    }

    /// Enlarges the input to at least this size. Moves unconsumed bytes to the front.
    fn grow_input(&mut self, size: usize) {
        if self.input.len() < size {
            // Not `resize`, which would write to all pages.
            let mut input = vec![0; size];
            let unconsumed = self.input();
            input
                .iter_mut()
                .zip(unconsumed)
                .for_each(|(place, byte)| *place = *byte);
            self.unconsumed = 0..unconsumed.len();
            self.input = input;
        }
    }

    /// Returns the spare capacity of the input. Moves unconsumed bytes to the front if they are in
    /// the second half.
    fn spare_input(&mut self) -> &mut [u8] {
        if self.input.is_empty() {
            self.grow_input(self.input_size.min(INITIAL_SIZE));
        } else if std::mem::take(&mut self.is_full) {
            self.grow_input(self.input_size.min(self.input.len().saturating_mul(GROWTH)));
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

    /// Enlarges the output to at least this size, but not more than its upper bound.
    pub(super) fn grow_output(&mut self, size: usize) {
        let size = size.max(MIN_OUTPUT_SIZE).min(self.output_size);
        if self.output.len() < size {
            self.output = vec![0; size];
        }
    }

    /// Records that the output was sent up to this length. If that is all, the output grows.
    pub(super) fn output_sent(&mut self, amount: usize) {
        if amount == self.output.len() {
            self.grow_output(amount.saturating_mul(GROWTH));
        }
    }
}

impl Buffers for LazyBuffers {
    fn output(&mut self) -> &mut [u8] {
        // ureq fails if a line of the head does not fit.
        self.grow_output(send_context::head_size());
        &mut self.output
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
        self.is_full = amount > 0 && self.unconsumed.end == self.input.len();
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
        self.grow_input(self.input_size);
        if self.spare_input().len() < MIN_SPARE {
            let size = self.unconsumed.end.saturating_add(MIN_SPARE);
            self.input.resize(size, 0);
        }
        self.grow_output(self.output_size);
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
    fn buffers_grow_when_they_are_full() {
        let mut buffers = LazyBuffers::new(64 << 10, 64 << 10);
        assert_eq!(buffers.input_append_buf().len(), INITIAL_SIZE);
        buffers.input_appended(INITIAL_SIZE - 1);
        assert_eq!(buffers.input_append_buf().len(), 1, "not full yet");
        buffers.input_append_buf().fill(b'x');
        buffers.input_appended(1);
        buffers.input_consume(INITIAL_SIZE - 1);
        let grown = INITIAL_SIZE * GROWTH;
        assert_eq!(buffers.input_append_buf().len(), grown - 1);
        assert_eq!(buffers.input(), b"x");

        let length = buffers.output().len();
        buffers.output_sent(length - 1);
        assert_eq!(buffers.output().len(), length);
        buffers.output_sent(length);
        assert_eq!(buffers.output().len(), GROWTH * length);
    }

    #[test]
    fn tmp_and_output_leaves_spare_capacity_beside_unconsumed_input() {
        let mut buffers = received(b"abcdefgh");
        let (free, output) = buffers.tmp_and_output();
        assert_eq!((free.len(), output.len()), (10 << 10, 4));
        assert_eq!(buffers.input(), b"abcdefgh");
    }
}
