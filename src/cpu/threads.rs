//! How many threads a CPU kernel may use.

use crate::ops::Cost;
#[cfg(not(target_arch = "wasm32"))]
use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Acquire, Release},
        },
    },
    time::{Duration, Instant},
};

/// Operations and bytes that take about as long as waking a thread, ten microseconds.
const GRAIN: u64 = 1 << 16;

/// So long a thread looks out for work before it sleeps: longer than most of what one thread does alone between two shares.
#[cfg(not(target_arch = "wasm32"))]
const PATIENCE: Duration = Duration::from_micros(200);

/// How many threads a CPU kernel may use at once; the caller's choice, 1 at least.
///
/// Work runs on rayon's pool, in at most this many pieces at a time. On wasm there is one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads(usize);

impl Threads {
    /// The caller's thread only.
    pub const ONE: Self = Self(1);

    /// At most `n`; 0 means one.
    pub const fn new(n: usize) -> Self {
        Self(if n == 0 { 1 } else { n })
    }

    /// As many as the machine runs at once.
    pub fn all() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// The number.
    pub const fn get(self) -> usize {
        self.0
    }

    /// No more than there are, and than are worth waking for so much work: every one has [`GRAIN`] operations or bytes at
    /// least.
    pub(crate) fn for_cost(self, cost: Cost) -> Self {
        let most = cost.flops.saturating_add(cost.bytes) / GRAIN;
        Self::new(usize::try_from(most).map_or(self.0, |most| self.0.min(most)).min(pool()))
    }

    /// Length of the pieces that cut `len` into at most this many, each a multiple of `step`.
    pub(crate) fn piece(self, len: usize, step: usize) -> usize {
        len.div_ceil(self.0).next_multiple_of(step).max(1)
    }

    /// Rows and columns of the tiles that cut a matrix into a multiple of this many, as square as they can be and no
    /// side longer than `limit`.
    pub(crate) fn tile(self, (rows, cols): (usize, usize), limit: usize) -> (usize, usize) {
        let grids =
            (1..=self.0).filter(|down| self.0.is_multiple_of(*down)).map(|down| (down, self.0 / down));
        let sides = |(down, across)| (rows.div_ceil(down), cols.div_ceil(across));
        let (down, across) = grids.map(sides).min_by_key(|s| s.0 + s.1).expect("one at least");
        let side = |len: usize| len.div_ceil(len.div_ceil(limit)).next_multiple_of(16);
        (side(down), side(across))
    }

    /// Runs `f` on the pool while its other threads look out for what [`for_each`](Self::for_each) shares with them. One that sleeps
    /// takes longer to wake than a small layer takes to compute.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn within<R: Send>(self, f: impl FnOnce() -> R + Send) -> R {
        if self.0 == 1 {
            return f();
        }
        let _turn = Turn::take();
        let over = AtomicBool::new(false);
        let look_out = || spin_while(|| !over.load(Acquire));
        let run = || {
            let _over = OnDrop(|| over.store(true, Release));
            f()
        };
        // The caller's thread sleeps: with it, there would be one more than the pool is meant to have.
        rayon::scope(|_| Self(self.0.min(pool())).beside(look_out, run))
    }

    /// Runs `f`. What it borrows need not be `Send`, as nothing of wgpu is in browsers.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn within<R>(self, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// Runs `f` on every item; the results are in order. At most this many threads take items, one after another.
    pub(crate) fn for_each<T: Send, R: Send>(
        self,
        items: impl IntoIterator<Item = T>,
        f: impl Fn(T) -> R + Sync + Send,
    ) -> Vec<R> {
        self.for_each_in(items, |item, ()| f(item))
    }

    /// The same; `f` gets something that each thread keeps from item to item too.
    pub(crate) fn for_each_in<T: Send, R: Send, S: Default>(
        self,
        items: impl IntoIterator<Item = T>,
        f: impl Fn(T, &mut S) -> R + Sync + Send,
    ) -> Vec<R> {
        #[cfg(not(target_arch = "wasm32"))]
        if self.0 > 1 {
            let items: Vec<T> = items.into_iter().collect();
            let mut done = vec![];
            done.resize_with(items.len(), || None);
            let threads = Self::new(self.0.min(items.len()));
            let work = Mutex::new(items.into_iter().zip(&mut done));
            let run = || {
                // The lock is held while an item is taken only.
                let take = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
                let mut kept = S::default();
                while let Some((item, done)) = take() {
                    *done = Some(f(item, &mut kept));
                }
            };
            threads.beside(run, run);
            drop(work);
            return done.into_iter().map(|r| r.expect("every item was taken")).collect();
        }
        let mut kept = S::default();
        items.into_iter().map(|item| f(item, &mut kept)).collect()
    }

    /// Runs `mine` here and `others` on the other threads.
    #[cfg(not(target_arch = "wasm32"))]
    fn beside<R>(self, others: impl Fn() + Sync, mine: impl FnOnce() -> R) -> R {
        let left = AtomicUsize::new(self.0 - 1);
        rayon::in_place_scope(|scope| {
            for _ in 1..self.0 {
                scope.spawn(|_| {
                    let _left = OnDrop(|| _ = left.fetch_sub(1, Release));
                    others();
                });
            }
            let result = mine();
            // The scope waits too, but asleep.
            spin_while(|| left.load(Acquire) > 0);
            result
        })
    }
}

/// Threads of the pool.
#[cfg(not(target_arch = "wasm32"))]
fn pool() -> usize {
    rayon::current_num_threads()
}

#[cfg(target_arch = "wasm32")]
fn pool() -> usize {
    1
}

/// A caller's turn in the pool, where it is none of its threads itself. There are no more at once than the pool has threads:
/// one that waits within a call begins another on its own stack, which must not pile up.
#[cfg(not(target_arch = "wasm32"))]
struct Turn(bool);

#[cfg(not(target_arch = "wasm32"))]
static TAKEN: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

#[cfg(not(target_arch = "wasm32"))]
impl Turn {
    fn take() -> Self {
        let outside = rayon::current_thread_index().is_none();
        if outside {
            let taken = TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner);
            let full = |taken: &mut usize| *taken >= pool();
            *TAKEN.1.wait_while(taken, full).unwrap_or_else(PoisonError::into_inner) += 1;
        }
        Self(outside)
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Drop for Turn {
    fn drop(&mut self) {
        if self.0 {
            *TAKEN.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            TAKEN.1.notify_one();
        }
    }
}

/// Does so also where what stands before it panics.
#[cfg(not(target_arch = "wasm32"))]
struct OnDrop<F: Fn()>(F);

#[cfg(not(target_arch = "wasm32"))]
impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        self.0();
    }
}

/// Waits without sleeping, and works meanwhile if there is work; gives up after [`PATIENCE`] without any.
#[cfg(not(target_arch = "wasm32"))]
fn spin_while(condition: impl Fn() -> bool) {
    let mut start = Instant::now();
    while condition() && start.elapsed() < PATIENCE {
        if rayon::yield_now() == Some(rayon::Yield::Executed) {
            start = Instant::now();
        } else {
            std::hint::spin_loop();
        }
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::all()
    }
}
