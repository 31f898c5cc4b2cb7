//! Label revision on somebody else's device: their buffers, their encoder, one submission a step.
//! The teacher's and the student's logits stay in device memory; the gradient replaces the
//! student's, and the loss is all that comes back.
//!
//! cargo run --release --example embed_wgpu --no-default-features --features wgpu

use fused_kd::spec::Preset;
use fused_kd::wgsl::wgpu::{self, BufferUsages};
use fused_kd::wgsl::{Batch, Options, Plan};

const ROWS: usize = 256;
const CLASSES: usize = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The caller's own device and queue.
    let instance = wgpu::Instance::default();
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) = pollster::block_on(adapter.request_device(&Default::default()))?;
    println!("{}", adapter.get_info().name);

    // The caller's own buffers. Every eighth time the teacher is sure of a wrong class.
    let label = |row: usize| row * 7 % CLASSES;
    let labels: Vec<i32> = (0..ROWS).map(|row| label(row) as i32).collect();
    let mut teacher = vec![0.0_f32; ROWS * CLASSES];
    for row in 0..ROWS {
        let top = label(row) + usize::from(row % 8 == 0);
        teacher[row * CLASSES + top % CLASSES] = 9.0;
    }
    let student: Vec<f32> = (0..ROWS * CLASSES)
        .map(|i| (i * 37 % 101) as f32 / 50.0)
        .collect();
    let filled = |bytes: &[u8]| {
        let usage = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let buffer = empty(&device, bytes.len(), usage);
        queue.write_buffer(&buffer, 0, bytes);
        buffer
    };
    let student = filled(bytemuck::cast_slice(&student));
    let teacher = filled(bytemuck::cast_slice(&teacher));
    let labels = filled(bytemuck::cast_slice(&labels));
    let total = empty(&device, 4, BufferUsages::STORAGE | BufferUsages::COPY_SRC);
    let on_host = empty(&device, 4, BufferUsages::MAP_READ | BufferUsages::COPY_DST);

    // Once: the loss is checked, kernels are compiled, buffers are bound.
    let plan = Plan::new(&device, &Preset::Lr.spec(), CLASSES, Options::default())?;
    let workspace = empty(
        &device,
        plan.workspace_bytes(ROWS) as usize,
        BufferUsages::STORAGE,
    );
    let batch = Batch::in_place(ROWS, &student, &teacher, &labels)
        .total(&total)
        .workspace(&workspace);
    let call = plan.bind(&batch)?;

    // Each step: whatever makes the logits, the call, whatever takes the gradient.
    let mut encoder = device.create_command_encoder(&Default::default());
    call.record(&mut encoder);
    encoder.copy_buffer_to_buffer(&total, 0, &on_host, 0, 4);
    queue.submit([encoder.finish()]);

    let (sender, receiver) = std::sync::mpsc::channel();
    on_host.map_async(wgpu::MapMode::Read, .., move |mapped| {
        let _ = sender.send(mapped);
    });
    device.poll(wgpu::PollType::wait_indefinitely())?;
    receiver.recv()??;
    let bytes = on_host.get_mapped_range(..)?;
    let loss: f32 = bytemuck::pod_read_unaligned(&bytes);
    println!("loss {loss:.4}");
    Ok(())
}

fn empty(device: &wgpu::Device, bytes: usize, usage: BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: bytes as u64,
        usage,
        mapped_at_creation: false,
    })
}
