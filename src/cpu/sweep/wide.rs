//! One row across many lanes.

use super::format::{Formats, OnlyF32};
use super::vectors::{Source, Widened};
use crate::cpu::regime::{BLOCK_VECTORS, CHAIN_CLASSES, WIDENED_CLASSES, widens};
use crate::cpu::row::extremes::{Extremes, Side};
use crate::cpu::row::layout::{Layout, Step, Summing, Terms};
use crate::cpu::simd::{MAX_LANES, Mask, Vector, map};
use crate::cpu::tree::Tree;
use std::marker::PhantomData;

/// Student and teacher of one row.
pub(crate) struct Wide<'a, V, F> {
    s: Source<'a, F>,
    t: Source<'a, F>,
    y: usize,
    vector: PhantomData<V>,
}

impl<'a, V: Vector, F: Formats> Wide<'a, V, F> {
    #[inline(always)]
    pub(crate) fn new(s: Source<'a, F>, t: Source<'a, F>, y: usize) -> Self {
        debug_assert_eq!(s.len(), t.len());
        Self {
            s,
            t,
            y,
            vector: PhantomData,
        }
    }

    /// The label's logits.
    #[inline(always)]
    pub(crate) fn labels(&self) -> [Option<f32>; 2] {
        [self.s.get(self.y), self.t.get(self.y)]
    }

    /// Prefetches both rows' class `at`.
    #[inline(always)]
    pub(super) fn prefetch(&self, at: usize) {
        self.s.prefetch::<V>(at);
        self.t.prefetch::<V>(at);
    }

    /// Both rows from class `at` on, then `absent`.
    #[inline(always)]
    pub(crate) fn vectors(&self, at: usize, absent: f32) -> [V; 2] {
        [self.s.load_rest(at, absent), self.t.load_rest(at, absent)]
    }

    /// Goes over the classes `from..to`; `from` is where a vector starts.
    #[inline(always)]
    fn range<const MASKED: bool, K: Step<V>>(&self, from: usize, to: usize, step: &mut K) {
        if F::IS_KNOWN || !widens(V::LANES) {
            return self.vectors_of::<MASKED, K>(from, to, step);
        }
        // As f32, so that sweeps are compiled for one format.
        let (mut s, mut t) = (Widened::uninit(), Widened::uninit());
        for by in (from..to).step_by(WIDENED_CLASSES) {
            let end = to.min(by + WIDENED_CLASSES);
            let s = self.s.widened::<V>(by, end, &mut s);
            let t = self.t.widened::<V>(by, end, &mut t);
            let part = Wide::<V, OnlyF32>::new(s, t, self.y.wrapping_sub(by));
            part.vectors_of::<MASKED, _>(0, end - by, &mut Shifted { step, by });
        }
    }

    #[inline(always)]
    fn vectors_of<const MASKED: bool, K: Step<V>>(&self, from: usize, to: usize, step: &mut K) {
        let absent = if MASKED { f32::NEG_INFINITY } else { K::ABSENT };
        let full = from + (to - from) / V::LANES * V::LANES;
        let mut at = from;
        while at < to {
            // Full vectors up to that of the label, which is special, as is a short last one.
            let stop = if MASKED {
                at
            } else if (at..full).contains(&self.y) {
                self.y - (self.y - from) % V::LANES
            } else {
                full
            };
            while !MASKED && at < stop {
                // SAFETY: full vectors lie within the row.
                let (s, t) = unsafe { (self.s.load(at), self.t.load(at)) };
                step.step::<MASKED>(at, s, t);
                at += V::LANES;
            }
            if at < to {
                let (mut s, mut t) = (self.s.load_rest(at, absent), self.t.load_rest(at, absent));
                let lane = self.y.wrapping_sub(at);
                if lane < V::LANES {
                    s = V::replace(s, lane, absent);
                    t = V::replace(t, lane, absent);
                }
                step.step::<MASKED>(at, s, t);
                at += V::LANES;
            }
        }
    }

    #[inline(always)]
    fn of_peaks(&self, peaks: &Peaks<V>) -> Extremes<f32, usize> {
        let is_one_block = self.s.len() <= BLOCK_VECTORS * V::LANES;
        let (s, of_s) = peaks.of(0, is_one_block);
        let (t, of_t) = peaks.of(1, is_one_block);
        Extremes {
            student: self.side(&self.s, s, of_s),
            teacher: self.side(&self.t, t, of_t),
        }
    }

    /// `block` is where the vectors that hold the maximum first start.
    #[inline(always)]
    fn side(&self, row: &Source<F>, max: f32, block: usize) -> Side<f32, usize> {
        let label = row.get(self.y);
        let of_label = label.unwrap_or(f32::NEG_INFINITY);
        let top = if of_label > max {
            self.y
        } else {
            let first = first::<V, F>(row, block, max);
            if of_label == max {
                first.min(self.y)
            } else {
                first
            }
        };
        Side {
            label: of_label,
            labelled: label.is_some(),
            max,
            top,
        }
    }
}

/// The first class from `from` on with this logit; the row's length where there is none.
#[inline(always)]
fn first<V: Vector, F: Formats>(row: &Source<F>, from: usize, z: f32) -> usize {
    let wanted = V::splat(z);
    for at in (from..row.len()).step_by(V::LANES) {
        let found = row.load_rest::<V>(at, f32::NEG_INFINITY).eq(wanted);
        if found.any() {
            return at + found.bits().trailing_zeros() as usize;
        }
    }
    row.len()
}

impl<V: Vector, F: Formats> Layout for Wide<'_, V, F> {
    type V = V;
    type R = f32;
    type Class = usize;
    const SIDE_BY_SIDE: bool = false;

    #[inline(always)]
    fn spread(row: f32) -> V {
        V::splat(row)
    }

    #[inline(always)]
    fn classes(&self) -> usize {
        self.s.len()
    }

    #[inline(always)]
    fn each<const MASKED: bool>(&self, step: &mut impl Step<V>) {
        self.range::<MASKED, _>(0, self.s.len(), step);
    }

    #[inline(always)]
    fn sum<const MASKED: bool, const N: usize>(&self, terms: &mut impl Terms<V, N>) -> [f32; N] {
        // Most rows are one chain.
        let mut tree = None;
        for from in (0..self.s.len()).step_by(CHAIN_CLASSES) {
            let to = self.s.len().min(from + CHAIN_CLASSES);
            let mut chain = Summing {
                terms: &mut *terms,
                sums: [V::splat(0.0); N],
            };
            self.range::<MASKED, _>(from, to, &mut chain);
            let sums = map(chain.sums, V::reduce_sum);
            if self.s.len() <= CHAIN_CLASSES {
                return sums;
            }
            tree.get_or_insert_with(Tree::new).push(sums);
        }
        tree.map_or([0.0; N], |tree| tree.total())
    }

    #[inline(always)]
    fn extremes(&self) -> Extremes<f32, usize> {
        let mut peaks = Peaks::new();
        for from in (0..self.s.len()).step_by(BLOCK_VECTORS * V::LANES) {
            let to = self.s.len().min(from + BLOCK_VECTORS * V::LANES);
            self.range::<false, _>(from, to, &mut peaks);
            peaks.close(from);
        }
        self.of_peaks(&peaks)
    }

    #[inline(always)]
    fn second(&self, top: usize) -> f32 {
        let mut second = Second {
            top,
            max: V::splat(f32::NEG_INFINITY),
        };
        self.each::<false>(&mut second);
        second.max.reduce_max()
    }

    #[inline(always)]
    fn student_at(&self, class: usize) -> f32 {
        match self.s.get(class) {
            Some(z) if class != self.y => z,
            _ => f32::NEG_INFINITY,
        }
    }

    #[inline(always)]
    fn with(at: usize, logits: V, class: usize, z: V) -> V {
        let lane = class.wrapping_sub(at);
        if lane < V::LANES {
            let mut here = [0.0; MAX_LANES];
            here[lane] = 1.0;
            let here = V::from_array(&here).eq(V::splat(1.0));
            V::select(here, z, logits)
        } else {
            logits
        }
    }

    #[inline(always)]
    fn is_label(&self, class: usize) -> bool {
        class == self.y
    }

    #[inline(always)]
    fn same(a: usize, b: usize) -> bool {
        a == b
    }
}

/// Steps over a part of a row, which begins at class `by`.
struct Shifted<'k, K> {
    step: &'k mut K,
    by: usize,
}

impl<V: Vector, K: Step<V>> Step<V> for Shifted<'_, K> {
    const ABSENT: f32 = K::ABSENT;

    #[inline(always)]
    fn step<const MASKED: bool>(&mut self, at: usize, s: V, t: V) {
        self.step.step::<MASKED>(self.by + at, s, t);
    }
}

/// The maxima of both rows so far, lane by lane, and the block in which each of them was found
/// first: tops are looked for there, instead of in the whole row.
struct Peaks<V> {
    of_block: [V; 2],
    max: [V; 2],
    found: [V; 2],
}

impl<V: Vector> Peaks<V> {
    #[inline(always)]
    fn new() -> Self {
        Self {
            of_block: [V::splat(f32::NEG_INFINITY); 2],
            max: [V::splat(f32::NEG_INFINITY); 2],
            found: [V::splat(0.0); 2],
        }
    }

    /// Ends the block that holds class `at`.
    #[inline(always)]
    fn close(&mut self, at: usize) {
        // A float counts blocks exactly, 2²⁴ of them.
        let block = V::splat((at / (BLOCK_VECTORS * V::LANES)) as f32);
        for i in 0..2 {
            let higher = self.max[i].lt(self.of_block[i]);
            self.max[i] = V::select(higher, self.of_block[i], self.max[i]);
            self.found[i] = V::select(higher, block, self.found[i]);
        }
        self.of_block = [V::splat(f32::NEG_INFINITY); 2];
    }

    /// One row's maximum, and where the first block that holds it begins.
    #[inline(always)]
    fn of(&self, which: usize, is_one_block: bool) -> (f32, usize) {
        let max = self.max[which].reduce_max();
        if is_one_block {
            return (max, 0);
        }
        let here = self.max[which].eq(V::splat(max));
        let (zero, none) = (V::splat(0.0), V::splat(f32::NEG_INFINITY));
        let first = V::select(here, zero - self.found[which], none).reduce_max();
        (max, -first as usize * BLOCK_VECTORS * V::LANES)
    }
}

impl<V: Vector> Step<V> for Peaks<V> {
    #[inline(always)]
    fn step<const MASKED: bool>(&mut self, _: usize, s: V, t: V) {
        self.of_block = [s.max(self.of_block[0]), t.max(self.of_block[1])];
    }
}

/// Looks for the extremes of one row while another is swept over.
pub(crate) struct ExtremesScan<'a, V, F> {
    row: Wide<'a, V, F>,
    peaks: Peaks<V>,
    /// The vectors that hold the label, and what is left of the row after whole ones.
    special: [usize; 2],
}

impl<'a, V: Vector, F: Formats> ExtremesScan<'a, V, F> {
    #[inline(always)]
    pub(crate) fn new(row: Wide<'a, V, F>) -> Self {
        let special = map([row.y, row.s.len()], |class| class - class % V::LANES);
        Self {
            row,
            peaks: Peaks::new(),
            special,
        }
    }

    #[inline(always)]
    pub(crate) fn extremes(mut self) -> Extremes<f32, usize> {
        self.peaks.close(self.row.s.len() - 1);
        self.row.of_peaks(&self.peaks)
    }

    /// Feeds the vector from class `at` on. Each comes once, in their order.
    ///
    /// # Safety
    /// A vector of a row as long begins there.
    #[inline(always)]
    pub(crate) unsafe fn feed(&mut self, at: usize) {
        self.row.s.prefetch_ahead::<V>(at);
        self.row.t.prefetch_ahead::<V>(at);
        if self.special.contains(&at) {
            let to = self.row.s.len().min(at + V::LANES);
            self.row.range::<false, _>(at, to, &mut self.peaks);
        } else {
            // SAFETY: the caller's promise; the row's vectors are whole, but for the special ones.
            let (s, t) = unsafe { (self.row.s.load(at), self.row.t.load(at)) };
            self.peaks.step::<false>(at, s, t);
        }
        if at / V::LANES % BLOCK_VECTORS == BLOCK_VECTORS - 1 {
            self.peaks.close(at);
        }
    }
}

/// The teacher's maximum without one class.
struct Second<V> {
    top: usize,
    max: V,
}

impl<V: Vector> Step<V> for Second<V> {
    #[inline(always)]
    fn step<const MASKED: bool>(&mut self, at: usize, _: V, t: V) {
        let lane = self.top.wrapping_sub(at);
        let t = if lane < V::LANES {
            t.replace(lane, f32::NEG_INFINITY)
        } else {
            t
        };
        self.max = t.max(self.max);
    }
}
