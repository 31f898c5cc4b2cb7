//! Rows of few vectors, several at a time. They are copied to scratch first, where nothing in them is special:
//! the label's class and what is beyond the row's end are padding. So the sweeps go over whole vectors, no
//! branch depends on what a row holds, and reductions across lanes are made for all rows at once.

use super::format::Formats;
use super::group::Group;
use super::pending::{GradientWriter, InFlight};
use super::rows::Rows;
use super::scratch::{Scratch, padded_len};
use super::vectors::label_class;
use super::wide::Wide;
use crate::cpu::math::PAD_LOGIT;
use crate::cpu::row::extremes::{Extremes, Side};
use crate::cpu::row::inputs::Facts;
use crate::cpu::row::layout::Terms;
use crate::cpu::row::sums::{Exponentials, SumTerms, Sums, SweepHook, UnitExp};
use crate::cpu::simd::{LANE_NUMBERS, MAX_LANES, Task, Vector, map};
use std::marker::PhantomData;
use std::ops::Range;

/// The sweeps over a group of rows. Where the exponentials of the row before in a lane are, the row's logits
/// come as that row's gradient is written, and then its own exponentials.
pub(crate) struct Staged<'a, 'b, 'c, V, F, const P: usize>(
    pub(crate) Group<'a, 'b, 'c, V>,
    pub(crate) PhantomData<F>,
);

impl<V: Vector, F: Formats, const P: usize> Task for Staged<'_, '_, '_, V, F, P> {
    type Output = Facts<V, V>;

    #[inline(always)]
    fn run(self) -> Facts<V, V> {
        let Group {
            rows,
            range,
            labels,
            full,
            scratch,
            in_flight,
            unit,
        } = self.0;
        let unit = unit.known::<P>();
        let (count, len) = (range.len(), padded_len::<V>(rows.classes));
        let label = copy::<V, F, P>(rows, range.clone(), scratch, in_flight, unit);
        let extremes = Extremes {
            student: side(&scratch.floats(0)[..count * len], len, label[0], labels),
            teacher: side(&scratch.floats(1)[..count * len], len, label[1], labels),
        };
        let max = [extremes.student.max, extremes.teacher.max];
        let max = map(max, V::to_array);
        let sums = sums::<V, F, P>(rows, range, scratch, unit, full, max);
        Facts::unmasked(extremes, sums)
    }
}

/// Copies the rows; returns their labels' logits.
#[inline(always)]
fn copy<V: Vector, F: Formats, const P: usize>(
    rows: &mut Rows,
    range: Range<usize>,
    scratch: &mut Scratch,
    in_flight: &mut InFlight,
    unit: UnitExp<P>,
) -> [[f32; MAX_LANES]; 2] {
    let classes = rows.classes;
    let mut label = [[f32::NEG_INFINITY; MAX_LANES]; 2];
    for (lane, i) in range.enumerate() {
        let (row, y) = (rows.wide::<V, F>(i), label_class(rows.labels[i]));
        let pending = in_flight.gradients[lane].take();
        let mut pending = GradientWriter::<V, F, P>::new(rows, pending, unit);
        let mut staged = scratch.row::<V>(lane, classes);
        for at in (0..classes).step_by(V::LANES) {
            let [s, t] = row.vectors(at, PAD_LOGIT);
            // SAFETY: the row's scratch holds each of its vectors, and rows are of one length.
            unsafe {
                if let Some(pending) = &mut pending {
                    pending.put(at, &staged);
                }
                staged.store(0, at, s);
                staged.store(1, at, t);
            }
        }
        if let Some(pending) = pending {
            pending.finish();
        }
        if let [Some(s), Some(t)] = row.labels() {
            for (which, logit) in [s, t].into_iter().enumerate() {
                label[which][lane] = logit;
                staged.floats(which)[y] = PAD_LOGIT;
            }
        }
    }
    label
}

/// The extremes of the rows' students or teachers, one row per lane.
#[inline(always)]
fn side<V: Vector>(rows: &[f32], len: usize, label: [f32; MAX_LANES], y: V) -> Side<V, V> {
    let nothing = V::splat(f32::NEG_INFINITY);
    // Of each row the maximum of each lane, and minus the class where it stands first.
    let (mut highest, mut first) = ([nothing; MAX_LANES], [nothing; MAX_LANES]);
    let lanes = V::splat(0.0) - V::from_array(&LANE_NUMBERS);
    for (lane, row) in rows.chunks_exact(len).enumerate() {
        let (mut max, mut found, mut here) = (nothing, nothing, lanes);
        for z in row.chunks_exact(V::LANES) {
            // SAFETY: the chunk has LANES values.
            let z = unsafe { V::load(z.as_ptr()) };
            found = V::select(max.lt(z), here, found);
            max = z.max(max);
            here = here - V::splat(V::LANES as f32);
        }
        (highest[lane], first[lane]) = (max, found);
    }
    let max = V::reduce_max_rows(&highest);
    let of_rows = max.to_array();
    for lane in 0..V::LANES {
        let here = highest[lane].eq(V::splat(of_rows[lane]));
        first[lane] = V::select(here, first[lane], nothing);
    }
    let first = V::splat(0.0) - V::reduce_max_rows(&first);
    let label = V::from_array(&label);
    let leads = max.lt(label) | (max.eq(label) & y.lt(first));
    Side {
        label,
        labelled: !y.lt(V::splat(0.0)),
        max,
        top: V::select(leads, y, first),
    }
}

/// A row's scratch: its logits until its exponentials replace them.
struct Replace<'a, const P: usize> {
    scratch: Scratch<'a>,
    /// Whether there is a gradient.
    keeps: bool,
    unit: UnitExp<P>,
}

impl<V: Vector, const P: usize> SweepHook<V> for Replace<'_, P> {
    #[inline(always)]
    fn vector(&mut self, at: usize, exponentials: [V; 3]) {
        if self.keeps {
            // SAFETY: the row's scratch holds each of its vectors.
            unsafe { self.scratch.store_exponentials(at, exponentials, self.unit) };
        }
    }
}

/// The rows' sums, one row per lane.
#[inline(always)]
fn sums<V: Vector, F: Formats, const P: usize>(
    rows: &Rows,
    range: Range<usize>,
    scratch: &mut Scratch,
    unit: UnitExp<P>,
    full: bool,
    max: [[f32; MAX_LANES]; 2],
) -> Sums<V> {
    let (classes, keeps, together) = (rows.classes, rows.gradient.is_some(), range.len());
    // What is taken logarithms of, and divided by, even where there is no row.
    let mut sums = [[V::splat(1.0); MAX_LANES]; 8];
    for (lane, i) in range.enumerate() {
        let max = [max[0][lane], max[1][lane]];
        let mut terms = SumTerms {
            exponentials: Exponentials::tempered::<Wide<V, F>>(max, rows.tau_of(i)),
            unit,
            full,
            hook: Replace {
                scratch: scratch.row::<V>(lane, classes),
                keeps,
                unit,
            },
        };
        let mut of_row = [V::splat(0.0); 8];
        let next = rows.wide::<V, F>((i + together).min(rows.len() - 1));
        for at in (0..classes).step_by(V::LANES) {
            next.prefetch(at);
            let scratch = &terms.hook.scratch;
            // SAFETY: the row's scratch holds each of its vectors.
            let (s, t) = unsafe { (scratch.load(0, at), scratch.load(1, at)) };
            terms.add::<false>(at, s, t, &mut of_row);
        }
        for (sums, of_row) in sums.iter_mut().zip(of_row) {
            sums[lane] = of_row;
        }
    }
    // Not by `map`, which would call the reduction instead of inlining it.
    let mut lanes = [V::splat(0.0); 8];
    for (lanes, of_rows) in lanes.iter_mut().zip(&sums) {
        *lanes = V::reduce_sum_rows(of_rows);
    }
    Sums::from_array(lanes)
}
