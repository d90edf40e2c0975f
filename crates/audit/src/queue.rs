//! Between those who append and the one who writes: a buffer that fills while the other is on
//! its way to the disk.
//!
//! A commit costs its CPU time once, however many records it has. Callers that go round in a loop
//! fall into two groups, one of which always waits while the other is written; so the writer waits
//! a moment, when it is worth it, for those whom it has just let go. With 16 callers that made
//! batches of 15 rather than 8, and a record 3 µs cheaper at no loss of throughput (measured on
//! the 2-core machine of `bench/README.md`). A caller that is alone is never made to wait.

use std::{mem, sync::Arc, time::Duration};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::{
    batch::{Batch, Pending, Settled, wake_all},
    chain::FRAME_BYTES_MAX,
    unavailable::Unavailable,
};

/// How long the writer leaves a settled batch to its leaders when there is nothing else to do.
/// Long for a thread to be woken, short for a call to wait.
const LEADERS_WITHIN: Duration = Duration::from_millis(1);

/// How long the writer waits for those whom the last commit let go: about what a commit takes.
const GATHER_WITHIN: Duration = Duration::from_micros(200);
/// After having waited in vain, the writer does not for so many commits: calls that take long are
/// not to pay for it each time.
const GATHER_PAUSE: u32 = 16;

/// The queue, shared by the ledger and its writer.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    arrived: Condvar,
    bytes_max: usize,
    gather_within: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    load: Load,
    batch: Arc<Batch>,
    /// Bytes that are not durable yet, on disk: of `load` and of what the writer has taken.
    unsettled: usize,
    /// How many records there will be if all whom the last commit let go come again.
    hoped_for: u64,
    /// The writer need not be told of fewer records than this.
    tell_from: u64,
    /// Commits until the writer waits for hoped-for records again.
    gather_pause: u32,
    /// Why nothing is taken any more.
    ended: Option<Unavailable>,
}

/// Bodies of records, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Load {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// What the writer has in hand. It is settled in any case: by the writer, or by being dropped.
#[derive(Debug)]
pub(crate) struct Taken<'q> {
    queue: &'q Queue,
    load: Load,
    batch: Arc<Batch>,
}

/// Ends the queue when the writer ends, however that came about.
#[derive(Debug)]
pub(crate) struct EndsWithWriter(pub(crate) Arc<Queue>);

impl Queue {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            inner: Mutex::default(),
            arrived: Condvar::new(),
            bytes_max,
            gather_within: GATHER_WITHIN,
        }
    }

    /// Takes a record's body; never waits for the disk.
    pub(crate) fn push(&self, body: &[u8]) -> Result<Pending, Unavailable> {
        let mut inner = self.inner.lock();
        if let Some(reason) = &inner.ended {
            return Err(reason.clone());
        }
        let unsettled = inner.unsettled.saturating_add(on_disk(body));
        if unsettled > self.bytes_max {
            let waiting = inner.unsettled;
            return Err(Unavailable::QueueFull { waiting });
        }
        inner.unsettled = unsettled;
        let index = inner.load.len();
        inner.load.push(body);
        let batch = Arc::clone(&inner.batch);
        let tell = inner.load.len() >= inner.tell_from;
        drop(inner);
        if tell {
            self.arrived.notify_one();
        }
        Ok(Pending::new(batch, index))
    }

    /// Waits for records and takes all there are; `None` once the queue has ended and is empty.
    ///
    /// `spare` is an empty load whose memory is used again; `before` is the batch that was
    /// settled last, which is swept if there is time.
    pub(crate) fn take(&self, spare: Load, before: &mut Option<Arc<Batch>>) -> Option<Taken<'_>> {
        let mut inner = self.inner.lock();
        while inner.load.is_empty() {
            if inner.ended.is_some() {
                return None;
            }
            self.wait(&mut inner, before);
        }
        self.gather(&mut inner);
        let load = mem::replace(&mut inner.load, spare);
        let batch = mem::take(&mut inner.batch);
        Some(Taken {
            queue: self,
            load,
            batch,
        })
    }

    fn wait(&self, inner: &mut MutexGuard<'_, Inner>, before: &mut Option<Arc<Batch>>) {
        let Some(batch) = before.take_if(|batch| batch.has_sleepers()) else {
            *before = None;
            return self.arrived.wait(inner);
        };
        let timeout = self.arrived.wait_for(inner, LEADERS_WITHIN);
        if timeout.timed_out() {
            MutexGuard::unlocked(inner, || batch.sweep());
        } else {
            *before = Some(batch);
        }
    }

    /// Waits a moment for more records, if there is hope.
    fn gather(&self, inner: &mut MutexGuard<'_, Inner>) {
        let hoped_for = inner.hoped_for;
        if inner.load.len() >= hoped_for || inner.ended.is_some() {
            return;
        }
        if inner.gather_pause > 0 {
            inner.gather_pause -= 1;
            return;
        }
        inner.tell_from = hoped_for;
        self.arrived.wait_for(inner, self.gather_within);
        inner.tell_from = 0;
        let most_came = inner.load.len() >= hoped_for - hoped_for / 4;
        if !most_came {
            inner.gather_pause = GATHER_PAUSE;
        }
    }

    /// Takes nothing more; what is there already is still written.
    pub(crate) fn end(&self, reason: Unavailable) {
        self.inner.lock().ended.get_or_insert(reason);
        self.arrived.notify_one();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.inner.lock().ended.is_some()
    }

    /// Bytes that wait for the disk.
    pub(crate) fn bytes(&self) -> usize {
        self.inner.lock().unsettled
    }
}

impl Load {
    pub(crate) fn push(&mut self, body: &[u8]) {
        self.bytes.extend_from_slice(body);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> u64 {
        crate::json::len_u64(self.ends.len())
    }

    fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bodies, in the order in which they came.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.iter().scan(0, |start, end| {
            let body = self.bytes.get(*start..*end);
            *start = *end;
            body
        })
    }

    fn on_disk(&self) -> usize {
        self.bytes.len() + self.ends.len() * FRAME_BYTES_MAX
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl Taken<'_> {
    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    /// Says how the commit ended; gives the load back, empty, and the batch to be swept later.
    pub(crate) fn settle(mut self, settled: Settled) -> (Load, Arc<Batch>) {
        self.finish(settled);
        let mut load = mem::take(&mut self.load);
        load.clear();
        (load, Arc::clone(&self.batch))
    }

    fn finish(&self, settled: Settled) {
        let bytes = self.load.on_disk();
        let mut inner = self.queue.inner.lock();
        inner.unsettled = inner.unsettled.saturating_sub(bytes);
        if !self.load.is_empty() {
            inner.hoped_for = inner.load.len() + self.load.len();
        }
        drop(inner);
        wake_all(self.batch.settle(settled));
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // After `settle` the load is empty and the batch has its answer already.
        self.finish(Err(Unavailable::WriterGone));
        if !self.load.is_empty() {
            self.batch.sweep();
        }
    }
}

impl Drop for EndsWithWriter {
    fn drop(&mut self) {
        self.0.end(Unavailable::WriterGone);
        let batch = mem::take(&mut self.0.inner.lock().batch);
        wake_all(batch.settle(Err(Unavailable::WriterGone)));
        batch.sweep();
    }
}

fn on_disk(body: &[u8]) -> usize {
    body.len() + FRAME_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn queue(gather_within: Duration) -> Queue {
        Queue {
            gather_within,
            ..Queue::new(1 << 20)
        }
    }

    fn push(queue: &Queue, records: usize) {
        for _ in 0..records {
            drop(queue.push(b"x").unwrap());
        }
    }

    /// Takes what there is, tells how many that were, and settles it.
    fn take(queue: &Queue) -> u64 {
        let taken = queue.take(Load::default(), &mut None).unwrap();
        let records = taken.load().len();
        taken.settle(Ok(1));
        records
    }

    #[test]
    fn bodies_come_out_as_they_went_in() {
        let mut load = Load::default();
        for body in [&b"a"[..], b"", b"bcd"] {
            load.push(body);
        }
        let bodies: Vec<_> = load.bodies().collect();
        assert_eq!(bodies, [&b"a"[..], b"", b"bcd"]);
    }

    #[test]
    fn the_writer_waits_for_those_whom_it_has_just_let_go() {
        let queue = queue(Duration::from_secs(600));
        push(&queue, 3);
        assert_eq!(take(&queue), 3);
        thread::scope(|scope| {
            let writer = scope.spawn(|| take(&queue));
            push(&queue, 3);
            assert_eq!(writer.join().unwrap(), 3);
        });
    }

    #[test]
    fn those_who_wait_already_are_hoped_for_as_well() {
        let queue = queue(Duration::from_secs(600));
        push(&queue, 2);
        let taken = queue.take(Load::default(), &mut None).unwrap();
        push(&queue, 3);
        taken.settle(Ok(1));
        thread::scope(|scope| {
            let writer = scope.spawn(|| take(&queue));
            push(&queue, 2);
            assert_eq!(writer.join().unwrap(), 5);
        });
    }

    #[test]
    fn a_caller_that_is_alone_is_never_made_to_wait() {
        let queue = queue(Duration::from_secs(600));
        for _ in 0..3 {
            push(&queue, 1);
            assert_eq!(take(&queue), 1);
        }
    }

    #[test]
    fn after_waiting_in_vain_the_writer_does_not_for_a_while() {
        let queue = queue(Duration::ZERO);
        push(&queue, 4);
        assert_eq!(take(&queue), 4);
        push(&queue, 1);
        assert_eq!(take(&queue), 1);
        assert_eq!(queue.inner.lock().gather_pause, GATHER_PAUSE);
    }

    #[test]
    fn the_end_does_not_wait() {
        let queue = queue(Duration::from_secs(600));
        push(&queue, 2);
        assert_eq!(take(&queue), 2);
        push(&queue, 1);
        queue.end(Unavailable::Closed);
        assert_eq!(take(&queue), 1);
        assert!(queue.take(Load::default(), &mut None).is_none());
    }
}
