//! The CPU engine's own promises, beside agreement with the oracle: what it refuses, where it
//! writes, and that neither strides nor threads change a bit.

mod absent;
mod arguments;
mod influence;
mod levels;
#[cfg(target_pointer_width = "64")]
mod offsets;
mod raw;
mod reductions;
mod rows;
mod strides;
#[cfg(feature = "rayon")]
mod threads;

use crate::parity::cases::Case;
use fused_kd::cpu::{Batch, Element, Options, Parallelism, Plan};
use fused_kd::spec::{RowStats, StatsLevel, Temperature};

/// What one call gives back; compared bit by bit, so that NaN equals NaN and −0 is not 0.
#[derive(Debug, Eq, PartialEq)]
struct Bits {
    total: u32,
    gradient: Vec<u8>,
    stats: Vec<u8>,
}

/// A value that no call writes by chance.
const SENTINEL: f32 = 12_345.0;

/// Records that no call writes by chance.
fn sentinels(rows: usize) -> Vec<RowStats> {
    vec![bytemuck::cast([SENTINEL; 16]); rows]
}

/// The batch of a case, over its logits in any types.
fn batch<'a, S, T>(
    case: &'a Case,
    student: &'a [S],
    teacher: &'a [T],
    tau: Option<&'a [f32]>,
) -> Batch<'a, S, T> {
    let batch = Batch::new(case.labels.len(), student, teacher, &case.labels);
    case.complete(batch, tau)
}

/// The same with the gradient over the student's logits.
fn in_place<'a, S, T>(
    case: &'a Case,
    student: &'a mut [S],
    teacher: &'a [T],
    tau: Option<&'a [f32]>,
) -> Batch<'a, S, T> {
    let batch = Batch::in_place(case.labels.len(), student, teacher, &case.labels);
    case.complete(batch, tau)
}

/// What the specification asks for: the case's own temperatures, dynamic ones, or none.
fn temperatures<S: Element>(case: &Case, student: &[S]) -> Option<Vec<f32>> {
    let Temperature::Dtd(_) = case.spec.temperature() else {
        return case.tau.clone();
    };
    let mut tau = vec![0.0; case.labels.len()];
    plan(case, StatsLevel::Full)
        .dtd_temperatures(&batch(case, student, &case.teacher, None), &mut tau)
        .unwrap();
    Some(tau)
}

fn plan(case: &Case, level: StatsLevel) -> Plan {
    Plan::new(&case.spec, case.classes, Options::default().level(level)).unwrap()
}

/// The case's student in another type.
fn student<S: Element>(case: &Case) -> Vec<S> {
    case.student.iter().map(|&z| S::from_f32(z)).collect()
}

/// Runs a case densely, the gradient apart.
fn run<S: Element + bytemuck::Pod>(case: &Case, parallelism: Parallelism) -> Bits {
    let student = student::<S>(case);
    let tau = temperatures(case, &student);
    let mut gradient = vec![S::from_f32(SENTINEL); student.len()];
    let mut stats = sentinels(case.labels.len());
    let total = plan(case, StatsLevel::Full)
        .run(
            batch(case, &student, &case.teacher, tau.as_deref())
                .gradient(&mut gradient)
                .stats(&mut stats),
            parallelism,
        )
        .unwrap();
    Bits {
        total: total.to_bits(),
        gradient: bytemuck::cast_slice(&gradient).to_vec(),
        stats: bytemuck::cast_slice(&stats).to_vec(),
    }
}
