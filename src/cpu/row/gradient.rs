//! The divergence's value and the row's gradient, for any rule.

use super::divergence::{AtClass, Rule};
use super::layout::{Layout, Sink, Step, Terms};
use super::softmax::Softmax;
use super::standardise::{Pullback, Standardised};
use super::target::Target;
use crate::cpu::simd::{Mask, Task, Vector};

/// Student and revised target of a row, and what the gradient is multiplied by; per row or, after
/// [`Gradient::spread`], per class.
#[derive(Clone, Copy)]
pub(crate) struct Gradient<V: Vector, C> {
    /// `q`, the student's softmax at the row's temperature.
    pub(crate) student: Softmax<V>,
    /// `p'`.
    pub(crate) target: Target<V, C>,
    /// `q1`, the student's softmax at τ = 1.
    pub(crate) unit: Softmax<V>,
    /// The student's logit at the label; −∞ if there is no label.
    pub(crate) label: V,
    pub(crate) factors: Factors<V>,
}

/// Everything that multiplies `∂D/∂z` and `∂CE/∂s`; a part whose factor is 0 is not evaluated.
#[derive(Clone, Copy)]
pub(crate) struct Factors<V> {
    pub(crate) kd: V,
    pub(crate) ce: V,
}

/// The sweeps by one rule, on the rows that it is for.
pub(crate) struct GradientSweep<'a, L: Layout, G, A, B> {
    pub(crate) gradient: Gradient<L::R, L::Class>,
    pub(crate) standardised: Option<Standardised<L::R>>,
    pub(crate) layout: &'a L,
    pub(crate) rows: <L::R as Vector>::Mask,
    pub(crate) labelled: <L::R as Vector>::Mask,
    /// The rule for the label's class and for the others.
    pub(crate) of_label: A,
    pub(crate) of_others: B,
    pub(crate) sink: &'a mut G,
}

impl<R: Vector, C: Copy> Gradient<R, C> {
    /// The gradient over the classes besides the label, renormalised.
    #[inline(always)]
    pub(crate) fn without_label(self, unmasked: R) -> Self {
        Self {
            student: self.student.without_label(),
            target: self.target.without_label(unmasked),
            ..self
        }
    }

    #[inline(always)]
    fn at_label_class(&self) -> AtClass<R> {
        let (q, p) = (self.student.y, self.target.label);
        AtClass {
            s: self.label,
            t: self.target.label_logit,
            q: q.p,
            log_q: q.log_p,
            p: p.p,
            log_p: p.log_p,
        }
    }

    /// `∂CE/∂s_y`, from the other classes alone.
    #[inline(always)]
    pub(crate) fn of_cross_entropy(&self) -> R {
        R::splat(0.0) - self.factors.ce * self.unit.y.rest
    }

    #[inline(always)]
    fn spread<L: Layout<R = R, Class = C>>(&self) -> Gradient<L::V, C> {
        Gradient {
            student: self.student.map(L::spread),
            target: self.target.spread::<L>(),
            unit: self.unit.map(L::spread),
            label: L::spread(self.label),
            factors: Factors {
                kd: L::spread(self.factors.kd),
                ce: L::spread(self.factors.ce),
            },
        }
    }
}

impl<V: Vector, C: Copy> Gradient<V, C> {
    /// The classes besides the label from `at` on.
    #[inline(always)]
    fn at_class<L: Layout<V = V, Class = C>>(&self, at: usize, s: V, t: V) -> AtClass<V> {
        let t = self.target.logits::<L>(at, t);
        let ((q, log_q), (p, log_p)) = (self.student.at(s), self.target.at(t));
        AtClass {
            s,
            t,
            q,
            log_q,
            p,
            log_p,
        }
    }

    /// The gradient at a class, given the divergence's.
    #[inline(always)]
    fn total(&self, of_divergence: V, s: V) -> V {
        let zero = V::splat(0.0);
        let Factors { kd, ce } = self.factors;
        let of_kd = V::select(kd.eq(zero), zero, kd * of_divergence);
        ce.mul_add(self.unit.at(s).0, of_kd)
    }
}

impl<L, G, A, B> Task for GradientSweep<'_, L, G, A, B>
where
    L: Layout,
    G: Sink<L::V, L::R>,
    A: Rule<L::R>,
    B: Rule<L::V>,
{
    type Output = L::R;

    /// Writes the gradient, where there is room for it; returns `D` without its factor.
    #[inline(always)]
    fn run(self) -> L::R {
        let zero = L::R::splat(0.0);
        let per_class = self.gradient.spread::<L>();
        let mut write = Write::<L, G, B> {
            gradient: per_class,
            rule: &self.of_others,
            mean: L::spread(zero),
            pullback: None,
            rows: self.rows,
            sink: self.sink,
        };
        let c = self.gradient.at_label_class();
        let at_label = |value: L::R| L::R::select(self.labelled, value, zero);
        let label_value = at_label(self.of_label.label_value(c));
        if !B::CENTRED && self.standardised.is_none() {
            // One sweep for both.
            let [value] = self.layout.sum::<true, 1>(&mut write);
            let g = self.of_label.label_gradient(c, zero);
            write_label::<L, G>(&self.gradient, g, self.rows & self.labelled, write.sink);
            return value + label_value;
        }
        let mut values = ValueTerms::<L, B>(per_class, &self.of_others);
        let [value, mean] = self.layout.sum::<true, 2>(&mut values);
        let of_label = c.q * self.of_label.slope(c);
        let mean = mean + at_label(L::R::select(c.q.eq(zero), zero, of_label));
        let mut g = self.of_label.label_gradient(c, mean);
        write.mean = L::spread(mean);
        if let Some(row) = self.standardised {
            let mut terms = PullbackTerms::<L, B> {
                gradient: per_class,
                rule: &self.of_others,
                mean: write.mean,
                row: row.spread::<L>(),
            };
            let [sum_g, sum_gz] = self.layout.sum::<true, 2>(&mut terms);
            let there = L::R::splat(f32::NEG_INFINITY).lt(c.s) & self.labelled;
            let own = L::R::select(there, g, zero);
            let pullback = row.pullback(sum_g + own, sum_gz + own * row.z(c.s));
            write.pullback = Some(pullback.spread::<L>());
            g = pullback.apply(g, c.s);
        }
        if write.sink.is_open() {
            self.layout.each::<true>(&mut write);
            write_label::<L, G>(&self.gradient, g, self.rows & self.labelled, write.sink);
        }
        value + label_value
    }
}

#[inline(always)]
fn write_label<L: Layout, G: Sink<L::V, L::R>>(
    gradient: &Gradient<L::R, L::Class>,
    of_divergence: L::R,
    rows: <L::R as Vector>::Mask,
    sink: &mut G,
) {
    let zero = L::R::splat(0.0);
    let kd = gradient.factors.kd;
    let of_kd = L::R::select(kd.eq(zero), zero, kd * of_divergence);
    if sink.is_open() && rows.any() {
        sink.put_label(of_kd + gradient.of_cross_entropy(), rows);
    }
}

/// `D` and `Σ_k q_k h_k` over the classes besides the label.
struct ValueTerms<'a, L: Layout, B>(Gradient<L::V, L::Class>, &'a B);

impl<L: Layout, B: Rule<L::V>> Terms<L::V, 2> for ValueTerms<'_, L, B> {
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, at: usize, s: L::V, t: L::V, sums: &mut [L::V; 2]) {
        let c = self.0.at_class::<L>(at, s, t);
        sums[0] = sums[0] + self.1.value(c);
        if B::CENTRED {
            let zero = L::V::splat(0.0);
            let slope = L::V::select(c.q.eq(zero), zero, c.q * self.1.slope(c));
            sums[1] = sums[1] + slope;
        }
    }
}

/// The gradient of standardised logits needs two sums over it before it can be written.
struct PullbackTerms<'a, L: Layout, B> {
    gradient: Gradient<L::V, L::Class>,
    rule: &'a B,
    mean: L::V,
    row: Standardised<L::V>,
}

impl<L: Layout, B: Rule<L::V>> Terms<L::V, 2> for PullbackTerms<'_, L, B> {
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, at: usize, s: L::V, t: L::V, sums: &mut [L::V; 2]) {
        let c = self.gradient.at_class::<L>(at, s, t);
        let masked = s.eq(L::V::splat(f32::NEG_INFINITY));
        let g = self.rule.gradient(c, self.mean);
        let g = L::V::select(masked, L::V::splat(0.0), g);
        sums[0] = sums[0] + g;
        sums[1] = sums[1] + g * self.row.z(s);
    }
}

/// Writes the gradient; sums up `D`, where that is asked for.
struct Write<'a, L: Layout, G, B> {
    gradient: Gradient<L::V, L::Class>,
    rule: &'a B,
    mean: L::V,
    pullback: Option<Pullback<L::V>>,
    rows: <L::R as Vector>::Mask,
    sink: &'a mut G,
}

impl<L: Layout, G: Sink<L::V, L::R>, B: Rule<L::V>> Write<'_, L, G, B> {
    #[inline(always)]
    fn write(&mut self, at: usize, c: AtClass<L::V>) {
        let g = self.rule.gradient(c, self.mean);
        let g = match &self.pullback {
            Some(pullback) => pullback.apply(g, c.s),
            None => g,
        };
        self.sink.put(at, self.gradient.total(g, c.s), self.rows);
    }
}

impl<L: Layout, G: Sink<L::V, L::R>, B: Rule<L::V>> Step<L::V> for Write<'_, L, G, B> {
    #[inline(always)]
    fn step<const MASKED: bool>(&mut self, at: usize, s: L::V, t: L::V) {
        let c = self.gradient.at_class::<L>(at, s, t);
        self.write(at, c);
    }
}

impl<L: Layout, G: Sink<L::V, L::R>, B: Rule<L::V>> Terms<L::V, 1> for Write<'_, L, G, B> {
    #[inline(always)]
    fn add<const MASKED: bool>(&mut self, at: usize, s: L::V, t: L::V, sums: &mut [L::V; 1]) {
        let c = self.gradient.at_class::<L>(at, s, t);
        sums[0] = sums[0] + self.rule.value(c);
        if self.sink.is_open() {
            self.write(at, c);
        }
    }
}
