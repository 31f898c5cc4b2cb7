//! The sequence that is being fused away: label revision's loss and gradient as a framework runs it, one
//! pass over memory per operation, each result a matrix of its own. Prints how long it takes beside the
//! fused call, and that both say the same.
//!
//! cargo run --release --example unfused --no-default-features

use fused_kd::cpu::{Batch, Options, Parallelism, Plan};
use fused_kd::spec::{Preset, RowStats};
use std::time::{Duration, Instant};

const ROWS: usize = 1024;
const CLASSES: usize = 1000;
const TAU: f32 = 4.0;
const ETA: f32 = 0.8;
const LAMBDA_KD: f32 = 0.9;
const LAMBDA_CE: f32 = 0.1;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let noise = |seed: u32| -> Vec<f32> {
        let scatter = |i: u32| i.wrapping_mul(0x9E37_79B9).wrapping_add(seed) >> 8;
        (0..(ROWS * CLASSES) as u32)
            .map(|i| scatter(i * seed) as f32 / (1 << 21) as f32 - 4.0)
            .collect()
    };
    let (student, teacher) = (noise(3), noise(7));
    let labels: Vec<i32> = (0..ROWS).map(|row| (row * 7 % CLASSES) as i32).collect();
    let mut gradient = vec![0.0; ROWS * CLASSES];
    let mut stats = vec![RowStats::default(); ROWS];
    let plan = Plan::new(&Preset::Lr.spec(), CLASSES, Options::default())?;

    let (mut fused, mut unfused) = (Duration::MAX, Duration::MAX);
    let (mut total, mut unfused_total) = (0.0, (0.0, Vec::new()));
    for _ in 0..20 {
        let start = Instant::now();
        let batch = Batch::new(ROWS, &student, &teacher, &labels);
        let batch = batch.gradient(&mut gradient).stats(&mut stats);
        total = plan.run(batch, Parallelism::Serial)?;
        fused = fused.min(start.elapsed());
        let start = Instant::now();
        unfused_total = loss_and_gradient(&student, &teacher, &labels);
        unfused = unfused.min(start.elapsed());
    }
    let (unfused_total, unfused_gradient) = unfused_total;
    let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0, f32::max);
    let difference = gradient.iter().zip(&unfused_gradient);
    let difference = largest(&mut difference.map(|(a, b)| (a - b).abs()));
    let scale = largest(&mut gradient.iter().map(|g| g.abs()));
    println!("loss: fused {total}, unfused {unfused_total}");
    println!("largest difference of the gradients: {difference:e}, of {scale:e}");
    println!("fused, with records: {fused:.2?}; unfused, without: {unfused:.2?}");
    assert!((total - unfused_total).abs() < 1e-4 * total && difference < 1e-5 * scale);
    Ok(())
}

/// One matrix per operation.
fn loss_and_gradient(student: &[f32], teacher: &[f32], labels: &[i32]) -> (f32, Vec<f32>) {
    // Forward: the tempered distributions, the revised target, both terms.
    let p = softmax(&scaled(teacher, 1.0 / TAU));
    let log_q = log_softmax(&scaled(student, 1.0 / TAU));
    let log_q1 = log_softmax(student);
    let target = revised(&p, labels);
    let kd: f32 = elementwise(&target, &log_q, |p, log_q| {
        if p > 0.0 { p * (p.ln() - log_q) } else { 0.0 }
    })
    .iter()
    .sum();
    let ce: f32 = each_label(labels).map(|i| -log_q1[i]).sum();
    let n = ROWS as f32;
    let total = (LAMBDA_KD * TAU * TAU * kd + LAMBDA_CE * ce) / n;

    // Backward, by the same chain.
    let q = elementwise(&log_q, &log_q, |z, _| z.exp());
    let of_kd = elementwise(&q, &target, |q, p| LAMBDA_KD * TAU / n * (q - p));
    let mut of_ce = elementwise(&log_q1, &log_q1, |z, _| LAMBDA_CE / n * z.exp());
    for i in each_label(labels) {
        of_ce[i] -= LAMBDA_CE / n;
    }
    (total, elementwise(&of_kd, &of_ce, |a, b| a + b))
}

/// Where each row's label is.
fn each_label(labels: &[i32]) -> impl Iterator<Item = usize> {
    let at = |(row, &y): (usize, &i32)| row * CLASSES + y as usize;
    labels.iter().enumerate().map(at)
}

fn scaled(z: &[f32], k: f32) -> Vec<f32> {
    z.iter().map(|z| z * k).collect()
}

fn elementwise(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}

fn softmax(z: &[f32]) -> Vec<f32> {
    elementwise(&log_softmax(z), z, |log_p, _| log_p.exp())
}

fn log_softmax(z: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(z.len());
    for row in z.chunks_exact(CLASSES) {
        let max = row.iter().fold(f32::NEG_INFINITY, |max, &z| max.max(z));
        let sum: f32 = row.iter().map(|z| (z - max).exp()).sum();
        out.extend(row.iter().map(|z| z - max - sum.ln()));
    }
    out
}

/// `β p + (1−β) e_y` with `β = η / (p_max − p_y + 1)` where the teacher is wrong.
fn revised(p: &[f32], labels: &[i32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(p.len());
    for (row, &y) in p.chunks_exact(CLASSES).zip(labels) {
        let max = row.iter().fold(0.0_f32, |max, &p| max.max(p));
        let of_label = row[y as usize];
        let beta = if of_label < max {
            ETA / (max - of_label + 1.0)
        } else {
            1.0
        };
        let start = out.len();
        out.extend(row.iter().map(|p| beta * p));
        out[start + y as usize] += 1.0 - beta;
    }
    out
}
