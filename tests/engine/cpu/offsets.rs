//! Row offsets beyond 2³¹ elements, over memory that is only touched where rows are.

use super::{plan, rows, sentinels, student};
use crate::parity::cases::{Case, Kind, Rng};
use fused_kd::cpu::{Parallelism, Student};
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
fn call(
    case: &Case,
    teacher: &[bf16],
    stride: usize,
    place: Student<bf16>,
) -> (u32, Vec<RowStats>) {
    let mut stats = sentinels(2);
    let rows = rows(case, teacher, None).teacher_stride(stride);
    let total = plan(case, StatsLevel::Full).run(&rows, place, &mut stats, Parallelism::Serial);
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
    let expected = call(&case, &teacher, CLASSES, Student::in_place(&mut gradient));
    for stride in STRIDES {
        let Some(mut far) = far_apart(&logits, stride) else {
            return;
        };
        let place = Student::in_place(&mut far).stride(stride);
        assert_eq!(call(&case, &teacher, CLASSES, place), expected, "in place");
        assert_eq!(near(&far, stride), gradient);

        far[..CLASSES].fill(bf16::NAN);
        far[stride..].fill(bf16::NAN);
        let place = Student::with_gradient(&logits, &mut far).gradient_stride(stride);
        assert_eq!(call(&case, &teacher, CLASSES, place), expected, "apart");
        assert_eq!(near(&far, stride), gradient);
        drop(far);

        let Some(far) = far_apart(&teacher, stride) else {
            return;
        };
        let mut apart = logits.clone();
        let place = Student::with_gradient(&logits, &mut apart);
        assert_eq!(call(&case, &far, stride, place), expected, "teacher");
        assert_eq!(apart, gradient);
    }
}
