//! The threads of a map: one takes the jobs, the others run them.

use std::collections::VecDeque;
use std::mem::take;
use std::sync::Arc;

use scramjet_client_core::RequestError;

use crate::error::{Error, ErrorKind};
use crate::handles::instance::InstanceClient;
use crate::patterns::channel::lines::LineChannel;
use crate::patterns::pool::checkout::wait_for_checkout;
use crate::patterns::pool::map::job_runner::{Job, JobRunner, State};
use crate::transport::error::Phase;

impl<R> JobRunner<R> {
    /// Takes jobs from the caller's iterator. Returns `true` if there are no more.
    pub(super) fn take_jobs(
        &self,
        mut next: impl FnMut() -> Option<Result<Vec<u8>, RequestError>>,
    ) -> bool {
        let has_space = |state: &mut State<R>| {
            (state.taken.saturating_sub(state.handed_out) < self.window).then_some(())
        };
        loop {
            if self.wait_for(has_space).is_none() || self.call.limits.check().is_err() {
                return false;
            }
            let Some(line) = next() else { return true };
            let refused = self.change(|state| {
                if state.stopped {
                    return None;
                }
                let index = state.taken;
                state.taken += 1;
                match line {
                    Ok(line) if state.no_instance.is_none() => {
                        let errors = Vec::new();
                        state.queue.push_back(Job {
                            index,
                            line,
                            errors,
                        });
                        None
                    }
                    line => Some((index, line.err())),
                }
            });
            if let Some((index, error)) = refused {
                let failed = |error| self.call.failed(error);
                let error = error.map_or_else(|| self.no_instance(), failed);
                self.finish(index, Err(error));
            }
        }
    }

    /// Runs jobs until none is left, or no instance.
    pub(super) fn work(&self) {
        let has_job = |state: &mut State<R>| (!state.queue.is_empty()).then_some(());
        while self.wait_for(has_job).is_some() {
            match wait_for_checkout(&self.pool, &self.checkout_limits) {
                Ok(instance) => self.run_jobs(&instance),
                Err(error) => return self.leave(error),
            }
        }
    }

    /// Ends a worker that cannot get an instance. The last worker fails the remaining jobs.
    fn leave(&self, error: Error) {
        let reason = match error.kind() {
            ErrorKind::NoInstance(error) => error.clone(),
            _ => Some(Arc::new(error)),
        };
        let remaining = self.change(|state| {
            state.workers = state.workers.saturating_sub(1);
            if state.workers > 0 || state.is_finished() {
                return VecDeque::new();
            }
            state.no_instance = Some(reason);
            take(&mut state.queue)
        });
        for mut job in remaining {
            job.errors.push(self.no_instance());
            self.finish(job.index, Err(self.call.of_attempts(job.errors)));
        }
    }

    /// Returns the error of a job for which there is no instance.
    fn no_instance(&self) -> Error {
        match self.call.limits.check() {
            Err(reason) => self.call.stopped(reason, Phase::Connect),
            Ok(()) => {
                let reason = self.state.lock().no_instance.clone().flatten();
                self.call.failed(ErrorKind::NoInstance(reason))
            }
        }
    }

    /// Runs jobs on an instance until no job is left, or the instance fails.
    fn run_jobs(&self, checkout: &InstanceClient) {
        let mut instance = checkout.clone();
        let options = &mut instance.host.client.options;
        options.deadline = self.checkout_limits.deadline;
        let token = options.cancel.take().unwrap_or_default().child();
        options.cancel = Some(token.clone());
        let _hook = self.cancel.on_cancel(move || token.cancel());

        let mut channel = None;
        let mut jobs = VecDeque::new();
        loop {
            if jobs.len() < self.depth {
                let job = if channel.is_some() && jobs.is_empty() {
                    self.wait_for(|state| state.queue.pop_front())
                } else {
                    self.state.lock().queue.pop_front()
                };
                if let Some(job) = job {
                    let opened = match channel.take() {
                        Some(channel) => Ok(channel),
                        None => LineChannel::open(&instance, self.format),
                    };
                    let sent = opened.and_then(|opened| channel.insert(opened).send(&job.line));
                    jobs.push_back(job);
                    match sent {
                        Ok(()) => continue,
                        Err(error) => return self.requeue(&instance, jobs, error),
                    }
                }
            }
            let Some(channel) = channel.as_mut().filter(|_| !jobs.is_empty()) else {
                break;
            };
            let response = match channel.receive() {
                Ok(line) => (self.decode)(&line).map_err(|error| channel.undecoded(error)),
                Err(error) if error.is_of_item() => Err(error),
                Err(error) => return self.requeue(&instance, jobs, error),
            };
            if let Some(job) = jobs.pop_front() {
                self.finish(job.index, response);
            }
        }
        // All jobs have results, so an error does not matter.
        let _ = channel.map(LineChannel::finish);
    }

    /// Puts the jobs of a failed instance back into the queue. The error counts as an attempt of
    /// the oldest job, because the instance had to respond to that one next.
    fn requeue(&self, instance: &InstanceClient, mut jobs: VecDeque<Job>, error: Error) {
        // These errors would be the same with another instance.
        let is_retryable = !matches!(
            error.kind(),
            ErrorKind::Cancelled { .. } | ErrorKind::Deadline { .. } | ErrorKind::Thread(_)
        );
        if is_retryable {
            instance.host.client.notice_end(instance.id());
        }
        let mut failed = None;
        if let Some(mut oldest) = jobs.pop_front() {
            oldest.errors.push(error);
            if is_retryable && oldest.errors.len() < self.max_attempts {
                jobs.push_front(oldest);
            } else {
                failed = Some(oldest);
            }
        }
        self.change(|state| {
            // At the front, because the caller may be waiting for the oldest results.
            jobs.append(&mut state.queue);
            state.queue = jobs;
        });
        if let Some(job) = failed {
            self.finish(job.index, Err(self.call.of_attempts(job.errors)));
        }
    }
}
