//! Label revision in a training step on a GPU of the caller's: memory, stream and graph are cudarc's,
//! and the step is captured once and replayed.
//!
//! cargo run --release --example embed_cuda --no-default-features --features cuda

use fused_kd::cuda::cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use fused_kd::cuda::{Batch, Gpu, Options, Plan};
use fused_kd::spec::{Format, Preset, RowFlags, RowStats};
use half::bf16;

const ROWS: usize = 64;
const CLASSES: usize = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Callers with a context of their own skip this; it says why there is no GPU, and never panics.
    let gpu = match Gpu::new(0) {
        Ok(gpu) => gpu,
        Err(unavailable) => {
            println!("nothing to show: {unavailable}");
            return Ok(());
        }
    };
    let stream = gpu.stream();

    // Once: the loss is checked and its kernel loaded.
    let options = Options::default().formats(Format::Bf16, Format::Bf16);
    let plan = Plan::new(gpu.context(), &Preset::Lr.spec(), CLASSES, options)?;

    // The caller's memory. Every eighth time the teacher is sure of a wrong class.
    let labels: Vec<i32> = (0..ROWS).map(|row| (row * 13 % CLASSES) as i32).collect();
    let mut logits = vec![bf16::ZERO; ROWS * CLASSES];
    for (row, &label) in labels.iter().enumerate() {
        let top = (label as usize + usize::from(row % 8 == 0)) % CLASSES;
        logits[row * CLASSES + top] = bf16::from_f32(6.0);
    }
    let teacher = stream.clone_htod(&logits)?;
    let labels = stream.clone_htod(&labels)?;
    let mut student = stream.alloc_zeros::<bf16>(ROWS * CLASSES)?;
    let mut stats = stream.alloc_zeros::<RowStats>(ROWS)?;
    let mut total = stream.alloc_zeros::<f32>(1)?;
    let mut workspace = stream.alloc_zeros::<u8>(plan.workspace_bytes(ROWS))?;

    // Nothing in a call allocates or waits, so that it can be captured.
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
    let batch = Batch::in_place(ROWS, &mut student, &teacher, &labels)
        .stats(&mut stats)
        .total(&mut total)
        .workspace(&mut workspace);
    plan.launch(stream, batch)?;
    let flags = CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    let graph = stream.end_capture(flags)?.ok_or("nothing was captured")?;

    graph.launch()?;
    let (total, stats) = (stream.clone_dtoh(&total)?, stream.clone_dtoh(&stats)?);
    stream.synchronize()?;
    let revised = stats
        .iter()
        .filter(|row| row.flags.contains(RowFlags::WRONG));
    println!(
        "{}: loss {:.4}, {} of {ROWS} rows revised, in {:?}",
        gpu.name(),
        total[0],
        revised.count(),
        plan.regime(ROWS)
    );
    Ok(())
}
