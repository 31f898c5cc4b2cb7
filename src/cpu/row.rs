//! The row program: stats → revise → gradient, for one row or for several side by side.

use super::divergence::{
    Decoupled, ForwardKl, JensenShannon, MseLogits, MseProbs, ReverseKl, Rule, Split,
    TotalVariation, factors,
};
use super::extremes::{Census, Extremes};
use super::gradient::{Gradient, Run};
use super::layout::{LOWEST, Layout, Sink};
use super::revised::{Revised, Tempered};
use super::simd::{Mask, Task, Vector, map};
use super::standardise::Standardised;
use super::sums::{Exponentials, Power, Stats, Sums};
use crate::spec::{Divergence, LossSpec, Revision, StatsLevel, Temperature};

/// What a row comes with besides its logits.
#[derive(Clone, Copy)]
pub(super) struct Inputs<R> {
    pub(super) weight: R,
    pub(super) kd_weight: R,
    pub(super) tau: R,
    /// `upstream · inv_n` of right and of wrong rows.
    pub(super) scale: [R; 2],
}

/// What is written about a row: the floats of its record in their order, both tops, and marks.
pub(super) struct Record<L: Layout> {
    pub(super) floats: [L::R; 13],
    pub(super) tops: [L::Class; 2],
    pub(super) wrong: <L::R as Vector>::Mask,
    pub(super) agree: <L::R as Vector>::Mask,
    pub(super) infinite: <L::R as Vector>::Mask,
    /// NaN, +∞ or nothing but masks: nothing else counts, and the gradient is the caller's.
    pub(super) nonfinite: <L::R as Vector>::Mask,
}

/// One row, or several side by side, and where their gradient goes.
pub(super) struct Row<'a, L: Layout, G> {
    pub(super) spec: &'a LossSpec,
    pub(super) level: StatsLevel,
    pub(super) layout: &'a L,
    pub(super) inputs: Inputs<L::R>,
    pub(super) sink: &'a mut G,
}

impl<L: Layout, G: Sink<L::V, L::R>> Task for Row<'_, L, G> {
    type Output = Record<L>;

    /// The record; the gradient is written on the way.
    #[inline(always)]
    fn run(self) -> Record<L> {
        let (spec, layout) = (self.spec, self.layout);
        let extremes = layout.extremes();
        let (of_s, of_t) = (&extremes.student, &extremes.teacher);
        let standardised = matches!(spec.temperature(), Temperature::Standardised { .. });
        let counted = L::SIDE_BY_SIDE || standardised;
        let mut census = if counted {
            count(layout, &extremes)
        } else {
            Census::clean(layout, &extremes)
        };
        if !L::SIDE_BY_SIDE && nonfinite(&census).any() {
            return refused(&extremes);
        }

        // Stats.
        let tau = self.inputs.tau;
        let (k, standardised) = inverse_temperatures(layout, tau, standardised, &census, &extremes);
        let shift = [of_s.shift(), of_t.shift()];
        let exponentials = Exponentials::<L::V>::new::<L>(shift, k);
        let (power, full) = (Power::of(spec), self.level == StatsLevel::Full);
        let mut fast = None;
        if !counted {
            let mut stats = Stats {
                exponentials,
                power,
                full,
                beside: (),
            };
            let sums = stats.of::<false, L>(layout);
            let below_infinity = [sums.contrast.abs(), of_s.label, of_t.label];
            if is_clean(shift, below_infinity) {
                fast = Some(sums);
            } else {
                // Somewhere a logit is no number, or all of them are as low as what is absent.
                census = count(layout, &extremes);
                if nonfinite(&census).any() {
                    return refused(&extremes);
                }
            }
        }
        let masked = || L::V::enter(Masked(exponentials, power, full, &layout.general()));
        let sums = fast.unwrap_or_else(masked);

        // Revise.
        let (tempered, unmasked) = (Tempered { k, shift }, census.unmasked[1]);
        let by = (spec, spec.revision());
        let revised = Revised::new(
            layout,
            by,
            self.inputs,
            &extremes,
            tempered,
            &sums,
            unmasked,
        );

        // Divergence and gradient.
        let wrong = revised.wrong;
        let masks = Masks::new(layout, &extremes, &census, spec.revision(), wrong);
        let kd = L::V::enter(ByRule {
            spec,
            layout,
            wrong,
            labelled: of_s.labelled,
            tau,
            factor: revised.factor,
            gradient: &revised.gradient,
            standardised,
            masks: &masks,
            unmasked,
            sink: self.sink,
        });
        let (floats, infinite) = revised.floats(kd, full, layout.classes(), &extremes, &sums);
        Record {
            floats,
            tops: [of_t.top, of_s.top],
            wrong,
            agree: L::same(of_t.top, of_s.top),
            infinite,
            nonfinite: nonfinite(&census),
        }
    }
}

/// Counts masks and what is no number, which few rows need.
#[inline(always)]
fn count<L: Layout>(layout: &L, extremes: &Extremes<L::R, L::Class>) -> Census<L::R> {
    struct Count<'a, L: Layout>(&'a L, &'a Extremes<L::R, L::Class>);
    impl<L: Layout> Task for Count<'_, L> {
        type Output = Census<L::R>;

        #[inline(always)]
        fn run(self) -> Census<L::R> {
            Census::of(self.0, self.1)
        }
    }
    L::V::enter(Count(&layout.general(), extremes))
}

/// The stats sweep over a row with masks.
struct Masked<'a, L: Layout>(Exponentials<L::V>, Power, bool, &'a L);

impl<L: Layout> Task for Masked<'_, L> {
    type Output = Sums<L::R>;

    #[inline(always)]
    fn run(self) -> Sums<L::R> {
        let mut stats = Stats {
            exponentials: self.0,
            power: self.1,
            full: self.2,
            beside: (),
        };
        stats.of::<true, L>(self.3)
    }
}

#[inline(always)]
fn is_clean<R: Vector>(above_lowest: [R; 2], below_infinity: [R; 3]) -> bool {
    let (lowest, infinity) = (R::splat(LOWEST), R::splat(f32::INFINITY));
    let [a, b] = map(above_lowest, |x| lowest.lt(x));
    let [c, d, e] = map(below_infinity, |x| x.lt(infinity));
    !(!(a & b & c & d & e)).any()
}

#[inline(always)]
fn nonfinite<R: Vector>(census: &Census<R>) -> R::Mask {
    census.nonfinite[0] | census.nonfinite[1]
}

/// The record of a row with NaN, +∞ or nothing but masks.
#[inline(always)]
fn refused<L: Layout>(extremes: &Extremes<L::R, L::Class>) -> Record<L> {
    let no = <L::R as Vector>::Mask::splat(false);
    Record {
        floats: [L::R::splat(f32::NAN); 13],
        tops: [extremes.teacher.top, extremes.student.top],
        wrong: no,
        agree: no,
        infinite: no,
        nonfinite: <L::R as Vector>::Mask::splat(true),
    }
}

/// `1/τ` for the student and for the teacher; with standardised logits each row's own spread is part
/// of it, and the student's mean and spread are needed again for the gradient.
#[inline(always)]
fn inverse_temperatures<L: Layout>(
    layout: &L,
    tau: L::R,
    standardised: bool,
    census: &Census<L::R>,
    extremes: &Extremes<L::R, L::Class>,
) -> ([L::R; 2], Option<Standardised<L::R>>) {
    let k = L::R::splat(1.0) / tau;
    if !standardised {
        return ([k, k], None);
    }
    let (of_s, of_t) = (&extremes.student, &extremes.teacher);
    let maxima = [of_s.maximum(), of_t.maximum()];
    let n = [census.classes(0, of_s), census.classes(1, of_t)];
    let [s, t] = Standardised::both(layout, maxima, [of_s.label, of_t.label], n);
    ([k * s.inverse, k * t.inverse], Some(s))
}

/// The divergences of the specification and the rows that each is for.
#[inline(always)]
fn divergences<M: Mask>(spec: &LossSpec, wrong: M, labelled: M) -> [(Divergence, M); 4] {
    let none = M::splat(false);
    let (right, of_wrong) = (spec.right().divergence, spec.wrong().divergence);
    // Rows without a label have no class to decouple.
    let split = |divergence, rows: M| match divergence {
        Divergence::Decoupled { .. } => [
            (divergence, rows & labelled),
            (Divergence::ForwardKl, rows & !labelled),
        ],
        _ => [(divergence, rows), (divergence, none)],
    };
    let same = right == of_wrong;
    let [a, b] = split(right, if same { M::splat(true) } else { !wrong });
    let [c, d] = split(of_wrong, if same { none } else { wrong });
    [a, b, c, d]
}

/// What rules are run on.
struct ByRule<'a, L: Layout, G> {
    spec: &'a LossSpec,
    layout: &'a L,
    wrong: <L::R as Vector>::Mask,
    labelled: <L::R as Vector>::Mask,
    tau: L::R,
    /// All that multiplies the divergence's gradient, besides its own.
    factor: L::R,
    gradient: &'a Gradient<L::R, L::Class>,
    standardised: Option<Standardised<L::R>>,
    masks: &'a Masks<L::R>,
    /// The teacher's unmasked classes besides the label.
    unmasked: L::R,
    sink: &'a mut G,
}

impl<L: Layout, G: Sink<L::V, L::R>> Task for ByRule<'_, L, G> {
    type Output = L::R;

    /// Writes the gradient; returns D.
    #[inline(always)]
    fn run(mut self) -> L::R {
        let mut kd = L::R::splat(0.0);
        for (divergence, rows) in divergences(self.spec, self.wrong, self.labelled) {
            if rows.any() {
                let value = self.one(divergence, rows);
                kd = L::R::select(rows, value, kd);
            }
        }
        kd
    }
}

impl<L: Layout, G: Sink<L::V, L::R>> ByRule<'_, L, G> {
    /// One divergence, for its rows.
    #[inline(always)]
    fn one(&mut self, divergence: Divergence, rows: <L::R as Vector>::Mask) -> L::R {
        let (value_factor, slope) = factors(self.spec, divergence, self.tau, self.layout.classes());
        let unbounded = self.masks.infinite(divergence);
        // Reverse KL has no gradient where it is infinite; the others keep their formula.
        let dead = unbounded & <L::R as Vector>::Mask::splat(divergence == Divergence::ReverseKl);
        let mut gradient = *self.gradient;
        gradient.factors.kd = L::R::select(dead, L::R::splat(0.0), self.factor * slope);
        let parts = Parts {
            layout: self.layout,
            rows,
            labelled: self.labelled,
            gradient,
            standardised: self.standardised,
            masks: self.masks,
            unmasked: self.unmasked,
        };
        let value = value_factor * parts.run(divergence, self.sink);
        L::R::select(unbounded, L::R::splat(f32::INFINITY), value)
    }
}

/// What one rule is run on.
struct Parts<'a, L: Layout> {
    layout: &'a L,
    rows: <L::R as Vector>::Mask,
    labelled: <L::R as Vector>::Mask,
    gradient: Gradient<L::R, L::Class>,
    standardised: Option<Standardised<L::R>>,
    masks: &'a Masks<L::R>,
    /// The teacher's unmasked classes besides the label.
    unmasked: L::R,
}

impl<L: Layout> Parts<'_, L> {
    /// Writes the gradient by the divergence's rule; returns D without its factor.
    #[inline(always)]
    fn run<G: Sink<L::V, L::R>>(mut self, divergence: Divergence, sink: &mut G) -> L::R {
        match divergence {
            Divergence::ForwardKl => self.by(ForwardKl, ForwardKl, sink),
            Divergence::ReverseKl => self.by(ReverseKl, ReverseKl, sink),
            Divergence::JensenShannon { beta } => {
                self.by(JensenShannon { beta }, JensenShannon { beta }, sink)
            }
            Divergence::TotalVariation => self.by(TotalVariation, TotalVariation, sink),
            Divergence::MseProbs => self.by(MseProbs, MseProbs, sink),
            Divergence::MseLogits => self.by(MseLogits, MseLogits, sink),
            Divergence::Decoupled { alpha, beta } => {
                let of_label = self.decoupled(alpha, beta);
                let of_others = Decoupled {
                    beta: L::spread(of_label.beta),
                    lead: L::spread(of_label.lead),
                    binary: L::spread(of_label.binary),
                };
                self.gradient = self.gradient.without_label(self.unmasked);
                self.by(of_label, of_others, sink)
            }
        }
    }

    #[inline(always)]
    fn by<G: Sink<L::V, L::R>>(
        self,
        of_label: impl Rule<L::R>,
        of_others: impl Rule<L::V>,
        sink: &mut G,
    ) -> L::R {
        L::V::enter(Run {
            gradient: self.gradient,
            standardised: self.standardised,
            layout: &self.layout.general(),
            rows: self.rows,
            labelled: self.labelled,
            of_label,
            of_others,
            sink,
        })
    }

    #[inline(always)]
    fn decoupled(&self, alpha: f32, beta: f32) -> Decoupled<L::R> {
        let (q, target) = (&self.gradient.student, &self.gradient.target);
        let both = self.masks.s_others & self.masks.p_others;
        let beta = L::R::select(both, L::R::splat(beta), L::R::splat(0.0));
        let of_student = Split {
            p: q.y.p,
            log_p: q.y.log_p,
            rest: q.y.rest,
            log_rest: q.log_rest(self.gradient.label),
        };
        let p = target.label;
        let of_target = Split {
            p: p.p,
            log_p: p.log_p,
            rest: p.rest,
            log_rest: target.log_rest(),
        };
        Decoupled::new(alpha, beta, of_student, of_target)
    }
}

/// Which classes are masked after revision; decided on logits, never on probabilities that
/// underflowed.
struct Masks<R: Vector> {
    /// Whether the label's class is unmasked in the student and in the target.
    s_y: R::Mask,
    p_y: R::Mask,
    /// Whether any other class is.
    s_others: R::Mask,
    p_others: R::Mask,
    /// Whether there are other classes that only one of the two masks.
    student_only: R::Mask,
    target_only: R::Mask,
}

impl<R: Vector> Masks<R> {
    #[inline(always)]
    fn new<L: Layout<R = R>>(
        layout: &L,
        extremes: &Extremes<L::R, L::Class>,
        census: &Census<R>,
        revision: Revision,
        wrong: R::Mask,
    ) -> Self {
        let (zero, one) = (R::splat(0.0), R::splat(1.0));
        let s_y = extremes.student.label_unmasked();
        let t_y = extremes.teacher.label_unmasked();
        let count = |rows: R::Mask| R::select(rows, one, zero);
        // Probability shift gives the teacher's top the label's mask, if that is masked.
        let (mut moved, mut from_student) = (zero, zero);
        if revision == Revision::ProbabilityShift && (wrong & !t_y).any() {
            let masked = layout.student_at(extremes.teacher.top);
            let masked = masked.eq(R::splat(f32::NEG_INFINITY));
            moved = count(wrong & !t_y);
            from_student = count(wrong & !t_y & masked);
        }
        let revised = wrong & R::Mask::splat(revision != Revision::None);
        Self {
            s_y,
            p_y: t_y | revised,
            s_others: zero.lt(census.unmasked[0]),
            p_others: moved.lt(census.unmasked[1]),
            student_only: zero.lt(census.only[0] - from_student),
            target_only: zero.lt(census.only[1] + moved - from_student),
        }
    }

    /// Whether D = +∞.
    #[inline(always)]
    fn infinite(&self, divergence: Divergence) -> R::Mask {
        let Self {
            s_y,
            p_y,
            s_others,
            p_others,
            student_only,
            target_only,
        } = *self;
        match divergence {
            Divergence::ForwardKl => student_only | (p_y & !s_y),
            Divergence::ReverseKl => target_only | (s_y & !p_y),
            Divergence::MseLogits => student_only | target_only | (p_y & !s_y) | (s_y & !p_y),
            Divergence::Decoupled { alpha, beta } => {
                let label = (p_y & !s_y) | (p_others & !s_others);
                let used = |factor: f32| R::Mask::splat(factor != 0.0);
                (used(alpha) & label) | (used(beta) & s_others & student_only)
            }
            _ => R::Mask::splat(false),
        }
    }
}
