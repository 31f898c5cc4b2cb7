//! Strategies: any specification, any logits, any batch, small enough to be read when one fails.

use super::cases::{Case, Kind};
use fused_kd::spec::{
    Divergence, Dtd, IGNORE, LossSpec, Normalise, Omega, Reduction, Revision, Side, Temperature,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const MASKED: f32 = f32::NEG_INFINITY;

pub(crate) fn divergence() -> impl Strategy<Value = Divergence> {
    let weight = || prop_oneof![Just(0.0_f32), 0.1_f32..8.0];
    prop_oneof![
        Just(Divergence::ForwardKl),
        Just(Divergence::ReverseKl),
        (0.05_f32..0.95).prop_map(|beta| Divergence::JensenShannon { beta }),
        Just(Divergence::TotalVariation),
        Just(Divergence::MseProbs),
        Just(Divergence::MseLogits),
        (weight(), weight()).prop_map(|(alpha, beta)| Divergence::Decoupled { alpha, beta }),
    ]
}

fn revision() -> impl Strategy<Value = Revision> {
    prop_oneof![
        Just(Revision::None),
        (0.01_f32..0.99).prop_map(|eta| Revision::LabelRevision { eta }),
        Just(Revision::ProbabilityShift),
        (0.01_f32..0.99).prop_map(|epsilon| Revision::LabelSmoothing { epsilon }),
    ]
}

fn tau() -> impl Strategy<Value = f32> {
    prop_oneof![Just(1.0_f32), 0.5_f32..20.0]
}

fn temperature() -> impl Strategy<Value = Temperature> {
    let omega = prop_oneof![
        Just(Omega::Cwsm),
        (0.5_f32..2.0).prop_map(|gamma| Omega::Flsw { gamma })
    ];
    let dtd = (
        omega,
        select(vec![Normalise::None, Normalise::L1]),
        1.0_f32..20.0,
    );
    prop_oneof![
        3 => tau().prop_map(Temperature::Fixed),
        1 => Just(Temperature::PerRow),
        1 => tau().prop_map(|tau| Temperature::Standardised { tau }),
        1 => dtd.prop_map(|(omega, normalise, tau0)| {
            Temperature::Dtd(Dtd { omega, normalise, tau0, ..Dtd::default() })
        }),
    ]
}

fn side() -> impl Strategy<Value = Side> {
    let lambda = || prop_oneof![Just(0.0_f32), 0.05_f32..4.0];
    let parts = (divergence(), lambda(), lambda());
    parts.prop_map(|(divergence, lambda_kd, lambda_ce)| Side {
        divergence,
        lambda_kd,
        lambda_ce,
    })
}

/// Any legal specification.
pub(crate) fn spec() -> impl Strategy<Value = LossSpec> {
    let reduction = select(vec![
        Reduction::Sum,
        Reduction::Mean,
        Reduction::MeanPerGroup,
    ]);
    let parts = (
        side(),
        side(),
        revision(),
        temperature(),
        any::<bool>(),
        reduction,
    );
    let build = |(right, wrong, revision, temperature, squared, reduction)| {
        LossSpec::builder()
            .right(right)
            .wrong(wrong)
            .revision(revision)
            .temperature(temperature)
            .temperature_squared(squared)
            .reduction(reduction)
            .build()
            .ok()
    };
    parts.prop_filter_map("parts that have no meaning together", build)
}

/// A logit within the contract: moderate, wide, masked, or one of few values that tie.
pub(crate) fn logit() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -4.0_f32..4.0,
        1 => -1e4_f32..1e4,
        1 => Just(MASKED),
        1 => select(vec![-0.0_f32, 0.0, 1.0]),
    ]
}

/// Multiples of ⅛ in ±4, which every type holds exactly, and masks.
pub(crate) fn coarse_logit() -> impl Strategy<Value = f32> {
    prop_oneof![
        9 => (-32_i8..=32).prop_map(|z| f32::from(z) / 8.0),
        1 => Just(MASKED),
    ]
}

/// All there is besides logits.
fn without_logits(
    spec: impl Strategy<Value = LossSpec>,
    rows: std::ops::Range<usize>,
) -> impl Strategy<Value = Case> {
    let weight = || prop_oneof![4 => 0.1_f32..3.0, 1 => Just(0.0_f32)];
    let upstream = prop_oneof![Just(1.0_f32), -4.0_f32..1024.0];
    (spec, rows, 1_usize..=40, upstream).prop_flat_map(move |(spec, rows, classes, upstream)| {
        let label = prop_oneof![9 => 0..classes as i32, 1 => Just(IGNORE)];
        let per_row = (
            vec(label, rows),
            vec(weight(), rows),
            vec(weight(), rows),
            vec(tau(), rows),
        );
        per_row.prop_map(move |(labels, weight, kd_weight, tau)| Case {
            spec,
            classes,
            student: Vec::new(),
            teacher: Vec::new(),
            labels,
            weight,
            kd_weight,
            tau: (spec.temperature() == Temperature::PerRow).then_some(tau),
            upstream,
            kinds: vec![Kind::Drawn; rows],
        })
    })
}

/// A batch whose logits are drawn one by one.
pub(crate) fn case<L: Strategy<Value = f32> + 'static>(
    spec: impl Strategy<Value = LossSpec>,
    logit: fn() -> L,
) -> impl Strategy<Value = Case> {
    without_logits(spec, 0..6).prop_flat_map(move |case| {
        let logits = || vec(logit(), case.labels.len() * case.classes);
        (Just(case.clone()), logits(), logits()).prop_map(|(case, student, teacher)| Case {
            student,
            teacher,
            ..case
        })
    })
}

/// A row of all values `c/8`, so that none ties, and another order of its classes.
pub(crate) fn without_ties(
    spec: impl Strategy<Value = LossSpec>,
) -> impl Strategy<Value = (Case, Vec<usize>)> {
    without_logits(spec, 1..2).prop_flat_map(|case| {
        let values = || {
            let classes = case.classes as i32;
            let ladder: Vec<f32> = (0..classes)
                .map(|c| (c - classes / 2) as f32 / 8.0)
                .collect();
            Just(ladder).prop_shuffle()
        };
        let order = Just((0..case.classes).collect::<Vec<usize>>()).prop_shuffle();
        let case = Just(case.clone());
        (case, values(), values(), order).prop_map(|(case, student, teacher, order)| {
            let case = Case {
                student,
                teacher,
                ..case
            };
            (case, order)
        })
    })
}
