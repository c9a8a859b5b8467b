//! Who does what at the same time?
//!
//! A large layer keeps a processor busy, so there are as many at once as there are processors. A small
//! one is nothing but the wait for an answer, so more of them are waited for at once: two hundred of
//! them should not take two hundred times as long as one.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use super::Result;

/// What is smaller is waiting rather than work.
const SMALL: u64 = 256 << 10;
/// How many small ones are waited for at once.
const WAITING: usize = 16;

/// How many large ones are worked on at once, where nobody says.
pub fn jobs() -> usize {
    thread::available_parallelism().map_or(2, usize::from)
}

/// Does `work` for each item, several at a time, in their order. After the first error nothing new is
/// begun; that error is the one that is given.
pub(crate) fn for_each<T: Send>(
    items: Vec<T>,
    jobs: usize,
    size: impl Fn(&T) -> u64,
    work: impl Fn(T) -> Result<()> + Sync,
) -> Result<()> {
    let (small, large): (Vec<T>, Vec<T>) = items.into_iter().partition(|item| size(item) < SMALL);
    let queues = [(large, jobs.max(1)), (small, jobs.max(WAITING))];
    let queues = queues.map(|(items, at_once)| (at_once.min(items.len()), queue(items)));
    let failed = Mutex::new(None);
    thread::scope(|scope| {
        for (at_once, queue) in &queues {
            for _ in 0..*at_once {
                scope.spawn(|| {
                    while let Some(item) = next(queue, &failed) {
                        if let Err(error) = work(item) {
                            lock(&failed).get_or_insert(error);
                        }
                    }
                });
            }
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

type Queue<T> = Mutex<VecDeque<T>>;

fn queue<T>(items: Vec<T>) -> Queue<T> {
    Mutex::new(items.into())
}

fn next<T, E>(queue: &Queue<T>, failed: &Mutex<Option<E>>) -> Option<T> {
    if lock(failed).is_some() {
        return None;
    }
    lock(queue).pop_front()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
