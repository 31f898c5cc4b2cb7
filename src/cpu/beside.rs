//! Work that runs interleaved with the sweeps over rows without masks: the gradient of the rows before is
//! written, and the extremes of the rows after are looked for. So memory is busy while there is
//! arithmetic to do, and the other way round.

use super::extremes::Extremes;
use super::layout::{Foresight, Formats, MatrixMut, RowGradient, Sink};
use super::scratch::Scratch;
use super::simd::{MOST_LANES, Vector, map};
use super::stretch::label_class;
use super::sums::{Beside, Raise};

/// What one group of rows leaves to the next, by lane.
#[derive(Default)]
pub(super) struct Carried {
    pub(super) foreseen: [Option<Foreseen>; MOST_LANES],
    /// The rows whose exponentials are kept, for a gradient that is still to be written.
    pub(super) late: [Option<Late>; MOST_LANES],
}

/// The extremes of a row that is still to come.
#[derive(Clone, Copy)]
pub(super) struct Foreseen {
    pub(super) row: usize,
    pub(super) extremes: Extremes<f32, usize>,
}

/// A row, and what its gradient is made with: see [`blend::factors`](super::blend::factors).
#[derive(Clone, Copy)]
pub(super) struct Late {
    pub(super) row: usize,
    pub(super) factors: [f32; 4],
}

/// Writes the gradient of one row, vector by vector.
pub(super) struct Writer<'a, V, F, P> {
    power: P,
    factors: [V; 3],
    at_label: f32,
    sink: RowGradient<'a, F>,
}

impl<'a, V: Vector, F: Formats, P: Raise> Writer<'a, V, F, P> {
    #[inline(always)]
    pub(super) fn new(
        gradient: Option<&'a mut MatrixMut>,
        labels: &[i32],
        late: Late,
        power: P,
    ) -> Self {
        let [a, b, c, at_label] = late.factors;
        Self {
            power,
            factors: map([a, b, c], V::splat),
            at_label,
            sink: RowGradient::new(gradient, late.row, label_class(labels[late.row])),
        }
    }

    /// The vector from class `at` on, from what the stats sweep has kept.
    ///
    /// # Safety
    /// There is a place for it.
    #[inline(always)]
    pub(super) unsafe fn put_kept(&mut self, at: usize, kept: &Scratch) {
        // SAFETY: the caller's promise.
        let load = |which| unsafe { kept.load::<V>(which, at) };
        let (e_s, e_t) = (load(0), load(1));
        let raw = if self.power.is_apart() {
            load(2)
        } else {
            self.power.raise(e_s, e_s)
        };
        let [a, b, c] = self.factors;
        let g = e_s.mul_add(a, e_t.mul_add(b, raw * c));
        self.sink.fetch_ahead::<V>(at);
        self.sink.put(at, g, true);
    }

    /// All that has been kept.
    ///
    /// # Safety
    /// There is a place for each of the row's vectors, of `classes` classes.
    #[inline(always)]
    pub(super) unsafe fn write_kept(mut self, kept: &Scratch, classes: usize) {
        for at in (0..classes).step_by(V::LANES) {
            // SAFETY: the caller's promise.
            unsafe { self.put_kept(at, kept) };
        }
        self.end();
    }

    /// The label's class comes last, over what stands there.
    #[inline(always)]
    pub(super) fn end(mut self) {
        Sink::<V, f32>::put_label(&mut self.sink, self.at_label, true);
    }
}

/// Beside the stats sweep of a row.
pub(super) struct Besides<'a, V, F, P> {
    pub(super) ahead: Option<Foresight<'a, V, F>>,
    /// Where exponentials are kept: a place for each vector of the row.
    pub(super) kept: Option<Scratch<'a>>,
    /// The row whose exponentials lie there now.
    pub(super) late: Option<Writer<'a, V, F, P>>,
    pub(super) power: P,
}

impl<V: Vector, F: Formats, P: Raise> Beside<V> for Besides<'_, V, F, P> {
    #[inline(always)]
    fn beside(&mut self, at: usize, exponentials: [V; 3]) {
        if let Some(ahead) = &mut self.ahead {
            // SAFETY: the rows are of one length.
            unsafe { ahead.look(at) };
        }
        let Some(kept) = &mut self.kept else { return };
        // SAFETY: there is a place for each vector of the row, and rows are of one length.
        unsafe {
            if let Some(late) = &mut self.late {
                late.put_kept(at, kept);
            }
            kept.keep_exponentials(at, exponentials, self.power);
        }
    }
}
