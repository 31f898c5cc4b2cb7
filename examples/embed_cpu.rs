//! Label revision inside somebody else's training loop: a linear student in plain Rust, its
//! gradient from the row program.
//!
//! cargo run --release --example embed_cpu --no-default-features

use fused_kd::cpu::{Batch, Options, Parallelism, Plan};
use fused_kd::spec::{Preset, RowFlags, RowStats};

const ROWS: usize = 64;
const INPUTS: usize = 8;
const CLASSES: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Once: the loss and the number of classes are checked, and the hot call allocates nothing.
    let plan = Plan::new(&Preset::Lr.spec(), CLASSES, Options::default())?;

    // The caller's own data. Every eighth time the teacher is sure of a wrong class.
    let x: Vec<f32> = (0..ROWS * INPUTS)
        .map(|i| ((i * 37 % 101) as f32 / 50.0) - 1.0)
        .collect();
    let label = |row: usize| {
        x[row * INPUTS..][..CLASSES]
            .iter()
            .enumerate()
            .fold(
                0,
                |top, (c, &z)| {
                    if z > x[row * INPUTS + top] { c } else { top }
                },
            )
    };
    let labels: Vec<i32> = (0..ROWS).map(|row| label(row) as i32).collect();
    let mut teacher = vec![0.0_f32; ROWS * CLASSES];
    for row in 0..ROWS {
        let top = if row % 8 == 0 {
            (label(row) + 1) % CLASSES
        } else {
            label(row)
        };
        teacher[row * CLASSES + top] = 6.0;
    }

    let mut weights = [0.0_f32; INPUTS * CLASSES];
    let mut student = vec![0.0_f32; ROWS * CLASSES];
    let mut stats = vec![RowStats::default(); ROWS];
    let mut total = 0.0;
    let mut workspace = vec![0; plan.workspace_bytes(ROWS, Parallelism::Serial)];
    for step in 0..200 {
        for (row, out) in student.chunks_exact_mut(CLASSES).enumerate() {
            for (c, out) in out.iter_mut().enumerate() {
                *out = (0..INPUTS)
                    .map(|i| x[row * INPUTS + i] * weights[i * CLASSES + c])
                    .sum();
            }
        }
        // One pass: loss, records, and the gradient over the logits.
        let batch = Batch::in_place(ROWS, &mut student, &teacher, &labels)
            .stats(&mut stats)
            .total(&mut total)
            .workspace(&mut workspace);
        plan.run(batch, Parallelism::Serial)?;
        for (i, w) in weights.iter_mut().enumerate() {
            let (input, c) = (i / CLASSES, i % CLASSES);
            let g: f32 = (0..ROWS)
                .map(|row| x[row * INPUTS + input] * student[row * CLASSES + c])
                .sum();
            *w -= 2.0 * g;
        }
        if step % 50 == 0 || step == 199 {
            let right = stats
                .iter()
                .zip(&labels)
                .filter(|(s, y)| s.student_top == **y as u32);
            let wrong = stats.iter().filter(|s| s.flags.contains(RowFlags::WRONG));
            println!(
                "step {step:3}: loss {total:.3}, student right on {}/{ROWS}, teacher wrong on {}",
                right.count(),
                wrong.count()
            );
        }
    }
    let hardest = stats
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.el2n.total_cmp(&b.1.el2n));
    if let Some((row, stats)) = hardest {
        println!(
            "hardest row by EL2N: {row}, EL2N {:.3}, β {:.3}",
            stats.el2n, stats.beta
        );
    }
    Ok(())
}
