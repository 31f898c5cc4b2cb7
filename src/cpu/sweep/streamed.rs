//! Rows of many classes, one after the other. One sweep does three things: it sums a row and keeps its
//! exponentials in scratch, writes the pending gradient of the row whose exponentials lie there, and finds the
//! extremes of a later row. So memory is busy while there is arithmetic to do, and no row is read a third time.

use super::format::Formats;
use super::group::Group;
use super::pending::{GradientWriter, NextExtremes};
use super::scratch::Scratch;
use super::wide::{ExtremesScan, Wide};
use crate::cpu::regime::scans_ahead;
use crate::cpu::row::extremes::{Extremes, Side};
use crate::cpu::row::inputs::Facts;
use crate::cpu::row::layout::Layout;
use crate::cpu::row::sums::{Exponentials, SumTerms, Sums, SweepHook, UnitExp};
use crate::cpu::simd::{MAX_LANES, Task, Vector, map};
use std::marker::PhantomData;

/// The sweeps over a group of rows.
pub(crate) struct Streamed<'a, 'b, 'c, V, F, const P: usize>(
    pub(crate) Group<'a, 'b, 'c, V>,
    pub(crate) PhantomData<F>,
);

impl<V: Vector, F: Formats, const P: usize> Task for Streamed<'_, '_, '_, V, F, P> {
    type Output = Facts<V, V>;

    #[inline(always)]
    fn run(self) -> Facts<V, V> {
        let Group {
            rows,
            range,
            full,
            scratch,
            in_flight,
            unit,
            labels,
        } = self.0;
        let unit = unit.known::<P>();
        let classes = rows.classes;
        let scans = scans_ahead(classes, V::LANES);
        let keeps = rows.gradient.is_some();
        let together = range.len();
        let mut found = Found::new();
        for (lane, i) in range.enumerate() {
            let row = rows.wide::<V, F>(i);
            let known = in_flight.next[lane].take().filter(|next| next.row == i);
            let extremes = known.map(|next| next.extremes);
            let extremes = extremes.unwrap_or_else(|| row.extremes());
            let Extremes { student, teacher } = extremes;
            if !(student.is_finite() & teacher.is_finite()) {
                continue;
            }
            let tau = rows.tau_of(i);
            let next = if scans {
                rows.scan::<V, F>(i + together)
            } else {
                None
            };
            let pending = in_flight.gradients[lane].take();
            let mut terms = SumTerms {
                exponentials: Exponentials::tempered::<Wide<V, F>>([student.max, teacher.max], tau),
                unit,
                full,
                hook: Hook {
                    next,
                    kept: keeps.then(|| scratch.row::<V>(lane, classes)),
                    pending: GradientWriter::new(rows, pending, unit),
                    unit,
                },
            };
            let sums = terms.over::<false, _>(&row);
            in_flight.next[lane] = terms.hook.next.map(|scan| NextExtremes {
                row: i + together,
                extremes: scan.extremes(),
            });
            if let Some(writer) = terms.hook.pending {
                writer.finish();
            }
            found.set(lane, &extremes, &sums);
        }
        found.facts(labels)
    }
}

/// What is done during the sums of a row.
struct Hook<'a, V, F, const P: usize> {
    next: Option<ExtremesScan<'a, V, F>>,
    /// Where the row's exponentials go, if there is a gradient.
    kept: Option<Scratch<'a>>,
    /// The row whose exponentials are there now.
    pending: Option<GradientWriter<'a, V, F, P>>,
    unit: UnitExp<P>,
}

impl<V: Vector, F: Formats, const P: usize> SweepHook<V> for Hook<'_, V, F, P> {
    #[inline(always)]
    fn vector(&mut self, at: usize, exponentials: [V; 3]) {
        if let Some(next) = &mut self.next {
            // SAFETY: the rows are of one length.
            unsafe { next.feed(at) };
        }
        let Some(kept) = &mut self.kept else { return };
        // SAFETY: the row's scratch holds each of its vectors, and rows are of one length.
        unsafe {
            if let Some(pending) = &mut self.pending {
                pending.put(at, kept);
            }
            kept.store_exponentials(at, exponentials, self.unit);
        }
    }
}

/// The facts of rows, in the lane of each. A lane without a row is not valid: its maximum is −∞.
///
/// Aligned, so that the compiler aligns the stack of the sweep: a vector's worth of registers that is kept there
/// would else lie across two lines of the cache.
#[repr(align(64))]
struct Found {
    label: [[f32; MAX_LANES]; 2],
    max: [[f32; MAX_LANES]; 2],
    top: [[f32; MAX_LANES]; 2],
    /// What is taken logarithms of, and divided by, even where there is no row.
    sums: [[f32; MAX_LANES]; 8],
}

impl Found {
    #[inline(always)]
    fn new() -> Self {
        let nothing = [[f32::NEG_INFINITY; MAX_LANES]; 2];
        Self {
            label: nothing,
            max: nothing,
            top: nothing,
            sums: [[1.0; MAX_LANES]; 8],
        }
    }

    #[inline(always)]
    fn set(&mut self, lane: usize, extremes: &Extremes<f32, usize>, sums: &Sums<f32>) {
        for (i, side) in [&extremes.student, &extremes.teacher]
            .into_iter()
            .enumerate()
        {
            self.label[i][lane] = side.label;
            self.max[i][lane] = side.max;
            // A float counts classes exactly, 2²⁴ of them.
            self.top[i][lane] = side.top as f32;
        }
        for (all, sum) in self.sums.iter_mut().zip(sums.to_array()) {
            all[lane] = sum;
        }
    }

    #[inline(always)]
    fn facts<V: Vector>(&self, labels: V) -> Facts<V, V> {
        let lanes = |values: &[[f32; MAX_LANES]; 2]| map(values.each_ref(), V::from_array);
        let (label, max, top) = (lanes(&self.label), lanes(&self.max), lanes(&self.top));
        let labelled = !labels.lt(V::splat(0.0));
        let side = |i: usize| Side {
            label: label[i],
            labelled,
            max: max[i],
            top: top[i],
        };
        let extremes = Extremes {
            student: side(0),
            teacher: side(1),
        };
        Facts::unmasked(
            extremes,
            Sums::from_array(map(self.sums.each_ref(), V::from_array)),
        )
    }
}
