//! Rows of few vectors, several at a time. They are copied first, and what is special in them is taken
//! out: so the sweeps go over whole vectors that are all alike, no branch depends on what a row holds,
//! and what lies across lanes is gathered for all rows together.

use super::beside::Writer;
use super::clean::{Seen, Sweep, place, width};
use super::layout::{Formats, LOWEST, Terms, Wide};
use super::scratch::Scratch;
use super::simd::{MOST_LANES, Mask, Vector};
use super::stretch::label_class;
use super::sums::{Beside, Exponentials, Raise, Stats};
use crate::spec::StatsLevel;

/// Maxima, tops and sums of each row. Where the exponentials of the row before in its lane lie, its
/// logits come as their gradient is written, and then its own exponentials.
#[inline(always)]
pub(super) fn sweep<V: Vector, F: Formats, P: Raise>(mut sweep: Sweep<V, F, P>) -> Seen {
    let label = copy(&mut sweep);
    let (rows, width) = (sweep.rows.clone(), width::<V>(sweep.stretch.classes));
    let y = sweep.given.y;
    let all = rows.len() * width;
    let s = Peaks::<V>::of(&sweep.scratch.floats(0)[..all], width, label[0], y);
    let t = Peaks::<V>::of(&sweep.scratch.floats(1)[..all], width, label[1], y);
    let max = [s.max.to_lanes(), t.max.to_lanes()];
    let sums = sums(sweep, max);
    let contrast = V::from_lanes(&sums[7]).abs();
    let clean = s.clean & t.clean & contrast.lt(V::splat(f32::INFINITY));
    Seen {
        rows: clean.bits() & ((1 << rows.len()) - 1),
        label,
        max,
        top: [s.top, t.top],
        sums,
    }
}

/// Copies the rows, and gives their labels' logits.
#[inline(always)]
fn copy<V: Vector, F: Formats, P: Raise>(sweep: &mut Sweep<V, F, P>) -> [[f32; MOST_LANES]; 2] {
    let (stretch, power) = (&mut *sweep.stretch, sweep.power);
    let (classes, labels) = (stretch.classes, stretch.labels);
    let mut label = [[f32::NEG_INFINITY; MOST_LANES]; 2];
    for (lane, i) in sweep.rows.clone().enumerate() {
        let row = stretch.wide::<V, F>(i);
        let gradient = stretch.gradient.as_mut();
        let late = sweep.carried.late[lane].take();
        let mut late = late.map(|late| Writer::<V, F, P>::new(gradient, labels, late, power));
        let mut place = place::<V>(sweep.scratch, lane, classes);
        for at in (0..classes).step_by(V::LANES) {
            let [s, t] = row.vectors(at, LOWEST);
            // SAFETY: there is a place for each vector of the row, and rows are of one length.
            unsafe {
                if let Some(late) = &mut late {
                    late.put_kept(at, &place);
                }
                place.keep(0, at, s);
                place.keep(1, at, t);
            }
        }
        if let Some(late) = late {
            late.end();
        }
        if let [Some(s), Some(t)] = row.labels() {
            let y = label_class(labels[i]);
            for (which, logit) in [s, t].into_iter().enumerate() {
                label[which][lane] = logit;
                place.floats(which)[y] = LOWEST;
            }
        }
    }
    label
}

/// What is highest in rows of one side, one row per lane.
struct Peaks<V: Vector> {
    /// Besides the label.
    max: V,
    top: [usize; MOST_LANES],
    /// Whether maximum and label are numbers.
    clean: V::Mask,
}

impl<V: Vector> Peaks<V> {
    #[inline(always)]
    fn of(rows: &[f32], width: usize, label: [f32; MOST_LANES], y: V) -> Self {
        let nothing = V::splat(f32::NEG_INFINITY);
        // Of each row the maximum of each lane, and less the class where it stands first.
        let (mut highest, mut first) = ([nothing; MOST_LANES], [nothing; MOST_LANES]);
        let lanes = V::from_lanes(&LANES);
        for (lane, row) in rows.chunks_exact(width).enumerate() {
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
        let max = V::maxima(&highest);
        let of_rows = max.to_lanes();
        for lane in 0..V::LANES {
            let here = highest[lane].eq(V::splat(of_rows[lane]));
            first[lane] = V::select(here, first[lane], nothing);
        }
        let first = V::splat(0.0) - V::maxima(&first);
        let label = V::from_lanes(&label);
        let leads = max.lt(label) | (max.eq(label) & y.lt(first));
        let tops = V::select(leads, y, first).to_lanes();
        let mut top = [0; MOST_LANES];
        for (top, class) in top.iter_mut().zip(tops) {
            *top = class as usize;
        }
        let infinity = V::splat(f32::INFINITY);
        let labelled = !y.lt(V::splat(0.0));
        let clean = V::splat(LOWEST).lt(max) & max.lt(infinity);
        Self {
            max,
            top,
            clean: clean & (label.abs().lt(infinity) | !labelled),
        }
    }
}

/// Less the number of each lane.
const LANES: [f32; MOST_LANES] = {
    let (mut lanes, mut i) = ([0.0; MOST_LANES], 0);
    while i < MOST_LANES {
        lanes[i] = -(i as f32);
        i += 1;
    }
    lanes
};

/// What a row's logits lie in, until its exponentials do.
struct Place<'a, P> {
    scratch: Scratch<'a>,
    keeps: bool,
    power: P,
}

impl<V: Vector, P: Raise> Beside<V> for Place<'_, P> {
    #[inline(always)]
    fn beside(&mut self, at: usize, exponentials: [V; 3]) {
        if self.keeps {
            // SAFETY: there is a place for each vector of the row.
            unsafe { self.scratch.keep_exponentials(at, exponentials, self.power) };
        }
    }
}

/// The stats sweeps: each row's sums in its lane.
#[inline(always)]
fn sums<V: Vector, F: Formats, P: Raise>(
    sweep: Sweep<V, F, P>,
    max: [[f32; MOST_LANES]; 2],
) -> [[f32; MOST_LANES]; 8] {
    let (stretch, power) = (sweep.stretch, sweep.power);
    let full = stretch.level == StatsLevel::Full;
    let keeps = stretch.gradient.is_some();
    // What is taken logarithms of, and divided by, even where there is no row.
    let mut sums = [[V::splat(1.0); MOST_LANES]; 8];
    let together = sweep.rows.len();
    for (lane, i) in sweep.rows.enumerate() {
        let mut stats = Stats {
            exponentials: Exponentials::tempered::<Wide<V, F>>(
                [max[0][lane], max[1][lane]],
                stretch.tau_of(i),
            ),
            power,
            full,
            beside: Place {
                scratch: place::<V>(sweep.scratch, lane, stretch.classes),
                keeps,
                power,
            },
        };
        let mut of_row = [V::splat(0.0); 8];
        let next = stretch.wide::<V, F>((i + together).min(stretch.labels.len() - 1));
        for at in (0..stretch.classes).step_by(V::LANES) {
            next.fetch(at);
            let place = &stats.beside.scratch;
            // SAFETY: there is a place for each vector of the row.
            let (s, t) = unsafe { (place.load(0, at), place.load(1, at)) };
            stats.add::<false>(at, s, t, &mut of_row);
        }
        for (sums, of_row) in sums.iter_mut().zip(of_row) {
            sums[lane] = of_row;
        }
    }
    let mut lanes = [[0.0; MOST_LANES]; 8];
    for (lanes, of_rows) in lanes.iter_mut().zip(&sums) {
        *lanes = V::sums(of_rows).to_lanes();
    }
    lanes
}
