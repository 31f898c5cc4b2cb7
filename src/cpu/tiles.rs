//! Rows of few classes, side by side: one row per lane.

use super::blend::Near;
use super::clean::{Given, Lanes, Nears};
use super::extremes::Side;
use super::layout::{LOWEST, Layout, TILE_CLASSES, Tile, TileGradient};
use super::regime::is_forward_throughout;
use super::row::{Record, Row};
use super::simd::{Mask, Task, Vector, map};
use super::stretch::{Marks, Stretch, by_leaves};
use super::sums::{Beside, Exponentials, Power, Stats};
use crate::spec::StatsLevel;
use std::marker::PhantomData;
use std::ops::Range;

impl Stretch<'_> {
    /// All rows.
    #[inline(always)]
    pub(super) fn tiles<V: Vector>(&mut self) -> f64 {
        by_leaves(0..self.labels.len(), self.leaf, |rows| {
            V::enter(Tiles::<V> {
                stretch: self,
                rows,
                kind: PhantomData,
            })
        })
    }

    /// At most as many rows as there are lanes.
    #[inline(always)]
    fn tile<V: Vector>(&mut self, rows: Range<usize>, room: &mut Room<V>, mut total: f64) -> f64 {
        let classes = self.classes;
        let s = self.student.turned::<V>(rows.clone());
        let t = self.teacher.turned::<V>(rows.clone());
        let given = self.given::<V>(rows.clone());
        let layout = Tile {
            s: &s[..classes],
            t: &t[..classes],
            y: given.y,
            labelled: !given.y.lt(V::splat(0.0)),
        };
        let record = if is_forward_throughout(self.spec) {
            let short = V::enter(Short {
                stretch: self,
                layout: &layout,
                given: &given,
                rows: (1 << rows.len()) - 1,
                exponentials: &mut room.exponentials,
            });
            let record = if short.others == 0 {
                short.record
            } else {
                let all = self.any(&layout, &given, &mut room.gradient);
                either(short.done, &short.record, &all)
            };
            if self.gradient.is_some() {
                room.blend(&layout, short.done, short.factors);
            }
            record
        } else {
            self.any(&layout, &given, &mut room.gradient)
        };
        if let Some(gradient) = &mut self.gradient {
            gradient.turn_back(rows.clone(), &room.gradient[..classes]);
        }
        let floats = map(record.floats, V::to_lanes);
        let tops = map(record.tops, V::to_lanes);
        let marks = [
            record.wrong,
            record.agree,
            record.infinite,
            record.nonfinite,
        ];
        let marks = map(marks, V::Mask::bits);
        for (lane, i) in rows.enumerate() {
            let [wrong, agree, infinite, nonfinite] = marks.map(|mask| mask >> lane & 1 == 1);
            let marks = Marks {
                wrong,
                agree,
                infinite,
                nonfinite,
            };
            let floats = floats.each_ref().map(|lanes| lanes[lane]);
            let tops = tops.each_ref().map(|lanes| lanes[lane] as u32);
            let stats = self.record(i, floats, tops, marks);
            total = self.count(i, stats, total);
        }
        total
    }

    /// Rows of any kind.
    #[inline(always)]
    fn any<'a, V: Vector>(
        &self,
        layout: &Tile<'a, V>,
        &Given { y, inputs }: &Given<V>,
        gradient: &mut [V; TILE_CLASSES],
    ) -> Record<Tile<'a, V>> {
        let mut sink = TileGradient {
            values: &mut gradient[..self.classes],
            y,
            is_open: self.gradient.is_some(),
        };
        let record = V::enter(Row {
            spec: self.spec,
            level: self.level,
            layout,
            inputs,
            sink: &mut sink,
        });
        if record.nonfinite.any() {
            let off = inputs.weight.eq(V::splat(0.0));
            let refused = V::select(off, V::splat(0.0), V::splat(f32::NAN));
            for value in gradient {
                *value = V::select(record.nonfinite, refused, *value);
            }
        }
        record
    }
}

/// The first record for these rows, the second for the others.
#[inline(always)]
fn either<'a, V: Vector>(
    rows: V::Mask,
    first: &Record<Tile<'a, V>>,
    second: &Record<Tile<'a, V>>,
) -> Record<Tile<'a, V>> {
    let mut floats = first.floats;
    for (float, other) in floats.iter_mut().zip(second.floats) {
        *float = V::select(rows, *float, other);
    }
    let top = |i: usize| V::select(rows, first.tops[i], second.tops[i]);
    Record {
        floats,
        tops: [top(0), top(1)],
        wrong: rows & first.wrong | !rows & second.wrong,
        agree: rows & first.agree | !rows & second.agree,
        infinite: rows & first.infinite | !rows & second.infinite,
        nonfinite: rows & first.nonfinite | !rows & second.nonfinite,
    }
}

/// What tiles need room for, one after the other.
struct Room<V> {
    gradient: [V; TILE_CLASSES],
    /// `e_s`, `e_t` and the student's at τ = 1.
    exponentials: [[V; TILE_CLASSES]; 3],
}

impl<V: Vector> Room<V> {
    /// The gradient of these rows: see [`blend::factors`](super::blend::factors).
    #[inline(always)]
    fn blend(&mut self, layout: &Tile<V>, rows: V::Mask, [a, b, c, at_label]: [V; 4]) {
        let [of_s, of_t, raw] = &self.exponentials;
        for (class, g) in self.gradient[..layout.classes()].iter_mut().enumerate() {
            let here = layout.y.eq(V::splat(class as f32));
            let blend = of_s[class].mul_add(a, of_t[class].mul_add(b, raw[class] * c));
            *g = V::select(rows, V::select(here, at_label, blend), *g);
        }
    }
}

struct Tiles<'a, 'b, V> {
    stretch: &'a mut Stretch<'b>,
    rows: Range<usize>,
    kind: PhantomData<V>,
}

impl<V: Vector> Task for Tiles<'_, '_, V> {
    type Output = f64;

    #[inline(always)]
    fn run(self) -> f64 {
        let nothing = [V::splat(0.0); TILE_CLASSES];
        let mut room = Room {
            gradient: nothing,
            exponentials: [nothing; 3],
        };
        let mut total = 0.0;
        for first in self.rows.clone().step_by(V::LANES) {
            let rows = first..self.rows.end.min(first + V::LANES);
            total = self.stretch.tile::<V>(rows, &mut room, total);
        }
        total
    }
}

/// Rows without masks under forward KL: the gradient is a sum of exponentials, which are computed once.
struct Short<'a, 'b, 'c, V: Vector> {
    stretch: &'a Stretch<'b>,
    layout: &'a Tile<'c, V>,
    given: &'a Given<V>,
    /// The lanes with rows, as bits.
    rows: u32,
    exponentials: &'a mut [[V; TILE_CLASSES]; 3],
}

/// What has come of them.
struct Shortened<'c, V: Vector> {
    /// The rows that went this way, and those that have to go the other, as bits.
    done: V::Mask,
    others: u32,
    record: Record<Tile<'c, V>>,
    /// As in [`blend::factors`](super::blend::factors).
    factors: [V; 4],
}

impl<'c, V: Vector> Task for Short<'_, '_, 'c, V> {
    type Output = Shortened<'c, V>;

    #[inline(always)]
    fn run(self) -> Shortened<'c, V> {
        let (stretch, layout) = (self.stretch, self.layout);
        let (spec, full) = (stretch.spec, stretch.level == StatsLevel::Full);
        let extremes = layout.extremes();
        let (of_s, of_t) = (&extremes.student, &extremes.teacher);
        let max = [of_s.max, of_t.max];
        let mut stats = Stats {
            exponentials: Exponentials::tempered::<Tile<V>>(max, self.given.inputs.tau),
            power: Power::of(spec),
            full,
            beside: Keep(self.exponentials),
        };
        let sums = stats.of::<false, _>(layout);
        let bounded = sums.contrast.abs().lt(V::splat(f32::INFINITY));
        let clean = is_clean(of_s) & is_clean(of_t) & bounded;
        let blended = Lanes {
            spec,
            classes: stretch.classes,
            full,
            given: self.given,
            rows: clean.bits() & self.rows,
            label: [of_s.label, of_t.label],
            max,
            sums,
            near: layout,
        }
        .run();
        let done = clean & blended.goes;
        Shortened {
            done,
            others: !done.bits() & self.rows,
            record: Record {
                floats: blended.floats,
                tops: [of_t.top, of_s.top],
                wrong: blended.wrong,
                agree: of_t.top.eq(of_s.top),
                infinite: blended.infinite,
                nonfinite: V::Mask::splat(false),
            },
            factors: blended.factors,
        }
    }
}

/// Whether maximum and label are numbers.
#[inline(always)]
fn is_clean<V: Vector>(side: &Side<V, V>) -> V::Mask {
    let infinity = V::splat(f32::INFINITY);
    let label = side.label.abs().lt(infinity) | !side.labelled;
    V::splat(LOWEST).lt(side.max) & side.max.lt(infinity) & label
}

/// Keeps exponentials by class.
struct Keep<'a, V>(&'a mut [[V; TILE_CLASSES]; 3]);

impl<V: Vector> Beside<V> for Keep<'_, V> {
    #[inline(always)]
    fn beside(&mut self, at: usize, exponentials: [V; 3]) {
        for (kept, e) in self.0.iter_mut().zip(exponentials) {
            kept[at] = e;
        }
    }
}

impl<V: Vector> Nears<V> for Tile<'_, V> {
    #[inline(always)]
    fn sum(&self, near: &Near<V>, _: u32) -> V {
        near.of(self)
    }
}
