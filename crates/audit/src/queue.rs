//! Between those who append and the one who writes: a buffer that fills while the other is on
//! its way to the disk.

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

/// The queue, shared by the ledger and its writer.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    arrived: Condvar,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    load: Load,
    batch: Arc<Batch>,
    /// Bytes that are not durable yet, on disk: of `load` and of what the writer has taken.
    unsettled: usize,
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
        drop(inner);
        self.arrived.notify_one();
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
