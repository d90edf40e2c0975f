//! Who is woken by whom, poll by poll.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    task::Wake,
};

use super::*;

#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Waiter {
    bell: Arc<Bell>,
    pending: Pin<Box<Pending>>,
}

impl Waiter {
    fn new(batch: &Arc<Batch>, index: u64) -> Self {
        Self {
            bell: Arc::default(),
            pending: Box::pin(Pending::new(Arc::clone(batch), index)),
        }
    }

    fn poll(&mut self) -> Option<Result<u64, Unavailable>> {
        let waker = Waker::from(Arc::clone(&self.bell));
        match self.pending.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => Some(done.map(|receipt| receipt.seq())),
            Poll::Pending => None,
        }
    }

    fn rings(&self) -> usize {
        self.bell.0.load(Ordering::SeqCst)
    }
}

fn three_waiting() -> (Arc<Batch>, [Waiter; 3]) {
    let batch = Arc::new(Batch::default());
    let mut waiters = [0, 1, 2].map(|index| Waiter::new(&batch, index));
    for waiter in &mut waiters {
        assert_eq!(waiter.poll(), None);
    }
    (batch, waiters)
}

fn rings(waiters: &[Waiter]) -> Vec<usize> {
    waiters.iter().map(Waiter::rings).collect()
}

#[test]
fn the_writer_wakes_one_per_thread_and_that_one_the_rest() {
    let (batch, mut waiters) = three_waiting();
    wake_all(batch.settle(Ok(10)));
    assert_eq!(rings(&waiters), [1, 0, 0]);
    assert_eq!(waiters[0].poll(), Some(Ok(10)));
    assert_eq!(rings(&waiters), [1, 1, 1]);
    assert_eq!(waiters[2].poll(), Some(Ok(12)));
    assert!(!batch.has_sleepers());
}

#[test]
fn each_thread_has_a_leader_of_its_own() {
    let (batch, waiters) = three_waiting();
    let elsewhere = thread::scope(|scope| {
        let there = scope.spawn(|| {
            let mut waiter = Waiter::new(&batch, 3);
            assert_eq!(waiter.poll(), None);
            waiter
        });
        there.join().unwrap()
    });
    wake_all(batch.settle(Ok(1)));
    assert_eq!(rings(&waiters), [1, 0, 0]);
    assert_eq!(elsewhere.rings(), 1);
}

#[test]
fn a_leader_that_is_dropped_wakes_the_rest() {
    let (batch, waiters) = three_waiting();
    wake_all(batch.settle(Ok(1)));
    let [leader, others @ ..] = waiters;
    drop(leader);
    assert_eq!(rings(&others), [1, 1]);
}

#[test]
fn a_leader_that_never_polls_holds_nobody_up() {
    let (batch, waiters) = three_waiting();
    wake_all(batch.settle(Ok(1)));
    assert!(batch.has_sleepers());
    batch.sweep();
    assert_eq!(rings(&waiters), [1, 1, 1]);
    assert!(!batch.has_sleepers());
}

#[test]
fn one_that_left_before_the_end_is_not_woken_and_leads_nobody() {
    let (batch, waiters) = three_waiting();
    let [first, others @ ..] = waiters;
    let bell = Arc::clone(&first.bell);
    drop(first);
    wake_all(batch.settle(Ok(1)));
    assert_eq!(bell.0.load(Ordering::SeqCst), 0);
    assert_eq!(rings(&others), [1, 0]);
}

#[test]
fn the_waker_of_the_last_poll_counts() {
    let (batch, mut waiters) = three_waiting();
    let stale = mem::take(&mut waiters[0].bell);
    assert_eq!(waiters[0].poll(), None);
    wake_all(batch.settle(Ok(1)));
    assert_eq!(stale.0.load(Ordering::SeqCst), 0);
    assert_eq!(waiters[0].rings(), 1);
}

#[test]
fn whoever_comes_after_the_end_does_not_wait() {
    let batch = Arc::new(Batch::default());
    wake_all(batch.settle(Err(Unavailable::Closed)));
    assert_eq!(
        Waiter::new(&batch, 0).poll(),
        Some(Err(Unavailable::Closed))
    );
}

#[test]
fn the_first_word_on_a_commit_is_the_last() {
    let batch = Arc::new(Batch::default());
    wake_all(batch.settle(Ok(5)));
    wake_all(batch.settle(Err(Unavailable::WriterGone)));
    assert_eq!(Waiter::new(&batch, 0).poll(), Some(Ok(5)));
}
