//! The buffers of a connection.

use ::ureq::unversioned::transport::Buffers;

/// Buffers of which memory is taken up only as far as they were used.
///
/// ureq's own (`LazyBuffers`) are filled with zeros at their first use: 256 KiB for each connection with the sizes that it has by itself, also
/// for one on which a thread waits for a small event. These are asked of the system, which gives zeros without touching them: 8 KiB for such
/// a one.
#[derive(Debug)]
pub(super) struct Sparse {
    input: Vec<u8>,
    input_size: usize,
    /// What of the input is there and was not used yet.
    filled: std::ops::Range<usize>,
    output: Vec<u8>,
    output_size: usize,
    /// The last bytes that were looked at could be used.
    progress: bool,
}

impl Sparse {
    pub(super) fn new(input_size: usize, output_size: usize) -> Self {
        Self {
            input: Vec::new(),
            input_size,
            filled: 0..0,
            output: Vec::new(),
            output_size,
            progress: false,
        }
    }

    /// The free part of the input. What was used makes room where there would be little.
    fn free(&mut self) -> &mut [u8] {
        if self.input.is_empty() {
            self.input = vec![0; self.input_size];
        }
        if self.filled.is_empty() {
            self.filled = 0..0;
        } else if self.filled.start > 0 && self.filled.end > self.input.len() / 2 {
            self.input.copy_within(self.filled.clone(), 0);
            self.filled = 0..self.filled.len();
        }
        self.input.get_mut(self.filled.end..).unwrap_or_default()
    }

    fn room(&mut self) -> &mut Vec<u8> {
        if self.output.is_empty() {
            self.output = vec![0; self.output_size];
        }
        &mut self.output
    }
}

impl Buffers for Sparse {
    fn output(&mut self) -> &mut [u8] {
        self.room()
    }

    fn input(&self) -> &[u8] {
        self.input.get(self.filled.clone()).unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.free()
    }

    fn input_appended(&mut self, amount: usize) {
        self.filled.end = self.filled.end.saturating_add(amount).min(self.input.len());
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.filled.start = self
            .filled
            .start
            .saturating_add(amount)
            .min(self.filled.end);
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        // What is sent is read into the free part of the input. There is hardly ever something else in it: an answer that came before the
        // upload was asked for. It is not to keep the upload from being sent.
        const LEAST: usize = 10 << 10;
        if self.free().len() < LEAST {
            self.input.resize(self.filled.end.saturating_add(LEAST), 0);
        }
        self.room();
        let free = self.input.get_mut(self.filled.end..).unwrap_or_default();
        (free, &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        !self.filled.is_empty() && self.progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &[u8]) -> Sparse {
        let mut buffers = Sparse::new(8, 4);
        buffers
            .input_append_buf()
            .iter_mut()
            .zip(text)
            .for_each(|(place, byte)| *place = *byte);
        buffers.input_appended(text.len());
        buffers
    }

    #[test]
    fn nothing_is_taken_up_before_it_is_needed() {
        let mut buffers = Sparse::new(8, 4);
        assert_eq!(
            (buffers.input.capacity(), buffers.output.capacity()),
            (0, 0)
        );
        assert_eq!(buffers.output().len(), 4);
        assert_eq!(buffers.input.capacity(), 0);
        assert_eq!(buffers.input_append_buf().len(), 8);
    }

    #[test]
    fn what_is_there_stays_until_it_was_used() {
        let mut buffers = filled(b"abcdef");
        assert!(!buffers.can_use_input(), "nobody has looked at it");
        buffers.input_consume(2);
        assert_eq!(
            (buffers.input(), buffers.can_use_input()),
            (&b"cdef"[..], true)
        );
        buffers.input_consume(0);
        assert!(
            !buffers.can_use_input(),
            "it is too little for who looked at it"
        );
        // It makes room for more, and goes on after what is there.
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
    fn an_upload_has_room_beside_what_came_before_it() {
        let mut buffers = filled(b"abcdefgh");
        let (free, output) = buffers.tmp_and_output();
        assert_eq!((free.len(), output.len()), (10 << 10, 4));
        assert_eq!(buffers.input(), b"abcdefgh");
    }
}
