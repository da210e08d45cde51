//! Bags of embeddings on the CPU: rows decoded one by one and joined as they come.

use super::{BagMode, Bags, EmbeddingBag};
use crate::{
    cpu::{self, HostArgs, Input, Loop, Threads, risen, rising, vector},
    ops::Operation,
    scale::flags,
    tensor::{Layout, values},
};
use std::ops::Range;

/// Where the places of bags are.
struct Places<'a> {
    o: &'a EmbeddingBag,
    layout: Layout,
    indices: &'a [u32],
    offsets: &'a [u32],
}

impl Places<'_> {
    /// Words of the indices of a bag, and whether its offsets are bad.
    fn of(&self, bag: usize) -> (&[u32], Range<usize>, bool) {
        let (span, bad) = self.o.bags.span(self.offsets, bag);
        let first = if matches!(self.o.bags, Bags::Even { .. }) { bag * self.layout.row_words() } else { 0 };
        (&self.indices[first + span.start..first + span.end], span, bad)
    }

    fn counts(&self, index: u32) -> bool {
        Some(index) != self.o.padding_index
    }
}

pub(super) fn run(o: &EmbeddingBag, args: &mut HostArgs<'_>, threads: Threads) {
    let operands = o.operands().expect("validated");
    let operand = |role: &str| operands.iter().find(|o| o.role == role).expect("an operand of embedding_bag");
    let ragged = matches!(o.bags, Bags::Ragged { .. });
    let places = Places {
        o,
        layout: operand("index").layout.clone(),
        indices: args.read(values("index")),
        offsets: if ragged { args.read(values("offsets")) } else { &[] },
    };
    let table = Input::new(operand("table"), args);
    let weights = o.weights.map(|_| Input::new(operand("weights"), args));
    let count = o.bags.count() as usize;
    // Bags whose offsets fall may overlap: counts wrap around as on the GPU, the flag does not.
    let (mut unknown, mut bad, mut raised) = (0u32, 0u32, 0);
    for bag in 0..count {
        let (indices, _, wrong) = places.of(bag);
        let here = indices.iter().filter(|&&i| i >= o.vocabulary && places.counts(i)).count();
        (unknown, bad) = (unknown.wrapping_add(here as u32), bad + u32::from(wrong));
        if here > 0 || wrong {
            raised = flags::INDEX;
        }
    }
    if o.status {
        let words = args.write(values("status"));
        words.fill(0);
        words[..2].copy_from_slice(&[unknown, bad]);
    }
    // In blocks, though bags are rows: those of a record would be asked for twice, for their amax and for their codes.
    let (dim, piece) = (o.dim as usize, threads.piece(count, 1));
    let blocks: Vec<_> = (0..count).step_by(piece).map(|first| first..(first + piece).min(count)).collect();
    cpu::write_blocks_raising(operand("out"), args, threads, raised, &blocks, |bags, v, _| {
        for (bag, v) in bags.clone().zip(v.chunks_exact_mut(dim)) {
            join(&places, &table, weights.as_ref(), bag, v);
        }
    });
}

/// The result of one bag.
fn join(places: &Places<'_>, table: &Input<'_>, weights: Option<&Input<'_>>, bag: usize, v: &mut [f32]) {
    let (o, (indices, span, _)) = (places.o, places.of(bag));
    let weights = weights.map(|w| {
        let row = if matches!(o.bags, Bags::Even { .. }) { bag } else { 0 };
        let mut all = vec![0.0; indices.len()];
        w.numbers(row, span.start, &mut all);
        all
    });
    v.fill(0.0);
    let plain = table.plain();
    let mut decoded = vec![0.0; if plain.is_some() { 0 } else { v.len() }];
    let nothing = vec![0.0; v.len()];
    let mut count = 0u32;
    for (i, &index) in indices.iter().enumerate().filter(|(_, index)| places.counts(**index)) {
        let row = match &plain {
            _ if index >= o.vocabulary => &nothing[..],
            Some(m) => &m.numbers[index as usize * m.stride..][..v.len()],
            None => {
                table.numbers(index as usize, 0, &mut decoded);
                &decoded
            }
        };
        match (o.mode, &weights) {
            (BagMode::Max, _) if count == 0 => v.copy_from_slice(row),
            (BagMode::Max, _) => vector(Largest(v, row)),
            (_, Some(w)) => vector(Add(v, row, w[i])),
            (_, None) => vector(Add(v, row, 1.0)),
        }
        count += 1;
    }
    if o.mode == BagMode::Mean && count > 0 {
        v.iter_mut().for_each(|v| *v /= count as f32);
    }
}

/// Adds a row, times a weight. Times 1 is as it is.
struct Add<'a>(&'a mut [f32], &'a [f32], f32);

impl Loop for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(v, row, weight) = self;
        v.iter_mut().zip(row).for_each(|(v, x)| *v += weight * x);
    }
}

/// The larger of every two numbers.
struct Largest<'a>(&'a mut [f32], &'a [f32]);

impl Loop for Largest<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self(v, row) = self;
        for (v, x) in v.iter_mut().zip(row) {
            *v = risen(rising(*v).max(rising(*x)));
        }
    }
}
