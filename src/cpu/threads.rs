//! How many threads a CPU kernel may use.

use crate::ops::Cost;

/// Operations and bytes that take about as long as waking a thread, ten microseconds.
const GRAIN: u64 = 1 << 16;

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

    /// No more than are worth waking for so much work: every one has [`GRAIN`] operations or bytes at least.
    pub(crate) fn for_cost(self, cost: Cost) -> Self {
        let most = cost.flops.saturating_add(cost.bytes) / GRAIN;
        Self::new(usize::try_from(most).map_or(self.0, |most| self.0.min(most)))
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

    /// Runs `f` where [`for_each`](Self::for_each) finds other threads at the least cost.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn within<R: Send>(self, f: impl FnOnce() -> R + Send) -> R {
        if self.0 > 1 { rayon::scope(|_| f()) } else { f() }
    }

    /// Runs `f`. What it borrows need not be `Send`, as nothing of wgpu is in browsers.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn within<R>(self, f: impl FnOnce() -> R) -> R {
        f()
    }

    /// Runs `f` on every item; the results are in order. Items go to at most this many threads in equal shares.
    pub(crate) fn for_each<T: Send, R: Send>(
        self,
        items: impl IntoIterator<Item = T>,
        f: impl Fn(T) -> R + Sync + Send,
    ) -> Vec<R> {
        #[cfg(not(target_arch = "wasm32"))]
        if self.0 > 1 {
            let mut items: Vec<T> = items.into_iter().collect();
            let share = items.len().div_ceil(self.0).max(1);
            let mut shares = vec![];
            while items.len() > share {
                let rest = items.split_off(share);
                shares.push((std::mem::replace(&mut items, rest), vec![]));
            }
            shares.push((items, vec![]));
            let run = |(items, done): &mut (Vec<T>, Vec<R>)| {
                *done = std::mem::take(items).into_iter().map(&f).collect();
            };
            let (first, rest) = shares.split_first_mut().expect("one at least");
            // The caller's thread takes a share too: one less to wake.
            rayon::in_place_scope(|scope| {
                rest.iter_mut().for_each(|share| scope.spawn(|_| run(share)));
                run(first);
            });
            return shares.into_iter().flat_map(|share| share.1).collect();
        }
        items.into_iter().map(f).collect()
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::all()
    }
}
