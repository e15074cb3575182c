//! The streams inside a hub: each keeps data for its readers.

use std::collections::{BTreeMap, VecDeque};

use super::InstanceKey;

/// The id of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PipeId(u64);

/// The id of a reader of a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReaderId(u64);

/// The data that a pipe keeps while it has no reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retention {
    /// All data, for the next reader. A full pipe accepts no more.
    ForNext,
    /// The latest data, for the next reader. A full pipe drops its oldest chunks.
    Latest,
    /// The latest data, for each new reader. A full pipe drops its oldest chunks.
    History,
    /// No data.
    Nothing,
}

/// The result of a read from a pipe.
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
    /// Has no owner any more, and is removed with its last reader.
    orphaned: bool,
    /// The instance whose process reads or writes it.
    owner: Option<InstanceKey>,
}

/// A queue of chunks, as they were written.
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
    /// If `true`, a new reader gets the backlog as one chunk.
    joins_backlog: bool,
}

impl Pipes {
    pub(super) fn new(joins_backlog: bool) -> Self {
        Self {
            joins_backlog,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, retention: Retention, capacity: usize) -> PipeId {
        self.next += 1;
        let id = PipeId(self.next);
        let (kept, readers) = (Chunks::default(), BTreeMap::new());
        let (ended, orphaned, owner) = (false, false, None);
        let pipe = Pipe {
            retention,
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

    /// Adds a pipe of an instance.
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

    /// Writes a chunk, and returns the number of bytes that were accepted: all if the pipe has
    /// space for at least one byte, like streams of Node.js, otherwise none.
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

    /// Returns `true` if a write would be refused.
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

    /// Removes the pipe once its present readers are gone.
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

    /// Removes a reader, and the data that it has not read.
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

    /// Duplicates the data that a reader has not read, and joins it into one chunk.
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
    fn the_first_reader_gets_the_backlog_and_later_ones_get_new_data() {
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
    fn a_full_pipe_and_a_slow_reader_block_the_writer() {
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
    fn an_orphaned_pipe_ends_with_its_last_reader() {
        let mut pipes = Pipes::default();
        let pipe = pipes.add(Retention::History, 4);
        let reader = pipes.attach(pipe);
        pipes.orphan(pipe);
        assert_eq!(pipes.read(pipe, reader), PipeRead::Pending);
        pipes.detach(pipe, reader);
        assert_eq!(pipes.read(pipe, reader), PipeRead::End);
    }
}
