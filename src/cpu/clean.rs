//! Rows without masks under forward KL, several at a time: sweeps go row by row, and what is done
//! once per row is done for all of them together, one row per lane.

use super::beside::{Besides, Carried, Foreseen, Late, Writer};
use super::blend::{self, Near};
use super::divergence::factors;
use super::extremes::{Extremes, Side};
use super::layout::{Formats, GROUP, LOWEST, Layout, Tile, Wide};
use super::regime::{is_forward, is_proportional, is_short};
use super::revised::{Revised, Tempered};
use super::row::Inputs;
use super::scratch::Scratch;
use super::short;
use super::simd::{MOST_LANES, Mask, Task, Vector, map};
use super::stretch::Stretch;
use super::sums::{Apart, Exponentials, Power, Raise, Squared, Stats, Sums};
use crate::spec::{Divergence, LossSpec, Revision, StatsLevel};
use std::marker::PhantomData;
use std::ops::Range;

/// How many rows go together.
pub(super) fn rows<V: Vector>(classes: usize) -> usize {
    (GROUP / width::<V>(classes)).clamp(1, V::LANES)
}

/// Places of a row in the scratch.
pub(super) fn width<V: Vector>(classes: usize) -> usize {
    classes.next_multiple_of(V::LANES)
}

/// From how many classes on the extremes of later rows are looked for: shorter rows come from memory
/// with the ones before them, and where vectors are short, registers are few.
#[inline(always)]
fn long<V: Vector>() -> usize {
    if V::LANES < 16 { 4096 } else { 512 }
}

/// What has been found out about rows, one per lane.
pub(super) struct Cleaned {
    /// The rows that went this way, as bits; for the others nothing has been written.
    pub(super) done: u32,
    pub(super) wrong: u32,
    pub(super) infinite: u32,
    pub(super) floats: [[f32; MOST_LANES]; 13],
    /// Teacher and student.
    pub(super) tops: [[usize; MOST_LANES]; 2],
    /// Of the gradient, as in [`blend::factors`].
    factors: [[f32; MOST_LANES]; 4],
}

/// What the sweeps see of rows, one per lane; student and teacher.
pub(super) struct Seen {
    pub(super) rows: u32,
    pub(super) label: [[f32; MOST_LANES]; 2],
    pub(super) max: [[f32; MOST_LANES]; 2],
    pub(super) top: [[usize; MOST_LANES]; 2],
    pub(super) sums: [[f32; MOST_LANES]; 8],
}

/// The rows as lanes: labels' classes (no label: less than 0), and the rest.
pub(super) struct Given<V> {
    pub(super) y: V,
    pub(super) inputs: Inputs<V>,
}

/// Takes the rows that can go this way. Their gradient is written beside later rows, or by [`finish`].
#[inline(always)]
pub(super) fn run<V: Vector, F: Formats>(
    stretch: &mut Stretch,
    rows: Range<usize>,
    given: &Given<V>,
    scratch: &mut Scratch,
    carried: &mut Carried,
) -> Cleaned {
    match Power::of(stretch.spec) {
        // What is slower anyway is compiled once.
        power if !F::IS_KNOWN || !V::BY_POWER => {
            by::<V, F, _>(stretch, rows, given, scratch, carried, power)
        }
        Power::One => by::<V, F, _>(stretch, rows, given, scratch, carried, Squared::<0>),
        Power::Two => by::<V, F, _>(stretch, rows, given, scratch, carried, Squared::<1>),
        Power::Four => by::<V, F, _>(stretch, rows, given, scratch, carried, Squared::<2>),
        Power::Other => by::<V, F, _>(stretch, rows, given, scratch, carried, Apart),
    }
}

#[inline(always)]
fn by<V: Vector, F: Formats, P: Raise>(
    stretch: &mut Stretch,
    rows: Range<usize>,
    given: &Given<V>,
    scratch: &mut Scratch,
    carried: &mut Carried,
    power: P,
) -> Cleaned {
    let seen = V::enter(Sweep::<V, F, P> {
        stretch,
        rows: rows.clone(),
        given,
        scratch,
        carried,
        power,
        kinds: PhantomData,
    });
    let lanes = |values: &[[f32; MOST_LANES]; 2]| map(values.each_ref(), V::from_lanes);
    let blended = V::enter(Lanes {
        spec: stretch.spec,
        classes: stretch.classes,
        full: stretch.level == StatsLevel::Full,
        given,
        rows: seen.rows,
        label: lanes(&seen.label),
        max: lanes(&seen.max),
        sums: Sums::from_array(map(seen.sums.each_ref(), V::from_lanes)),
        near: &NearRows::<F> {
            stretch,
            first: rows.start,
            formats: PhantomData,
        },
    });
    let cleaned = Cleaned {
        done: seen.rows & blended.goes.bits(),
        wrong: blended.wrong.bits(),
        infinite: blended.infinite.bits(),
        floats: map(blended.floats, V::to_lanes),
        tops: [seen.top[1], seen.top[0]],
        factors: map(blended.factors, V::to_lanes),
    };
    if stretch.gradient.is_some() {
        for (lane, row) in rows.enumerate() {
            if cleaned.done >> lane & 1 == 1 {
                let factors = map(cleaned.factors.each_ref(), |of_rows| of_rows[lane]);
                carried.late[lane] = Some(Late { row, factors });
            }
        }
    }
    cleaned
}

/// Writes the gradients that are still late.
#[inline(always)]
pub(super) fn finish<V: Vector, F: Formats>(
    stretch: &mut Stretch,
    scratch: &mut Scratch,
    carried: &Carried,
) {
    let classes = stretch.classes;
    for (lane, late) in carried.late.iter().enumerate() {
        if let Some(late) = *late {
            let gradient = stretch.gradient.as_mut();
            let power = Power::of(stretch.spec);
            let writer = Writer::<V, F, _>::new(gradient, stretch.labels, late, power);
            // SAFETY: that is the row's place.
            unsafe { writer.write_kept(&place::<V>(scratch, lane, classes), classes) };
        }
    }
}

/// A lane's part of the scratch.
#[inline(always)]
pub(super) fn place<'a, V: Vector>(
    scratch: &'a mut Scratch,
    lane: usize,
    classes: usize,
) -> Scratch<'a> {
    let width = width::<V>(classes);
    scratch.part(lane * width, width)
}

/// Maxima, tops and sums of each row; its exponentials are kept for its gradient.
pub(super) struct Sweep<'a, 'b, 'c, V, F, P> {
    pub(super) stretch: &'a mut Stretch<'b>,
    pub(super) rows: Range<usize>,
    pub(super) given: &'a Given<V>,
    pub(super) scratch: &'a mut Scratch<'c>,
    pub(super) carried: &'a mut Carried,
    pub(super) power: P,
    kinds: PhantomData<(V, F)>,
}

impl<V: Vector, F: Formats, P: Raise> Task for Sweep<'_, '_, '_, V, F, P> {
    type Output = Seen;

    #[inline(always)]
    fn run(self) -> Seen {
        if is_short(self.stretch.classes) {
            return short::sweep(self);
        }
        let (stretch, carried, power) = (self.stretch, self.carried, self.power);
        let (classes, labels) = (stretch.classes, stretch.labels);
        let full = stretch.level == StatsLevel::Full;
        let foresees = classes >= long::<V>();
        let keeps = stretch.gradient.is_some();
        let together = self.rows.len();
        let zeros = [0.0; MOST_LANES];
        let mut seen = Seen {
            rows: 0,
            label: [zeros; 2],
            max: [zeros; 2],
            top: [[0; MOST_LANES]; 2],
            // What is taken logarithms of, and divided by, even where there is no row.
            sums: [[1.0; MOST_LANES]; 8],
        };
        for (lane, i) in self.rows.enumerate() {
            let layout = stretch.wide::<V, F>(i);
            let foreseen = carried.foreseen[lane].take().filter(|seen| seen.row == i);
            let extremes = foreseen.map(|seen| seen.extremes);
            let Extremes { student, teacher } = extremes.unwrap_or_else(|| layout.extremes());
            let labelled = student.labelled;
            let of = |f: fn(&Side<f32, usize>) -> f32| [f(&student), f(&teacher)];
            let (max, label) = (of(|side| side.max), of(|side| side.label));
            let within = |z: f32| (LOWEST < z) & (z < f32::INFINITY);
            let labels_are_finite = label[0].is_finite() & label[1].is_finite();
            if !(within(max[0]) & within(max[1]) & (labels_are_finite | !labelled)) {
                continue;
            }
            let tau = stretch.tau_of(i);
            let ahead = stretch.foresight::<V, F>(i + together, foresees);
            let late = carried.late[lane].take();
            let gradient = stretch.gradient.as_mut();
            let mut stats = Stats {
                exponentials: Exponentials::tempered::<Wide<V, F>>(max, tau),
                power,
                full,
                beside: Besides {
                    ahead,
                    kept: keeps.then(|| place::<V>(self.scratch, lane, classes)),
                    late: late.map(|late| Writer::new(gradient, labels, late, power)),
                    power,
                },
            };
            let sums = stats.of::<false, _>(&layout).to_array();
            carried.foreseen[lane] = stats.beside.ahead.map(|ahead| Foreseen {
                row: i + together,
                extremes: ahead.extremes(),
            });
            if let Some(late) = stats.beside.late {
                late.end();
            }
            // What is no number makes the contrast none, and D with it: no more work for such a row.
            if !sums[7].is_finite() {
                continue;
            }
            seen.rows |= 1 << lane;
            for side in 0..2 {
                seen.label[side][lane] = label[side];
                seen.max[side][lane] = max[side];
            }
            seen.top[0][lane] = student.top;
            seen.top[1][lane] = teacher.top;
            for (all, sum) in seen.sums.iter_mut().zip(sums) {
                all[lane] = sum;
            }
        }
        seen
    }
}

/// Revises rows, one per lane.
pub(super) struct Lanes<'a, V, N> {
    pub(super) spec: &'a LossSpec,
    pub(super) classes: usize,
    pub(super) full: bool,
    pub(super) given: &'a Given<V>,
    /// The rows without masks, as bits.
    pub(super) rows: u32,
    pub(super) label: [V; 2],
    pub(super) max: [V; 2],
    pub(super) sums: Sums<V>,
    pub(super) near: &'a N,
}

/// What comes of it.
pub(super) struct Blended<V: Vector> {
    /// The rows whose revision and divergence let them go this way.
    pub(super) goes: V::Mask,
    pub(super) wrong: V::Mask,
    pub(super) infinite: V::Mask,
    pub(super) floats: [V; 13],
    /// As in [`blend::factors`].
    pub(super) factors: [V; 4],
}

/// Sums the terms of `D` besides the labels' class by class, for these rows at least.
pub(super) trait Nears<V> {
    fn sum(&self, near: &Near<V>, rows: u32) -> V;
}

/// Rows across many lanes, from the first on.
struct NearRows<'a, 'b, F> {
    stretch: &'a Stretch<'b>,
    first: usize,
    formats: PhantomData<F>,
}

impl<V: Vector, F: Formats> Nears<V> for NearRows<'_, '_, F> {
    #[inline(always)]
    fn sum(&self, near: &Near<V>, rows: u32) -> V {
        let near = near.rows();
        let mut values = [0.0; MOST_LANES];
        for (lane, value) in values[..V::LANES].iter_mut().enumerate() {
            if rows >> lane & 1 == 1 {
                *value = near[lane].of(&self.stretch.wide::<V, F>(self.first + lane));
            }
        }
        V::from_lanes(&values)
    }
}

impl<V: Vector, N: Nears<V>> Task for Lanes<'_, V, N> {
    type Output = Blended<V>;

    #[inline(always)]
    fn run(self) -> Blended<V> {
        let (spec, classes) = (self.spec, self.classes);
        let Given { y, inputs } = *self.given;
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let labelled = !y.lt(zero);
        let side = |which: usize| Side {
            label: V::select(labelled, self.label[which], V::splat(f32::NEG_INFINITY)),
            labelled,
            max: self.max[which],
            top: zero,
        };
        let extremes = Extremes {
            student: side(0),
            teacher: side(1),
        };
        let unmasked = V::splat(classes as f32) - V::select(labelled, one, zero);
        // Rows that revision changes otherwise do not go this way.
        let revision = if is_proportional(spec) {
            spec.revision()
        } else {
            Revision::None
        };
        let tempered = Tempered {
            k: [one / inputs.tau; 2],
            shift: self.max,
        };
        // Sums stand for the classes.
        let nothing = Tile {
            s: &[],
            t: &[],
            y,
            labelled,
        };
        let (by, sums) = ((spec, revision), &self.sums);
        let revised = Revised::new(&nothing, by, inputs, &extremes, tempered, sums, unmasked);
        let forward = |wrong| V::Mask::splat(is_forward(spec, wrong));
        let wrong = revised.wrong;
        let goes = (wrong & forward(true)) | (!wrong & forward(false));
        let (mut value, [exact, near]) = blend::value(&revised.gradient, sums);
        let nears = (near & goes).bits() & self.rows;
        if nears != 0 {
            let of_others = self.near.sum(&Near::new(&revised.gradient), nears);
            let of_label = V::select(labelled, blend::label_value(&revised.gradient), zero);
            value = V::select(near, of_others + of_label, value);
        }
        let (value_factor, slope) = factors(spec, Divergence::ForwardKl, inputs.tau, classes);
        let kd = value_factor * value;
        let (floats, infinite) = revised.floats(kd, self.full, classes, &extremes, sums);
        Blended {
            goes: goes & (exact | near),
            wrong,
            infinite,
            floats,
            factors: blend::factors(&revised.gradient, revised.factor * slope),
        }
    }
}
