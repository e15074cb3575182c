//! Channels between threads.
//!
//! `std::sync::mpsc` contains three implementations, and the compiler generates all of them for
//! each type of message. These channels take a tenth of that. They are for messages that are rare
//! or large.

use std::mem::take;
use std::sync::Arc;
pub(crate) use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use crate::support::monitor::Monitor;

/// Creates a channel without an upper bound for its messages.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

/// Creates a channel that holds at most `capacity` messages.
pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Monitor::new(State {
        messages: Vec::new(),
        capacity,
        senders: 1,
        receiver_dropped: false,
    }));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

struct State<T> {
    /// The oldest message is the first. A `Vec`, because there are few.
    messages: Vec<T>,
    capacity: usize,
    senders: usize,
    receiver_dropped: bool,
}

/// The sending end of a channel.
pub(crate) struct Sender<T>(Arc<Monitor<State<T>>>);

impl<T> Sender<T> {
    /// Sends a message. Blocks while the channel is full. Drops the message if the receiver was
    /// dropped.
    pub(crate) fn send(&self, message: T) {
        let mut state = self.0.lock();
        while !state.receiver_dropped && state.messages.len() >= state.capacity {
            state = self.0.wait(state, None);
        }
        if !state.receiver_dropped {
            state.messages.push(message);
            drop(state);
            self.0.notify();
        }
    }

    /// Like [`send`](Self::send), but drops the message if the channel is full.
    pub(crate) fn try_send(&self, message: T) {
        let mut state = self.0.lock();
        if !state.receiver_dropped && state.messages.len() < state.capacity {
            state.messages.push(message);
            drop(state);
            self.0.notify();
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        let is_last = state.senders == 0;
        drop(state);
        if is_last {
            self.0.notify();
        }
    }
}

/// The receiving end of a channel.
pub(crate) struct Receiver<T>(Arc<Monitor<State<T>>>);

impl<T> Receiver<T> {
    /// Waits for a message, but not longer than `until`.
    ///
    /// # Errors
    /// The time is over, or all senders were dropped.
    pub(crate) fn recv_until(&self, until: Option<Instant>) -> Result<T, RecvTimeoutError> {
        let mut state = self.0.lock();
        loop {
            if !state.messages.is_empty() {
                let was_full = state.messages.len() == state.capacity;
                let message = state.messages.remove(0);
                drop(state);
                if was_full {
                    self.0.notify();
                }
                return Ok(message);
            }
            if state.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Err(RecvTimeoutError::Timeout);
            }
            state = self.0.wait(state, until);
        }
    }

    /// Like [`recv_until`](Self::recv_until), with a duration.
    pub(crate) fn recv_timeout(&self, time: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_until(Instant::now().checked_add(time))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let messages = self.0.change(|state| {
            state.receiver_dropped = true;
            take(&mut state.messages)
        });
        // Not under the lock: dropping a message may run code of the caller.
        drop(messages);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn messages_arrive_in_order_and_before_the_end() {
        let (sender, receiver) = channel();
        let other = sender.clone();
        sender.send(1);
        drop(sender);
        other.send(2);
        drop(other);
        assert_eq!(receiver.recv_until(None), Ok(1));
        assert_eq!(receiver.recv_until(Some(Instant::now())), Ok(2));
        assert_eq!(
            receiver.recv_until(None),
            Err(RecvTimeoutError::Disconnected)
        );
    }

    #[test]
    fn recv_timeout_returns_when_the_time_is_over() {
        let (sender, receiver) = channel::<()>();
        let received = receiver.recv_timeout(Duration::from_millis(1));
        assert_eq!(received, Err(RecvTimeoutError::Timeout));
        drop(sender);
    }

    #[test]
    fn send_blocks_while_the_channel_is_full() {
        let (sender, receiver) = bounded(1);
        sender.send(0);
        sender.try_send(100);
        let sent = Arc::new(AtomicUsize::new(1));
        let sending = thread::spawn({
            let sent = Arc::clone(&sent);
            move || {
                for message in 1..100 {
                    sender.send(message);
                    sent.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        for message in 0..100 {
            assert_eq!(receiver.recv_until(None), Ok(message));
            assert!(sent.load(Ordering::SeqCst) <= message + 2);
        }
        assert_eq!(
            receiver.recv_until(None),
            Err(RecvTimeoutError::Disconnected)
        );
        assert!(sending.join().is_ok());
    }

    #[test]
    fn dropping_the_receiver_drops_messages_and_wakes_senders() {
        let message = Arc::new(());
        let (sender, receiver) = bounded(1);
        sender.send(Arc::clone(&message));
        let sending = thread::spawn({
            let message = Arc::clone(&message);
            move || {
                sender.send(Arc::clone(&message));
                sender.send(message);
            }
        });
        drop(receiver);
        assert!(sending.join().is_ok());
        assert_eq!(Arc::strong_count(&message), 1);
    }
}
