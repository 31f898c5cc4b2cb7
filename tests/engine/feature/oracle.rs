//! The oracle by itself: its gradient by differences, its bound, its edges.

use super::cases::{Case, Kind, Rng};
use super::specifications;
use fused_kd::reference::{FeatureBatch, FeatureOutput, features};
use fused_kd::spec::{Distance, FeatureSpec, Relation};

fn output(case: &Case, student: &[f64]) -> FeatureOutput {
    let target: Vec<f64> = case.target.iter().copied().map(f64::from).collect();
    let batch = FeatureBatch {
        student,
        target: &target,
        rows: case.rows(),
        width: case.width,
        weight: Some(&case.weight),
        upstream: case.upstream,
    };
    features(&case.spec, &batch).unwrap()
}

fn widened(case: &Case) -> Vec<f64> {
    case.student.iter().copied().map(f64::from).collect()
}

/// Central differences; a step that crosses a kink of the L1 shows as a difference of the two sides,
/// and is left out.
#[test]
fn gradients_are_derivatives() {
    let mut rng = Rng::new(21);
    let (mut judged, mut kinks) = (0, 0);
    for spec in specifications() {
        for width in [1, 2, 5, 16] {
            let kinds = [Kind::Plain, Kind::Opposite, Kind::ZeroTarget, Kind::Off];
            let case = Case::new(&mut rng, spec, 6, width, &kinds);
            let x = widened(&case);
            let at = output(&case, &x);
            for i in 0..x.len() {
                let step = 1e-5;
                let total = |by: f64| {
                    let mut x = x.clone();
                    x[i] += by;
                    output(&case, &x).total
                };
                let [above, below] = [total(step) - at.total, at.total - total(-step)];
                let scale = f64::from(case.upstream).abs();
                if (above - below).abs() > 1e-8 * scale {
                    kinks += 1;
                    continue;
                }
                let difference = (above + below) / (2.0 * step);
                let error = (difference - at.gradient[i]).abs();
                assert!(
                    error <= 1e-6 * scale,
                    "{difference} {}: {spec:?}",
                    at.gradient[i]
                );
                judged += 1;
            }
        }
    }
    assert!(kinks * 20 < judged, "{kinks} left out, {judged} judged");
}

/// 2/√D, 4/D and 2, reached by opposite vectors (the L1's by those of equal entries).
#[test]
fn distances_are_bounded() {
    let mut rng = Rng::new(22);
    for spec in specifications() {
        for width in [1, 2, 3, 64, 1000] {
            let bound = spec.distance.bound(width);
            let mut case = Case::new(&mut rng, spec, 40, width, &Kind::TAME);
            let within = |distance: &f64| (0.0..=bound * (1.0 + 1e-12)).contains(distance);
            assert!(output(&case, &widened(&case)).distance.iter().all(within));
            case.target.fill(3.0);
            let opposite = output(&case, &vec![-1.0; 40 * width]);
            assert!(opposite.distance.iter().all(|d| (d - bound).abs() <= 1e-12));
        }
    }
}

fn one(distance: Distance, x: &[f64], y: &[f64]) -> FeatureOutput {
    let spec = FeatureSpec {
        distance,
        relation: Relation::Inherit,
    };
    let batch = FeatureBatch {
        student: x,
        target: y,
        rows: 1,
        width: x.len(),
        weight: None,
        upstream: 1.0,
    };
    features(&spec, &batch).unwrap()
}

#[test]
fn edges() {
    for distance in Distance::ALL {
        // x = 0: x̂ = 0, and no gradient, whatever y is.
        let zero = one(distance, &[0.0, 0.0], &[3.0, -4.0]);
        let expected = match distance {
            Distance::L1 => 0.7,
            Distance::SquaredL2 => 0.5,
            _ => 1.0,
        };
        assert!((zero.total - expected).abs() < 1e-15, "{distance:?}");
        assert_eq!((zero.gradient, zero.bound[0]), (vec![0.0; 2], 0.0));
        // The same direction: nothing apart, and nothing pulls, because sign(0) = 0.
        let same = one(distance, &[3.0, -4.0, 0.0], &[6.0, -8.0, 0.0]);
        assert_eq!(
            (same.total, same.gradient),
            (0.0, vec![0.0; 3]),
            "{distance:?}"
        );
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for (x, y) in [([bad, 1.0], [1.0, 1.0]), ([1.0, 1.0], [1.0, bad])] {
                let broken = one(distance, &x, &y);
                assert!(broken.total.is_nan() && broken.distance[0].is_nan());
                assert!(broken.gradient.iter().all(|g| g.is_nan()));
            }
        }
    }
}

/// Rows of weight 0 give neither loss nor gradient, are counted in no mean, and have a distance.
#[test]
fn weights_choose_rows() {
    let mut rng = Rng::new(23);
    for spec in specifications() {
        let kinds = [Kind::Plain, Kind::Off, Kind::OffNan];
        let case = Case::new(&mut rng, spec, 9, 7, &kinds);
        let all = output(&case, &widened(&case));
        let mut alone = case.clone();
        let plain = |b: &usize| case.kinds[*b] == Kind::Plain;
        let kept: Vec<usize> = (0..9).filter(plain).collect();
        let rows = |from: &[f32]| -> Vec<f32> {
            let rows = kept.iter().map(|b| &from[b * 7..][..7]);
            rows.flatten().copied().collect()
        };
        alone.student = rows(&case.student);
        alone.target = rows(&case.target);
        alone.weight = kept.iter().map(|&b| case.weight[b]).collect();
        alone.kinds = vec![Kind::Plain; kept.len()];
        let kept_alone = output(&alone, &widened(&alone));
        assert!((all.total - kept_alone.total).abs() <= 1e-12 * all.total.abs());
        for b in (0..9).filter(|b| !kept.contains(b)) {
            assert_eq!(all.gradient[b * 7..][..7], [0.0; 7]);
            assert_eq!(all.distance[b].is_nan(), case.kinds[b] == Kind::OffNan);
        }
    }
}
