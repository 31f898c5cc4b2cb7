//! What the rows' losses are divided by.

use super::{batch, plan};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::cpu::{Batch, Counts, Parallelism};
use fused_kd::reference;
use fused_kd::spec::{LossSpec, Reduction, Revision, RowFlags, RowStats, StatsLevel};

fn reduced(reduction: Reduction) -> LossSpec {
    let spec = LossSpec::builder().revision(Revision::LabelRevision { eta: 0.8 });
    spec.reduction(reduction).build().unwrap()
}

/// Total, gradient and records of rows `of` of the case, with these counts or the call's own.
fn part(
    case: &Case,
    of: std::ops::Range<usize>,
    counts: Option<Counts>,
) -> (f32, Vec<f32>, Vec<RowStats>) {
    let logits = of.start * case.classes..of.end * case.classes;
    let mut gradient = vec![0.0; logits.len()];
    let mut stats = vec![RowStats::default(); of.len()];
    let [student, teacher] = [&case.student, &case.teacher].map(|all| &all[logits.clone()]);
    let mut batch = Batch::new(of.len(), student, teacher, &case.labels[of.clone()])
        .weight(&case.weight[of.clone()])
        .kd_weight(&case.kd_weight[of.clone()])
        .upstream(case.upstream)
        .gradient(&mut gradient)
        .stats(&mut stats);
    if let Some(counts) = counts {
        batch = batch.counts(counts);
    }
    let total = plan(case, StatsLevel::Full)
        .run(batch, Parallelism::Serial)
        .unwrap();
    (total, gradient, stats)
}

fn counts(case: &Case) -> Counts {
    let batch = batch(case, &case.student, &case.teacher, None);
    plan(case, StatsLevel::Full).counts(&batch).unwrap()
}

#[test]
fn counts_are_those_of_the_oracle() {
    let mut rng = Rng::new(41);
    for classes in [1, 2, 3, 10, 100] {
        for kinds in [&Kind::TAME[..], &Kind::ALL] {
            let case = Case::new(&mut rng, &reduced(Reduction::Mean), 301, classes, kinds);
            let wide = |row: &[f32]| row.iter().map(|&z| z.into()).collect::<Vec<f64>>();
            let truth = reference::counts(&reference::Batch {
                student: &wide(&case.student),
                teacher: &wide(&case.teacher),
                classes,
                labels: &case.labels,
                weight: Some(&case.weight),
                kd_weight: None,
                tau: None,
                upstream: 1.0,
            });
            let Counts { right, wrong } = counts(&case);
            assert_eq!([right, wrong], truth.map(u64::from));
            assert!(right > 0 && (wrong > 0 || classes == 1));
        }
    }
}

/// The call's own counts and the same counts given are the same division.
#[test]
fn given_counts_replace_the_calls_own() {
    let mut rng = Rng::new(42);
    for reduction in [Reduction::Sum, Reduction::Mean, Reduction::MeanPerGroup] {
        let case = Case::new(&mut rng, &reduced(reduction), 100, 10, &Kind::TAME);
        let own = part(&case, 0..100, None);
        assert_eq!(own, part(&case, 0..100, Some(counts(&case))));
        let doubled = Counts {
            right: 2 * counts(&case).right,
            wrong: 2 * counts(&case).wrong,
        };
        let (half, gradient, _) = part(&case, 0..100, Some(doubled));
        let factor = if reduction == Reduction::Sum {
            1.0
        } else {
            0.5
        };
        assert_eq!(half, factor * own.0);
        assert!(
            gradient
                .iter()
                .zip(&own.1)
                .all(|(&g, &own)| g == factor * own)
        );
    }
}

#[test]
fn parts_with_the_counts_of_the_whole_sum_to_the_whole() {
    let mut rng = Rng::new(43);
    for reduction in [Reduction::Sum, Reduction::Mean, Reduction::MeanPerGroup] {
        let case = Case::new(&mut rng, &reduced(reduction), 100, 10, &Kind::TAME);
        let whole = part(&case, 0..100, None);
        let counts = Some(counts(&case));
        for cut in [0, 1, 37, 99, 100] {
            let (a, b) = (part(&case, 0..cut, counts), part(&case, cut..100, counts));
            let sum = a.0 + b.0;
            assert!(
                (sum - whole.0).abs() <= 2e-6 * whole.0.abs(),
                "{sum} {}",
                whole.0
            );
            assert_eq!([a.1, b.1].concat(), whole.1);
            assert_eq!([a.2, b.2].concat(), whole.2);
        }
    }
}

/// `total = upstream · Σ loss · inv_n`, from the records.
#[test]
fn totals_are_what_the_records_sum_to() {
    let mut rng = Rng::new(44);
    for reduction in [Reduction::Sum, Reduction::Mean, Reduction::MeanPerGroup] {
        let case = Case::new(&mut rng, &reduced(reduction), 77, 10, &Kind::TAME);
        let Counts { right, wrong } = counts(&case);
        let (total, _, stats) = part(&case, 0..77, None);
        let n = |stats: &RowStats| match reduction {
            Reduction::Mean => right + wrong,
            Reduction::MeanPerGroup if stats.flags.contains(RowFlags::WRONG) => wrong,
            Reduction::MeanPerGroup => right,
            _ => 1,
        };
        let terms = stats.iter().map(|row| f64::from(row.loss) / n(row) as f64);
        let sum = f64::from(case.upstream) * terms.sum::<f64>();
        assert!(
            (f64::from(total) - sum).abs() <= 1e-6 * sum.abs(),
            "{total} {sum}"
        );
        // Rows with weight 0 are in none of the counts.
        let on = case.weight.iter().filter(|&&w| w != 0.0).count();
        assert_eq!(right + wrong, on as u64);
    }
}

#[test]
fn without_rows_that_count_the_total_is_zero() {
    for reduction in [Reduction::Sum, Reduction::Mean, Reduction::MeanPerGroup] {
        let mut rng = Rng::new(45);
        let none = Case::new(&mut rng, &reduced(reduction), 0, 10, &Kind::TAME);
        assert_eq!(part(&none, 0..0, None), (0.0, vec![], vec![]));
        assert_eq!(counts(&none), Counts::default());
        let kinds = [Kind::Off];
        let off = Case::new(&mut rng, &reduced(reduction), 5, 10, &kinds);
        let (total, gradient, stats) = part(&off, 0..5, None);
        assert_eq!(total.to_bits(), 0);
        assert!(gradient.iter().all(|g| *g == 0.0));
        assert!(
            stats
                .iter()
                .all(|row| row.flags.contains(RowFlags::OFF) && row.kd > 0.0)
        );
    }
}

/// A factor of 0 takes out even an infinite loss, but no NaN.
#[test]
fn an_upstream_of_zero_takes_out_infinite_losses() {
    let mut case = Case::new(
        &mut Rng::new(46),
        &reduced(Reduction::Mean),
        20,
        10,
        &[Kind::LabelMasked],
    );
    assert!(part(&case, 0..20, None).0.is_infinite());
    case.upstream = 0.0;
    let (total, gradient, stats) = part(&case, 0..20, None);
    assert_eq!(total, 0.0);
    assert!(gradient.iter().all(|g| *g == 0.0));
    assert!(stats.iter().any(|row| row.loss == f32::INFINITY));
    case.student[3] = f32::NAN;
    let (total, gradient, _) = part(&case, 0..20, None);
    assert!(total.is_nan());
    assert!(gradient[..10].iter().all(|g| g.is_nan()));
    assert!(gradient[10..].iter().all(|g| *g == 0.0));
}
