//! Label revision by address, as a caller in another language has its tensors: a pointer, a type and a
//! stride. Here the student is bf16 and its rows lie 8 elements apart; the teacher is f32.
//!
//! cargo run --release --example embed_raw --no-default-features

use fused_kd::cpu::{Options, Parallelism, Plan, RawBatch};
use fused_kd::spec::{Format, Preset, RowFlags, RowStats};
use half::bf16;

const ROWS: usize = 3;
const CLASSES: usize = 5;
const STRIDE: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let plan = Plan::new(&Preset::Lr.spec(), CLASSES, Options::default())?;

    // The caller's memory. The teacher is sure of class 1, which is right on the first row alone.
    let mut logits = vec![bf16::ZERO; ROWS * STRIDE];
    let mut teacher = [0.0_f32; ROWS * CLASSES];
    teacher
        .chunks_exact_mut(CLASSES)
        .for_each(|row| row[1] = 6.0);
    let labels = [1_i32, 0, 4];
    let mut stats = [RowStats::default(); ROWS];
    let mut workspace = vec![0_u8; plan.workspace_bytes(ROWS, Parallelism::Serial)];
    let mut total = 0.0_f32;

    // A number and a type, as they come over a language's border; pointers of Rust's know their type.
    let student = (logits.as_mut_ptr().expose_provenance() as u64, Format::Bf16);
    let batch = RawBatch::in_place(ROWS, student, teacher.as_ptr(), labels.as_ptr())
        .student_stride(STRIDE)
        .stats(stats.as_mut_ptr())
        .total(&raw mut total)
        .workspace(workspace.as_mut_ptr());
    // SAFETY: everything lives until the call returns, has the lengths and types that it is said to
    // have, and nothing overlaps.
    unsafe { plan.run_raw(&batch, Parallelism::Serial)? };

    for (row, (gradient, stats)) in logits.chunks_exact(STRIDE).zip(&stats).enumerate() {
        let revised = stats.flags.contains(RowFlags::WRONG);
        println!(
            "row {row}: loss {:.3}, revised {revised}, gradient {:.3?}",
            stats.loss,
            &gradient[..CLASSES]
        );
    }
    println!("total {total:.4}");
    Ok(())
}
