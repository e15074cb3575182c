//! Streams inside the hub: what is written to one is kept for its readers.

use std::collections::{BTreeMap, VecDeque};

use super::InstanceKey;

/// Names a pipe of a [`Pipes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PipeId(u64);

/// Names a reader of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReaderId(u64);

/// The part of the data that a pipe keeps while nobody reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// All of it, for the next reader; a full pipe takes no more.
    ForNext,
    /// The latest of it, for the next reader; a full pipe drops the oldest.
    Latest,
    /// The latest of it, for every reader that comes.
    History,
    /// Nothing.
    Nothing,
}

/// A result of reading a pipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PipeRead {
    Chunk(Vec<u8>),
    Pending,
    End,
}

#[derive(Debug)]
struct Pipe {
    retention: Retention,
    capacity: usize,
    backlog: Chunks,
    readers: BTreeMap<ReaderId, Chunks>,
    ended: bool,
    /// Belongs to nothing any more, and goes with its last reader.
    orphaned: bool,
    /// The instance whose process reads or writes it.
    owner: Option<InstanceKey>,
}

/// Chunks as they were written.
#[derive(Clone, Debug, Default)]
struct Chunks {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Chunks {
    fn push(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len();
        self.chunks.push_back(chunk.to_vec());
    }

    fn pop(&mut self) -> Option<Vec<u8>> {
        let chunk = self.chunks.pop_front()?;
        self.bytes -= chunk.len();
        Some(chunk)
    }

    fn joined(mut self) -> Self {
        let joined = self.chunks.make_contiguous().concat();
        let chunks = (!joined.is_empty()).then_some(joined).into_iter().collect();
        Self { chunks, ..self }
    }
}

/// All pipes of a hub.
#[derive(Debug, Default)]
pub(super) struct Pipes {
    pipes: BTreeMap<PipeId, Pipe>,
    next: u64,
    /// The first reader gets what was kept for it in one chunk.
    joins_backlog: bool,
}

impl Pipes {
    pub(super) fn new(joins_kept: bool) -> Self {
        Self {
            joins_backlog: joins_kept,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, keep: Retention, capacity: usize) -> PipeId {
        self.next += 1;
        let id = PipeId(self.next);
        let (kept, readers) = (Chunks::default(), BTreeMap::new());
        let (ended, orphaned, owner) = (false, false, None);
        let pipe = Pipe {
            retention: keep,
            capacity,
            backlog: kept,
            readers,
            ended,
            orphaned,
            owner,
        };
        self.pipes.insert(id, pipe);
        id
    }

    /// A pipe of an instance.
    pub(super) fn add_for(
        &mut self,
        owner: InstanceKey,
        keep: Retention,
        capacity: usize,
    ) -> PipeId {
        let id = self.add(keep, capacity);
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.owner = Some(owner);
        }
        id
    }

    pub(super) fn owner(&self, id: PipeId) -> Option<InstanceKey> {
        self.pipes.get(&id)?.owner
    }

    /// Takes a chunk, or as much of it as there is room for. All of it is written in one piece if
    /// there is room for a single byte: that is how streams of Node.js behave.
    pub(super) fn write(&mut self, id: PipeId, chunk: &[u8]) -> usize {
        if self.is_full(id) && !chunk.is_empty() {
            return 0;
        }
        let takes = |pipe: &&mut Pipe| !pipe.ended && !chunk.is_empty();
        let Some(pipe) = self.pipes.get_mut(&id).filter(takes) else {
            return chunk.len();
        };
        for queue in pipe.readers.values_mut() {
            queue.push(chunk);
        }
        let keeps = match pipe.retention {
            Retention::ForNext | Retention::Latest => pipe.readers.is_empty(),
            Retention::History => true,
            Retention::Nothing => false,
        };
        if keeps {
            pipe.backlog.push(chunk);
            while pipe.retention != Retention::ForNext && pipe.backlog.bytes > pipe.capacity {
                pipe.backlog.pop();
            }
        }
        chunk.len()
    }

    /// Checks if a write would be refused.
    pub(super) fn is_full(&self, id: PipeId) -> bool {
        self.pipes.get(&id).is_some_and(|pipe| {
            let full = |queue: &Chunks| queue.bytes >= pipe.capacity;
            !pipe.ended
                && pipe.retention == Retention::ForNext
                && match pipe.readers.is_empty() {
                    true => full(&pipe.backlog),
                    false => pipe.readers.values().any(full),
                }
        })
    }

    pub(super) fn end(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.ended = true;
        }
        self.remove_if_unused(id);
    }

    pub(super) fn is_ended(&self, id: PipeId) -> bool {
        self.pipes.get(&id).is_none_or(|pipe| pipe.ended)
    }

    /// Leaves the pipe to those who read it now.
    pub(super) fn orphan(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.orphaned = true;
        }
        self.remove_if_unused(id);
    }

    pub(super) fn attach(&mut self, id: PipeId) -> ReaderId {
        self.next += 1;
        let reader = ReaderId(self.next);
        if let Some(pipe) = self.pipes.get_mut(&id) {
            let queue = match pipe.retention {
                Retention::ForNext | Retention::Latest if pipe.readers.is_empty() => {
                    let kept = std::mem::take(&mut pipe.backlog);
                    if self.joins_backlog {
                        kept.joined()
                    } else {
                        kept
                    }
                }
                Retention::History => pipe.backlog.clone(),
                _ => Chunks::default(),
            };
            pipe.readers.insert(reader, queue);
        }
        reader
    }

    /// Removes a reader, and loses the data that it has not read.
    pub(super) fn detach(&mut self, id: PipeId, reader: ReaderId) {
        if let Some(pipe) = self.pipes.get_mut(&id) {
            pipe.readers.remove(&reader);
        }
        self.remove_if_unused(id);
    }

    pub(super) fn read(&mut self, id: PipeId, reader: ReaderId) -> PipeRead {
        let Some(pipe) = self.pipes.get_mut(&id) else {
            return PipeRead::End;
        };
        match pipe.readers.get_mut(&reader).and_then(Chunks::pop) {
            Some(chunk) => PipeRead::Chunk(chunk),
            None if pipe.ended => PipeRead::End,
            None => PipeRead::Pending,
        }
    }

    pub(super) fn has_readers(&self, id: PipeId) -> bool {
        let has_readers = |pipe: &Pipe| !pipe.readers.is_empty();
        self.pipes.get(&id).is_some_and(has_readers)
    }

    /// Hands out twice what nobody has read so far, in one chunk.
    pub(super) fn duplicate_unread(&mut self, id: PipeId, reader: ReaderId) {
        let queue = self
            .pipes
            .get_mut(&id)
            .and_then(|pipe| pipe.readers.get_mut(&reader));
        if let Some(queue) = queue {
            queue.bytes *= 2;
            queue.chunks.extend(queue.chunks.clone());
            *queue = std::mem::take(queue).joined();
        }
    }

    fn remove_if_unused(&mut self, id: PipeId) {
        let unused = |pipe: &Pipe| pipe.orphaned && pipe.readers.is_empty();
        if self.pipes.get(&id).is_some_and(unused) {
            self.pipes.remove(&id);
        }
    }
}

/// Makes valid UTF-8 of a stream: bytes that are none become U+FFFD, characters that are cut by a
/// chunk's end are put together.
#[derive(Clone, Debug, Default)]
pub(super) struct Utf8 {
    carried: Vec<u8>,
}

impl Utf8 {
    pub(super) fn decode(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.carried);
        bytes.extend_from_slice(chunk);
        let complete = bytes.utf8_chunks().last().map_or(bytes.len(), |last| {
            let tail = last.invalid();
            // A sequence that may go on in the next chunk.
            let cut = !tail.is_empty()
                && std::str::from_utf8(tail).is_err_and(|e| e.error_len().is_none());
            bytes.len() - if cut { tail.len() } else { 0 }
        });
        self.carried = bytes.split_off(complete);
        String::from_utf8_lossy(&bytes).into_owned().into_bytes()
    }

    /// Ends the stream: a character that was begun becomes U+FFFD.
    pub(super) fn flush(&mut self) -> Option<&'static str> {
        let carried = std::mem::take(&mut self.carried);
        (!carried.is_empty()).then_some("\u{fffd}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(pipes: &mut Pipes, pipe: PipeId, reader: ReaderId) -> Vec<u8> {
        let mut all = Vec::new();
        while let PipeRead::Chunk(chunk) = pipes.read(pipe, reader) {
            all.extend(chunk);
        }
        all
    }

    #[test]
    fn the_first_reader_gets_what_was_written_before_and_others_what_comes_after_them() {
        for keep in [Retention::ForNext, Retention::Latest] {
            let mut pipes = Pipes::default();
            let pipe = pipes.add(keep, 100);
            pipes.write(pipe, b"early");
            let first = pipes.attach(pipe);
            let second = pipes.attach(pipe);
            pipes.write(pipe, b"late");
            assert_eq!(read_all(&mut pipes, pipe, first), b"earlylate");
            assert_eq!(read_all(&mut pipes, pipe, second), b"late");
            pipes.detach(pipe, first);
            pipes.detach(pipe, second);
            pipes.write(pipe, b"for the next");
            let third = pipes.attach(pipe);
            assert_eq!(read_all(&mut pipes, pipe, third), b"for the next");
        }
    }

    #[test]
    fn a_full_pipe_and_a_slow_reader_hold_up_the_writer() {
        let mut pipes = Pipes::default();
        let pipe = pipes.add(Retention::ForNext, 4);
        assert_eq!(pipes.write(pipe, b"12345678"), 8);
        assert!(pipes.is_full(pipe));
        assert_eq!(pipes.write(pipe, b"9"), 0);
        let [slow, quick] = [pipes.attach(pipe), pipes.attach(pipe)];
        assert_eq!(pipes.write(pipe, b"9"), 0);
        assert_eq!(read_all(&mut pipes, pipe, slow), b"12345678");
        assert_eq!(pipes.write(pipe, b"90ab"), 4);
        assert_eq!(read_all(&mut pipes, pipe, quick), b"90ab");
        assert_eq!(pipes.write(pipe, b"c"), 0);
        pipes.detach(pipe, slow);
        assert_eq!(pipes.write(pipe, b"c"), 1);
    }

    #[test]
    fn an_orphan_ends_with_its_last_reader() {
        let mut pipes = Pipes::default();
        let pipe = pipes.add(Retention::History, 4);
        let reader = pipes.attach(pipe);
        pipes.orphan(pipe);
        assert_eq!(pipes.read(pipe, reader), PipeRead::Pending);
        pipes.detach(pipe, reader);
        assert_eq!(pipes.read(pipe, reader), PipeRead::End);
    }

    #[test]
    fn text_is_kept_over_the_ends_of_chunks_and_other_bytes_are_replaced() {
        let mut utf8 = Utf8::default();
        let text = "a żółw 🐢 b".as_bytes();
        let decoded: Vec<u8> = text
            .chunks(1)
            .flat_map(|chunk| utf8.decode(chunk))
            .collect();
        assert_eq!(decoded, text);
        assert_eq!(utf8.decode(b"a\xffb\xc5"), "a\u{fffd}b".as_bytes());
        assert_eq!(utf8.decode(b"x\xc5"), "\u{fffd}x".as_bytes());
        assert_eq!((utf8.flush(), utf8.flush()), (Some("\u{fffd}"), None));
    }
}
