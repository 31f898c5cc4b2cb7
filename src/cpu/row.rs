//! The row program: stats → revise → gradient, for one row.

use super::Element;
use super::divergence::{
    Decoupled, ForwardKl, JensenShannon, MseLogits, MseProbs, ReverseKl, TotalVariation, factors,
};
use super::extremes::{Extremes, NO_LABEL, Side, others};
use super::gradient::{Factors, Gradient};
use super::scores::Scores;
use super::softmax::{Softmax, sum_of_others};
use super::standardise::Standardised;
use super::target::Target;
use crate::batch::RowLogits;
use crate::spec::{
    Divergence, IGNORE, LossSpec, Revision, RowFlags, RowStats, StatsLevel, Temperature,
};

/// What a row comes with besides its logits.
#[derive(Clone, Copy)]
pub(super) struct RowInputs {
    pub(super) label: i32,
    pub(super) weight: f32,
    pub(super) kd_weight: f32,
    pub(super) tau: f32,
    /// `upstream · inv_n` of right and of wrong rows.
    pub(super) scale: [f32; 2],
}

/// One row's record; the gradient is written on the way.
pub(super) fn row<S: Element, T: Element>(
    spec: &LossSpec,
    level: StatsLevel,
    inputs: RowInputs,
    mut student: RowLogits<S>,
    teacher: &[T],
) -> RowStats {
    let y = if inputs.label == IGNORE {
        NO_LABEL
    } else {
        inputs.label as usize
    };
    let extremes = Extremes::of(student.read(), teacher, y);
    let flags = RowFlags::default()
        .with_if(y == NO_LABEL, RowFlags::IGNORED)
        .with_if(inputs.weight == 0.0, RowFlags::OFF)
        .with_if(inputs.kd_weight == 0.0, RowFlags::UNSELECTED);
    if extremes.student.nonfinite || extremes.teacher.nonfinite {
        return refused(level, inputs, student, flags | RowFlags::NONFINITE);
    }

    // Stats.
    let (of_s, of_t) = (&extremes.student, &extremes.teacher);
    let wrong = of_t.label.is_some_and(|t_y| t_y < of_t.max);
    let full = level == StatsLevel::Full;
    let scores = Scores::of(&extremes, y, student.read(), teacher, full);
    let (s, k) = (student.read(), 1.0 / inputs.tau);
    let ([k_s, k_t], standardised) = inverse_temperatures(spec, k, &extremes, s, teacher);
    let shift = of_s.shift();
    let at = |start| others(student.read(), start, y);
    let tempered = Softmax::new(
        k_s,
        shift,
        sum_of_others(teacher.len(), k_s, shift, at),
        of_s.label,
    );

    // Revise.
    let target = Target::new(spec.revision(), wrong, teacher, of_t, y, k_t);
    let beta = target.beta;

    // Divergence and gradient.
    let side = spec.side(wrong);
    let divergence = match side.divergence {
        Divergence::Decoupled { .. } if y == NO_LABEL => Divergence::ForwardKl,
        other => other,
    };
    let (value_factor, slope) = factors(spec, divergence, inputs.tau, teacher.len());
    let kd_factor = inputs.weight * side.lambda_kd * inputs.kd_weight;
    let ce_factor = inputs.weight * side.lambda_ce;
    let masks = Masks::new(&extremes, spec.revision(), wrong);
    let infinite = masks.infinite(divergence);
    // Reverse KL has no gradient where it is infinite; the others keep their formula.
    let dead = infinite && divergence == Divergence::ReverseKl;
    let scale = inputs.scale[usize::from(wrong)];
    let gradient = Gradient {
        student: tempered,
        target,
        raw: scores.student,
        label: of_s.label,
        maximum: of_s.maximum(),
        y,
        standardised,
        factors: Factors {
            kd: if dead { 0.0 } else { scale * kd_factor * slope },
            ce: if of_s.label.is_some() {
                scale * ce_factor
            } else {
                0.0
            },
        },
    };
    let unmasked = of_t.unmasked;
    let value = run(
        divergence,
        gradient,
        &masks,
        unmasked,
        &mut student,
        teacher,
    );
    let kd = if infinite {
        f32::INFINITY
    } else {
        value_factor * value
    };

    // A term whose factor is 0 is not evaluated: no 0·∞.
    let term = |factor: f32, value: f32| if factor == 0.0 { 0.0 } else { factor * value };
    let (teacher_top, student_top) = (extremes.teacher.top, extremes.student.top);
    let mut stats = RowStats {
        loss: term(kd_factor, kd) + term(ce_factor, scores.ce),
        kd,
        ce: scores.ce,
        tau: inputs.tau,
        beta,
        teacher_top: teacher_top as u32,
        student_top: student_top as u32,
        flags: flags
            .with_if(wrong, RowFlags::WRONG)
            .with_if(teacher_top == student_top, RowFlags::AGREE)
            .with_if(kd.max(scores.ce) == f32::INFINITY, RowFlags::INFINITE),
        ..RowStats::default()
    };
    scores.write(&extremes, teacher.len(), &mut stats);
    stats
}

/// `1/τ` for the student and for the teacher; with standardised logits each row's own spread is part
/// of it, and the student's mean and spread are needed again for the gradient.
fn inverse_temperatures<S: Element, T: Element>(
    spec: &LossSpec,
    k: f32,
    extremes: &Extremes,
    s: &[S],
    t: &[T],
) -> ([f32; 2], Option<Standardised>) {
    if !matches!(spec.temperature(), Temperature::Standardised { .. }) {
        return ([k, k], None);
    }
    let (of_s, of_t) = (&extremes.student, &extremes.teacher);
    let student = Standardised::of(s, of_s.maximum(), of_s.classes());
    let teacher = Standardised::of(t, of_t.maximum(), of_t.classes());
    ([k * student.inverse, k * teacher.inverse], Some(student))
}

/// Writes the gradient by the divergence's rule; returns D without its factor.
fn run<S: Element, T: Element>(
    divergence: Divergence,
    gradient: Gradient,
    masks: &Masks,
    unmasked: u32,
    student: &mut RowLogits<S>,
    teacher: &[T],
) -> f32 {
    match divergence {
        Divergence::ForwardKl => gradient.run(&ForwardKl, student, teacher),
        Divergence::ReverseKl => gradient.run(&ReverseKl, student, teacher),
        Divergence::JensenShannon { beta } => {
            gradient.run(&JensenShannon { beta }, student, teacher)
        }
        Divergence::TotalVariation => gradient.run(&TotalVariation, student, teacher),
        Divergence::MseProbs => gradient.run(&MseProbs, student, teacher),
        Divergence::MseLogits => gradient.run(&MseLogits, student, teacher),
        Divergence::Decoupled { alpha, beta } => {
            let rule = Decoupled {
                alpha,
                beta: if masks.s_others && masks.p_others {
                    beta
                } else {
                    0.0
                },
                student: gradient.student.y,
                target: gradient.target.label,
            };
            gradient
                .without_label(unmasked)
                .run(&rule, student, teacher)
        }
    }
}

/// A row with NaN, +∞ or nothing but masks: NaN throughout, or 0 where its weight is 0.
fn refused<S: Element>(
    level: StatsLevel,
    inputs: RowInputs,
    mut student: RowLogits<S>,
    flags: RowFlags,
) -> RowStats {
    let value = if inputs.weight == 0.0 { 0.0 } else { f32::NAN };
    student.fill(value);
    let mut stats = RowStats {
        kd: f32::NAN,
        ce: f32::NAN,
        tau: f32::NAN,
        beta: f32::NAN,
        ..RowStats::default()
    };
    if level == StatsLevel::Full {
        stats = bytemuck::cast([f32::NAN; 16]);
    }
    stats.loss = value;
    (stats.teacher_top, stats.student_top, stats.flags) = (u32::MAX, u32::MAX, flags);
    stats
}

/// Which classes are masked after revision; decided on logits, never on probabilities that
/// underflowed.
struct Masks {
    /// Whether the label's class is unmasked in the student and in the target.
    s_y: bool,
    p_y: bool,
    /// Whether any other class is.
    s_others: bool,
    p_others: bool,
    /// Other classes that only one of the two masks.
    student_only: u32,
    target_only: u32,
}

impl Masks {
    fn new(extremes: &Extremes, revision: Revision, wrong: bool) -> Self {
        let unmasked = |side: &Side| side.label.is_some_and(|z| z > f32::NEG_INFINITY);
        let t_y = unmasked(&extremes.teacher);
        // Probability shift gives the teacher's top the label's mask, if that is masked.
        let moved = u32::from(wrong && revision == Revision::ProbabilityShift && !t_y);
        let from_student = moved * u32::from(extremes.student_masks_top);
        Self {
            s_y: unmasked(&extremes.student),
            p_y: t_y || (wrong && revision != Revision::None),
            s_others: extremes.student.unmasked > 0,
            p_others: extremes.teacher.unmasked > moved,
            student_only: extremes.student_only - from_student,
            target_only: extremes.teacher_only + moved - from_student,
        }
    }

    /// Whether D = +∞.
    fn infinite(&self, divergence: Divergence) -> bool {
        let Self {
            s_y,
            p_y,
            s_others,
            p_others,
            student_only,
            target_only,
        } = *self;
        match divergence {
            Divergence::ForwardKl => student_only > 0 || (p_y && !s_y),
            Divergence::ReverseKl => target_only > 0 || (s_y && !p_y),
            Divergence::MseLogits => student_only + target_only > 0 || p_y != s_y,
            Divergence::Decoupled { alpha, beta } => {
                let label = (p_y && !s_y) || (p_others && !s_others);
                (alpha != 0.0 && label) || (beta != 0.0 && s_others && student_only > 0)
            }
            _ => false,
        }
    }
}
