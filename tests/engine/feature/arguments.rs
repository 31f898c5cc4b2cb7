//! What a call refuses, before anything is written.

use fused_kd::cpu::{FeatureBatch, FeaturePlan, Parallelism};
use fused_kd::reference::{self, features};
use fused_kd::spec::{Distance, FeatureSpec, Relation};

const SPEC: FeatureSpec = FeatureSpec {
    distance: Distance::L1,
    relation: Relation::Inherit,
};

#[test]
fn plans_that_cannot_be() {
    for width in [0, 1 << 31] {
        let error = FeaturePlan::new(&SPEC, width).unwrap_err().to_string();
        assert!(error.contains("width"), "{error}");
    }
    let plan = FeaturePlan::new(&SPEC, 5).unwrap();
    assert_eq!((plan.width(), *plan.spec()), (5, SPEC));
}

#[test]
fn a_call_refuses_every_bad_argument_and_writes_nothing() {
    let plan = FeaturePlan::new(&SPEC, 2).unwrap();
    let (x, y) = ([1.0_f32; 4], [1.0_f32; 4]);
    let [short, nan, negative] = [&[1.0][..], &[1.0, f32::NAN], &[-1.0, 1.0]];
    let batch = || FeatureBatch::new(2, &x, &y);
    /// A batch, lengths of gradient and distances, and the words of the error.
    type Refused<'a> = (FeatureBatch<'a, f32, f32>, usize, usize, &'a str);
    let cases: [Refused; 11] = [
        (
            FeatureBatch::new(2, &x, &y[..3]),
            4,
            2,
            "target has 3 elements, but 4 are needed for 2 rows",
        ),
        (batch().target_stride(1), 4, 2, "target stride = 1"),
        (
            batch().target_stride(3),
            4,
            2,
            "target has 4 elements, but 5",
        ),
        (
            FeatureBatch::new(2, &x[..2], &y),
            4,
            2,
            "student has 2 elements, but 4",
        ),
        (batch().student_stride(1), 4, 2, "student stride = 1"),
        (batch(), 3, 2, "gradient has 3 elements, but 4"),
        (batch(), 4, 1, "distances has 1 elements, but 2"),
        (batch().weight(short), 4, 2, "weight has 1 elements, but 2"),
        (batch().weight(nan), 4, 2, "weight[1] = NaN is out of range"),
        (batch().weight(negative), 4, 2, "weight[0] = -1"),
        (
            batch().upstream(f32::INFINITY),
            4,
            2,
            "upstream = inf is out of range",
        ),
    ];
    for (batch, of_gradient, of_distances, expected) in cases {
        let mut gradient = vec![7.0; of_gradient];
        let mut distances = vec![7.0; of_distances];
        let batch = batch.gradient(&mut gradient).distances(&mut distances);
        let error = plan.run(batch, Parallelism::Serial).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(
            gradient.iter().chain(&distances).all(|v| *v == 7.0),
            "{expected}"
        );
    }
}

#[test]
fn the_oracle_refuses_the_same() {
    let batch = reference::FeatureBatch {
        student: &[1.0; 4],
        target: &[1.0; 4],
        rows: 2,
        width: 2,
        weight: None,
        upstream: 1.0,
    };
    let cases = [
        (reference::FeatureBatch { width: 0, ..batch }, "width = 0"),
        (
            reference::FeatureBatch {
                target: &[1.0],
                ..batch
            },
            "target has 1",
        ),
        (
            reference::FeatureBatch { rows: 1, ..batch },
            "student has 4 elements, but 2",
        ),
        (
            reference::FeatureBatch {
                weight: Some(&[1.0]),
                ..batch
            },
            "weight has 1",
        ),
        (
            reference::FeatureBatch {
                weight: Some(&[1.0, -1.0]),
                ..batch
            },
            "weight[1] = -1",
        ),
        (
            reference::FeatureBatch {
                upstream: f32::NAN,
                ..batch
            },
            "upstream = NaN",
        ),
        (
            reference::FeatureBatch {
                rows: usize::MAX,
                ..batch
            },
            "address space",
        ),
    ];
    for (batch, expected) in cases {
        let error = features(&SPEC, &batch).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
