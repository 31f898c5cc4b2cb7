//! Influence against the oracle, at its edges too.

use fused_kd::cpu::influence;
use fused_kd::reference;
use fused_kd::spec::{ArgumentError, IGNORE};

/// A fixed sequence in [−1, 1).
fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((state >> 40) as f32 / (1 << 23) as f32) - 1.0
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn influence_is_the_oracle_s() {
    for classes in [1, 2, 10, 31, 1003, 20_000] {
        let rows = 7;
        let mut student: Vec<f32> = numbers(1, rows * classes).iter().map(|z| 8.0 * z).collect();
        let u = numbers(2, rows * classes);
        let mut labels: Vec<i32> = (0..rows).map(|b| (b * 7 % classes) as i32).collect();
        // A sure row, a masked class, a masked label, no label, and a row that is no row.
        student[labels[0] as usize] += 200.0;
        student[classes + (labels[1] as usize + 1) % classes] = f32::NEG_INFINITY;
        if classes > 1 {
            student[2 * classes + labels[2] as usize] = f32::NEG_INFINITY;
            student[classes + labels[1] as usize] = 0.5;
        }
        labels[3] = IGNORE;
        student[4 * classes] = f32::NAN;
        let mut out = vec![7.0; rows];
        influence(&student, &u, &labels, classes, &mut out).unwrap();
        for b in 0..rows {
            let wide = |x: &[f32]| -> Vec<f64> {
                x[b * classes..(b + 1) * classes]
                    .iter()
                    .copied()
                    .map(f64::from)
                    .collect()
            };
            let truth = reference::influence(&wide(&student), &wide(&u), labels[b]);
            let near = (f64::from(out[b]) - truth).abs() <= 1e-6;
            assert!(
                near || (out[b].is_nan() && truth.is_nan()),
                "V = {classes}, row {b}: {} {truth}",
                out[b]
            );
        }
        assert_eq!(out[3], 0.0);
        assert!(out[4].is_nan());
    }
}

#[test]
fn bad_arguments_are_named_before_anything_is_written() {
    let (s, u) = (numbers(1, 6), numbers(2, 6));
    let mut out = [7.0, 7.0];
    let mut call = |s: &[f32], u: &[f32], labels: &[i32]| {
        let error = influence(s, u, labels, 3, &mut out).unwrap_err();
        assert_eq!(out, [7.0, 7.0]);
        error
    };
    let length =
        |error, name| matches!(error, ArgumentError::Length { argument, .. } if argument == name);
    assert!(length(call(&s[..5], &u, &[0, 1]), "student"));
    assert!(length(call(&s, &u[..5], &[0, 1]), "u"));
    assert!(length(call(&s[..3], &u[..3], &[0]), "influence"));
    assert!(matches!(
        call(&s, &u, &[0, 3]),
        ArgumentError::Label {
            row: 1,
            given: 3,
            ..
        }
    ));
}
