//! Row offsets beyond 2³¹ elements, over memory that is only touched where rows are.

use super::{batch, in_place, plan, sentinels, student};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::cpu::{Batch, Parallelism};
use fused_kd::spec::{Preset, RowStats, StatsLevel};
use half::bf16;

/// Beyond what 31 and 32 bits hold, in elements.
const STRIDES: [usize; 2] = [(1 << 31) + 7, (1 << 32) + 9];
const CLASSES: usize = 37;

/// Two rows so far apart. The zeros are the system's: a page exists once it is written. `None`
/// where the system has no such address space to give.
fn far_apart(dense: &[bf16], stride: usize) -> Option<Vec<bf16>> {
    let Ok(mut matrix) = bytemuck::try_zeroed_vec(stride + CLASSES) else {
        eprintln!("SKIP offsets: {stride} elements of address space are needed");
        return None;
    };
    matrix[..CLASSES].copy_from_slice(&dense[..CLASSES]);
    matrix[stride..].copy_from_slice(&dense[CLASSES..]);
    Some(matrix)
}

fn near(matrix: &[bf16], stride: usize) -> Vec<bf16> {
    [&matrix[..CLASSES], &matrix[stride..]].concat()
}

/// The total's bits and the records.
fn call(case: &Case, batch: Batch<bf16, bf16>) -> (u32, Vec<RowStats>) {
    let mut stats = sentinels(2);
    let total = plan(case, StatsLevel::Full).run(batch.stats(&mut stats), Parallelism::Serial);
    (total.unwrap().to_bits(), stats)
}

/// One matrix at a time is far apart, so that no two of them are alive at once.
#[test]
fn rows_beyond_thirty_two_bits_are_found() {
    let spec = Preset::Lr.spec();
    let case = Case::new(&mut Rng::new(61), &spec, 2, CLASSES, &[Kind::Plain]);
    let logits = student::<bf16>(&case);
    let teacher: Vec<bf16> = case.teacher.iter().map(|&z| bf16::from_f32(z)).collect();
    let mut gradient = logits.clone();
    let expected = call(&case, in_place(&case, &mut gradient, &teacher, None));
    for stride in STRIDES {
        let Some(mut far) = far_apart(&logits, stride) else {
            return;
        };
        let over = in_place(&case, &mut far, &teacher, None).student_stride(stride);
        assert_eq!(call(&case, over), expected, "in place");
        assert_eq!(near(&far, stride), gradient);

        far[..CLASSES].fill(bf16::NAN);
        far[stride..].fill(bf16::NAN);
        let apart = batch(&case, &logits, &teacher, None).gradient(&mut far);
        assert_eq!(
            call(&case, apart.gradient_stride(stride)),
            expected,
            "apart"
        );
        assert_eq!(near(&far, stride), gradient);
        drop(far);

        let Some(far) = far_apart(&teacher, stride) else {
            return;
        };
        let mut apart = logits.clone();
        let from = batch(&case, &logits, &far, None).teacher_stride(stride);
        assert_eq!(call(&case, from.gradient(&mut apart)), expected, "teacher");
        assert_eq!(apart, gradient);
    }
}
