//! The WGSL kernels on whatever adapter is there: `cargo bench --bench wgsl`.
//!
//! Each measurement records a call as often as criterion asks for, submits once and waits. Throughput
//! is in bytes that had to move: student and teacher read, the gradient and the records written.
//! On a software adapter the numbers say nothing about a GPU.

mod table;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fused_kd::spec::{Format, Preset, RowStats};
use fused_kd::wgsl::{Batch, Gpu, GpuOptions, Options, wgpu};
use std::time::{Duration, Instant};

fn rows(c: &mut Criterion) {
    let gpu = Gpu::new(&GpuOptions::default());
    let gpu = match gpu.or_else(|_| Gpu::new(&GpuOptions::default().software(true))) {
        Ok(gpu) => gpu,
        Err(why) => {
            eprintln!("no benchmarks: {why}");
            return;
        }
    };
    eprintln!("adapter: {gpu}");
    let mut group = c.benchmark_group("wgsl/lr");
    group.sample_size(20);
    for (name, format, size) in [("f32", Format::F32, 4), ("bf16", Format::Bf16, 2)] {
        for [rows, classes] in table::shapes("cpu") {
            let bench = Bench::new(&gpu, format, size, rows, classes);
            group.throughput(Throughput::Bytes(bench.bytes));
            group.bench_function(BenchmarkId::new(name, format!("{rows}x{classes}")), |b| {
                b.iter_custom(|times| bench.run(&gpu, times));
            });
        }
    }
    group.finish();
}

/// A batch on the device, bound.
struct Bench {
    call: fused_kd::wgsl::Call,
    bytes: u64,
}

impl Bench {
    fn new(gpu: &Gpu, format: Format, size: usize, rows: usize, classes: usize) -> Self {
        let options = Options::default().formats(format, format);
        let plan = gpu.plan(&Preset::Lr.spec(), classes, options).unwrap();
        let matrix = rows * classes * size;
        let logits = |seed| noise(gpu, matrix, format, seed);
        let (student, teacher) = (logits(1), logits(2));
        let labels: Vec<i32> = (0..rows).map(|row| (row * 7 % classes) as i32).collect();
        let labels = filled(gpu, bytemuck::cast_slice(&labels));
        let gradient = filled(gpu, &vec![0; matrix.next_multiple_of(4)]);
        let stats = filled(gpu, &vec![0; rows * size_of::<RowStats>()]);
        let batch = Batch::new(rows, &student, &teacher, &labels)
            .gradient(&gradient)
            .stats(&stats);
        let call = plan.bind(&batch).unwrap();
        let bytes = 3 * matrix + rows * (size_of::<RowStats>() + 4);
        Self {
            call,
            bytes: bytes as u64,
        }
    }

    fn run(&self, gpu: &Gpu, times: u64) -> Duration {
        let start = Instant::now();
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        for _ in 0..times {
            self.call.record(&mut encoder);
        }
        gpu.queue().submit([encoder.finish()]);
        gpu.device()
            .poll(wgpu::PollType::wait_indefinitely())
            .unwrap();
        start.elapsed()
    }
}

/// Logits in ±4, the same every time.
fn noise(gpu: &Gpu, bytes: usize, format: Format, seed: u64) -> wgpu::Buffer {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / (1 << 21) as f32 - 4.0
    };
    let mut content = Vec::with_capacity(bytes + 2);
    while content.len() < bytes {
        match format {
            Format::F32 => content.extend(next().to_le_bytes()),
            _ => content.extend(half::bf16::from_f32(next()).to_le_bytes()),
        }
    }
    content.resize(bytes.next_multiple_of(4), 0);
    filled(gpu, &content)
}

fn filled(gpu: &Gpu, content: &[u8]) -> wgpu::Buffer {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: content.len() as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&buffer, 0, content);
    buffer
}

criterion_group!(benches, rows);
criterion_main!(benches);
