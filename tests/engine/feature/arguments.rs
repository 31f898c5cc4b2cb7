//! What a call refuses, before anything is written.

use fused_kd::cpu::{FeaturePlan, FeatureRows, Parallelism, Student};
use fused_kd::reference::{FeatureBatch, features};
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
    /// Rows, features, lengths of gradient and distances, and the words of the error.
    type Refused<'a> = (FeatureRows<'a, f32>, &'a [f32], usize, usize, &'a str);
    let rows = FeatureRows::new(&y, 2);
    let cases: [Refused; 9] = [
        (
            FeatureRows::new(&y[..3], 2),
            &x,
            4,
            2,
            "target has 3 elements, but 4 are needed for 2 rows",
        ),
        (rows.target_stride(1), &x, 4, 2, "target stride = 1"),
        (
            rows.target_stride(3),
            &x,
            4,
            2,
            "target has 4 elements, but 5",
        ),
        (rows, &x[..2], 4, 2, "student has 2 elements, but 4"),
        (rows, &x, 3, 2, "gradient has 3 elements, but 4"),
        (rows, &x, 4, 1, "distances has 1 elements, but 2"),
        (rows.weight(short), &x, 4, 2, "weight has 1 elements, but 2"),
        (
            rows.weight(nan),
            &x,
            4,
            2,
            "weight[1] = NaN is out of range",
        ),
        (
            rows.upstream(f32::INFINITY),
            &x,
            4,
            2,
            "upstream = inf is out of range",
        ),
    ];
    for (rows, x, of_gradient, of_distances, expected) in cases {
        let mut gradient = vec![7.0; of_gradient];
        let mut distances = vec![7.0; of_distances];
        let place = Student::with_gradient(x, &mut gradient);
        let error = plan
            .run(&rows, place, &mut distances, Parallelism::Serial)
            .unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(
            gradient.iter().chain(&distances).all(|v| *v == 7.0),
            "{expected}"
        );
    }
    let rows = rows.weight(negative);
    let place = Student::without_gradient(&x);
    let error = plan
        .run(&rows, place, &mut [], Parallelism::Serial)
        .unwrap_err();
    assert!(error.to_string().contains("weight[0] = -1"), "{error}");
    let strided = Student::without_gradient(&x).stride(1);
    let rows = FeatureRows::new(&y, 2);
    let error = plan
        .run(&rows, strided, &mut [], Parallelism::Serial)
        .unwrap_err();
    assert!(error.to_string().contains("student stride = 1"), "{error}");
}

#[test]
fn the_oracle_refuses_the_same() {
    let batch = FeatureBatch {
        student: &[1.0; 4],
        target: &[1.0; 4],
        rows: 2,
        width: 2,
        weight: None,
        upstream: 1.0,
    };
    let cases = [
        (FeatureBatch { width: 0, ..batch }, "width = 0"),
        (
            FeatureBatch {
                target: &[1.0],
                ..batch
            },
            "target has 1",
        ),
        (
            FeatureBatch { rows: 1, ..batch },
            "student has 4 elements, but 2",
        ),
        (
            FeatureBatch {
                weight: Some(&[1.0]),
                ..batch
            },
            "weight has 1",
        ),
        (
            FeatureBatch {
                weight: Some(&[1.0, -1.0]),
                ..batch
            },
            "weight[1] = -1",
        ),
        (
            FeatureBatch {
                upstream: f32::NAN,
                ..batch
            },
            "upstream = NaN",
        ),
        (
            FeatureBatch {
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
