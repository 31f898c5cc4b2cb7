//! Rows apart from each other: the same bits as dense ones, and nothing touched between them.

use super::{Bits, SENTINEL, batch, in_place, plan, run, sentinels, student, temperatures};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::cpu::{Counts, Element, Parallelism};
use fused_kd::spec::{LossSpec, Preset, Reduction, StatsLevel};
use half::{bf16, f16};

/// `dense` with `gap` between its rows and behind the last.
fn spread<E: Copy>(dense: &[E], classes: usize, stride: usize, gap: E) -> Vec<E> {
    let rows = dense.chunks_exact(classes);
    rows.flat_map(|row| {
        let fill = std::iter::repeat_n(gap, stride - classes);
        row.iter().copied().chain(fill)
    })
    .collect()
}

/// The rows of a strided matrix, after a look at what lies between them.
fn gather<E: Element>(strided: &[E], classes: usize, stride: usize, gap: f32) -> Vec<E> {
    let mut dense = Vec::new();
    for row in strided.chunks_exact(stride) {
        dense.extend(&row[..classes]);
        let untouched = |z: &E| z.to_f32().to_bits() == E::from_f32(gap).to_f32().to_bits();
        assert!(row[classes..].iter().all(untouched), "a gap was written");
    }
    dense
}

/// NaN between the logits' rows would show in any result that read it.
fn strided<S: Element + bytemuck::Pod>(case: &Case, parallelism: Parallelism, over: bool) -> Bits {
    let v = case.classes;
    let (of_s, of_t, of_g) = (v + 3, v + 5, v + 1);
    let dense = student::<S>(case);
    let tau = temperatures(case, &dense);
    let mut student = spread(&dense, v, of_s, S::from_f32(f32::NAN));
    let mut gradient = vec![S::from_f32(SENTINEL); case.labels.len() * of_g];
    let teacher = spread(&case.teacher, v, of_t, f32::NAN);
    let mut stats = sentinels(case.labels.len());
    let tau = tau.as_deref();
    let place = if over {
        in_place(case, &mut student, &teacher, tau)
    } else {
        let batch = batch(case, &student, &teacher, tau).gradient(&mut gradient);
        batch.gradient_stride(of_g)
    };
    let place = place.student_stride(of_s).teacher_stride(of_t);
    let total = plan(case, StatsLevel::Full)
        .run(place.stats(&mut stats), parallelism)
        .unwrap();
    let gradient = if over {
        gather(&student, v, of_s, f32::NAN)
    } else {
        gather(&gradient, v, of_g, SENTINEL)
    };
    Bits {
        total: total.to_bits(),
        gradient: bytemuck::cast_slice(&gradient).to_vec(),
        stats: bytemuck::cast_slice(&stats).to_vec(),
    }
}

fn same_bits<S: Element + bytemuck::Pod>() {
    let mut rng = Rng::new(11);
    for preset in Preset::ALL {
        for (rows, classes) in [(1, 5), (9, 1), (9, 3), (9, 16), (9, 31), (41, 1003)] {
            let case = Case::new(&mut rng, &preset.spec(), rows, classes, &Kind::ALL);
            let dense = run::<S>(&case, Parallelism::Serial);
            assert_eq!(strided::<S>(&case, Parallelism::Serial, false), dense);
            assert_eq!(strided::<S>(&case, Parallelism::Serial, true), dense);
            #[cfg(feature = "rayon")]
            assert_eq!(strided::<S>(&case, Parallelism::Rayon, true), dense);
        }
    }
}

#[test]
fn f32_rows_apart_give_the_bits_of_dense_rows() {
    same_bits::<f32>();
}

#[test]
fn f16_rows_apart_give_the_bits_of_dense_rows() {
    same_bits::<f16>();
}

#[test]
fn bf16_rows_apart_give_the_bits_of_dense_rows() {
    same_bits::<bf16>();
}

#[test]
fn counts_and_dynamic_temperatures_follow_the_strides() {
    let mut rng = Rng::new(12);
    let spec = LossSpec::builder()
        .temperature(Preset::DtdFlsw.spec().temperature())
        .reduction(Reduction::MeanPerGroup);
    let case = Case::new(&mut rng, &spec.build().unwrap(), 37, 10, &Kind::ALL);
    let plan = plan(&case, StatsLevel::Full);
    let student = spread(&case.student, 10, 12, f32::NAN);
    let teacher = spread(&case.teacher, 10, 11, f32::NAN);
    let apart = batch(&case, &student, &teacher, None)
        .student_stride(12)
        .teacher_stride(11);
    let dense = batch(&case, &case.student, &case.teacher, None);
    let dense = plan.counts(&dense).unwrap();
    assert!(dense.right > 0 && dense.wrong > 0);
    assert_eq!(plan.counts(&apart), Ok::<Counts, _>(dense));
    let mut tau = vec![0.0; 37];
    plan.dtd_temperatures(&apart, &mut tau).unwrap();
    assert_eq!(Some(tau), temperatures(&case, &case.student));
}

/// The last row needs no gap behind it.
#[test]
fn a_matrix_may_end_with_its_last_row() {
    let case = Case::new(&mut Rng::new(13), &Preset::Kd.spec(), 2, 3, &Kind::TAME);
    let mut student = spread(&case.student, 3, 8, f32::NAN);
    student.truncate(8 + 3);
    let total = plan(&case, StatsLevel::None).run(
        in_place(&case, &mut student, &case.teacher, None).student_stride(8),
        Parallelism::Serial,
    );
    let dense = run::<f32>(&case, Parallelism::Serial);
    assert_eq!(total.unwrap().to_bits(), dense.total);
    assert!(student[3..8].iter().all(|z| z.is_nan()));
}
