//! A device for these tests, and batches on it.

pub(crate) use crate::support::cuda::gpu;
use fused_kd::cuda::cudarc::driver::{CudaSlice, DevicePtr};
use fused_kd::cuda::{Gpu, HostBatch, RawBatch};
use fused_kd::spec::Format;
use std::process::Command;

/// Whether blocks run together as clusters.
pub(crate) fn has_clusters(gpu: &Gpu) -> bool {
    gpu.capability() >= (9, 0)
}

/// Whether the device is the stand-in driver's.
pub(crate) fn is_emulated() -> bool {
    gpu().is_some_and(|gpu| gpu.name() == "emulated device")
}

/// Runs one of the ignored tests in a process of its own, on the stand-in driver with this environment.
#[track_caller]
pub(crate) fn with(environment: &[(&str, &str)], test: &str) {
    if !is_emulated() {
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", &format!("cuda::{test}")]);
    let output = command.envs(environment.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Memory on the device.
pub(crate) struct Memory<'a> {
    gpu: &'a Gpu,
    bytes: CudaSlice<u8>,
}

impl<'a> Memory<'a> {
    pub(crate) fn of<P: bytemuck::NoUninit>(gpu: &'a Gpu, values: &[P]) -> Self {
        let bytes = gpu
            .stream()
            .clone_htod(bytemuck::cast_slice::<P, u8>(values));
        let bytes = bytes.unwrap();
        Self { gpu, bytes }
    }

    /// What nobody has written yet.
    pub(crate) fn room(gpu: &'a Gpu, bytes: usize) -> Self {
        // SAFETY: tests write it before they read it, or read it for what it is.
        let bytes = unsafe { gpu.stream().alloc(bytes) }.unwrap();
        Self { gpu, bytes }
    }

    pub(crate) fn at(&self) -> u64 {
        self.bytes.device_ptr(self.gpu.stream()).0
    }

    /// The address of f32.
    pub(crate) fn floats(&self) -> (u64, Format) {
        (self.at(), Format::F32)
    }

    pub(crate) fn read<P: bytemuck::Pod>(&self) -> Vec<P> {
        let bytes = self.gpu.stream().clone_dtoh(&self.bytes).unwrap();
        self.gpu.stream().synchronize().unwrap();
        bytemuck::pod_collect_to_vec(&bytes)
    }
}

/// A small batch: logits that differ from row to row, labels on which the teacher is by turns right
/// and wrong.
pub(crate) struct Batch {
    pub(crate) rows: usize,
    pub(crate) classes: usize,
    pub(crate) student: Vec<f32>,
    pub(crate) teacher: Vec<f32>,
    pub(crate) labels: Vec<i32>,
}

impl Batch {
    pub(crate) fn new(rows: usize, classes: usize) -> Self {
        let wave = |i: usize, k: f32| ((i as f32 * k).sin() * 1e3).round() / 250.0;
        Self {
            rows,
            classes,
            student: (0..rows * classes).map(|i| wave(i, 12.9898)).collect(),
            teacher: (0..rows * classes).map(|i| wave(i, 78.233)).collect(),
            labels: (0..rows).map(|b| (b * 7 % classes) as i32).collect(),
        }
    }

    /// The oracle's answer.
    pub(crate) fn truth(&self, spec: &fused_kd::spec::LossSpec) -> fused_kd::reference::Output {
        let widen = |row: &[f32]| -> Vec<f64> { row.iter().map(|&z| z.into()).collect() };
        let batch = fused_kd::reference::Batch {
            student: &widen(&self.student),
            teacher: &widen(&self.teacher),
            classes: self.classes,
            labels: &self.labels,
            weight: None,
            kd_weight: None,
            tau: None,
            upstream: 1.0,
        };
        fused_kd::reference::run_flagged(spec, &batch).unwrap()
    }

    pub(crate) fn upload<'a>(&self, gpu: &'a Gpu) -> [Memory<'a>; 3] {
        [
            Memory::of(gpu, &self.student),
            Memory::of(gpu, &self.teacher),
            Memory::of(gpu, &self.labels),
        ]
    }

    pub(crate) fn raw(&self, [student, teacher, labels]: &[Memory; 3]) -> RawBatch {
        RawBatch::new(self.rows, student.floats(), teacher.floats(), labels.at())
    }

    pub(crate) fn raw_in_place(&self, [student, teacher, labels]: &[Memory; 3]) -> RawBatch {
        RawBatch::in_place(self.rows, student.floats(), teacher.floats(), labels.at())
    }

    /// The batch in the host's memory, without a gradient.
    pub(crate) fn host(&self) -> HostBatch<'_, f32, f32> {
        HostBatch::new(self.rows, &self.student, &self.teacher, &self.labels)
    }
}

/// Gradients agree to what f32 allows for logits and weights of the order of 1.
#[track_caller]
pub(crate) fn assert_close(got: &[f32], truth: &[f64]) {
    assert_eq!(got.len(), truth.len());
    for (i, (&g, &t)) in got.iter().zip(truth).enumerate() {
        assert!(
            (f64::from(g) - t).abs() <= 2e-5,
            "[{i}] is {g}, the oracle says {t}"
        );
    }
}
