//! A device as an embedder has one, and a case in its memory.

use crate::parity::cases::Case;
use crate::support;
use fused_kd::spec::{RowStats, Temperature};
use fused_kd::wgsl::{Batch, Call, Element, Options, Plan, Slice, wgpu};
use std::sync::OnceLock;

/// The caller's device and queue.
pub(crate) struct Rig {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
}

/// A value that no call writes by chance.
pub(crate) const SENTINEL: f32 = 12_345.0;

fn adapter() -> Option<&'static wgpu::Adapter> {
    static ADAPTER: OnceLock<Option<wgpu::Adapter>> = OnceLock::new();
    let adapter = ADAPTER.get_or_init(|| {
        let instance = wgpu::Instance::default();
        let request = |force_fallback_adapter| {
            pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions {
                force_fallback_adapter,
                ..Default::default()
            }))
            .ok()
        };
        request(false).or_else(|| request(true))
    });
    if adapter.is_none() {
        support::skip("wgpu", "apt-get install mesa-vulkan-drivers libvulkan1");
    }
    adapter.as_ref()
}

impl Rig {
    /// A device with the usual limits, the same one for all tests; `None` after a skip.
    pub(crate) fn usual() -> Option<&'static Self> {
        static RIG: OnceLock<Option<Rig>> = OnceLock::new();
        RIG.get_or_init(|| Self::with(|_| {})).as_ref()
    }

    /// A device with other limits.
    pub(crate) fn with(change: impl FnOnce(&mut wgpu::Limits)) -> Option<Self> {
        let adapter = adapter()?;
        let mut required_limits = wgpu::Limits {
            max_storage_buffers_per_shader_stage: 9,
            ..Default::default()
        };
        change(&mut required_limits);
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            required_limits,
            ..Default::default()
        }))
        .unwrap();
        Some(Self { device, queue })
    }

    pub(crate) fn buffer(&self, bytes: &[u8]) -> wgpu::Buffer {
        let buffer = self.empty(bytes.len() as u64, wgpu::BufferUsages::STORAGE);
        let mut words = bytes.to_vec();
        words.resize(bytes.len().next_multiple_of(4), 0);
        self.queue.write_buffer(&buffer, 0, &words);
        buffer
    }

    pub(crate) fn empty(&self, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: size.next_multiple_of(4).max(4),
            usage: usage | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// Everything in one submission.
    pub(crate) fn submit(&self, calls: &[&Call]) {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        for call in calls {
            call.record(&mut encoder);
        }
        self.queue.submit([encoder.finish()]);
    }

    pub(crate) fn read(&self, buffer: &wgpu::Buffer) -> Vec<u8> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size(),
            usage,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        let submitted = self.queue.submit([encoder.finish()]);
        let (sender, receiver) = std::sync::mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| {
            sender.send(mapped).unwrap();
        });
        let wait = wgpu::PollType::Wait {
            submission_index: Some(submitted),
            timeout: None,
        };
        self.device.poll(wait).unwrap();
        receiver.recv().unwrap().unwrap();
        staging.get_mapped_range(..).unwrap().to_vec()
    }

    pub(crate) fn plan<S: Element, T: Element>(&self, case: &Case, options: Options) -> Plan {
        let options = options.formats(S::FORMAT, T::FORMAT);
        Plan::new(&self.device, &case.spec, case.classes, options).unwrap()
    }
}

/// Where a matrix is in its buffer: elements before it, and from row to row.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) offset: usize,
    pub(crate) stride: usize,
}

impl Place {
    pub(crate) fn dense(case: &Case) -> Self {
        Self {
            offset: 0,
            stride: case.classes,
        }
    }

    /// Rows at their place, sentinels around them.
    fn laid_out<E: Element>(self, case: &Case, values: &[f32]) -> Vec<E> {
        let mut all = vec![E::from_f32(SENTINEL); self.offset + case.labels.len() * self.stride];
        for (b, row) in values.chunks_exact(case.classes).enumerate() {
            for (c, &z) in row.iter().enumerate() {
                all[self.offset + b * self.stride + c] = E::from_f32(z);
            }
        }
        all
    }

    /// The rows again, if what is around them has stayed.
    fn taken_out<E: Element>(self, case: &Case, bytes: &[u8]) -> Vec<u32> {
        let all: Vec<E> = bytemuck::pod_collect_to_vec(bytes);
        let mut rows = Vec::new();
        for (i, z) in all[..self.offset + case.labels.len() * self.stride]
            .iter()
            .enumerate()
        {
            match i.checked_sub(self.offset) {
                Some(i) if i % self.stride < case.classes => rows.push(z.to_f32().to_bits()),
                _ => assert_eq!(z.to_f32(), E::from_f32(SENTINEL).to_f32(), "element {i}"),
            }
        }
        rows
    }
}

/// A case in device memory.
pub(crate) struct OnDevice<'a> {
    pub(crate) rig: &'a Rig,
    pub(crate) case: &'a Case,
    pub(crate) places: [Place; 3],
    element: usize,
    teacher_element: usize,
    pub(crate) student: wgpu::Buffer,
    pub(crate) teacher: wgpu::Buffer,
    pub(crate) labels: wgpu::Buffer,
    pub(crate) weight: wgpu::Buffer,
    pub(crate) kd_weight: wgpu::Buffer,
    pub(crate) tau: Option<wgpu::Buffer>,
    pub(crate) gradient: wgpu::Buffer,
    pub(crate) stats: wgpu::Buffer,
    pub(crate) total: wgpu::Buffer,
}

/// What a call leaves behind, as bits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bits {
    pub(crate) total: u32,
    pub(crate) gradient: Vec<u32>,
    pub(crate) stats: Vec<[u32; 16]>,
}

impl Bits {
    pub(crate) fn total(&self) -> f32 {
        f32::from_bits(self.total)
    }

    /// The same numbers but for rounding; tops and flags to the bit.
    #[track_caller]
    pub(crate) fn agrees_with(&self, other: &Self) {
        let close = |a: u32, b: u32| {
            let (a, b) = (f32::from_bits(a), f32::from_bits(b));
            // The least that f16 tells apart is 6e-8, and at 1 it is 1e-3.
            a == b || (a - b).abs() <= 1e-3 * b.abs().max(1e-4)
        };
        assert!(close(self.total, other.total));
        for (a, b) in self.stats.iter().zip(&other.stats) {
            assert!(a[..13].iter().zip(&b[..13]).all(|(&a, &b)| close(a, b)));
            assert_eq!(a[13..], b[13..]);
        }
        let mut pairs = self.gradient.iter().zip(&other.gradient);
        assert!(pairs.all(|(&a, &b)| close(a, b)));
    }
}

impl<'a> OnDevice<'a> {
    pub(crate) fn dense<S: Element, T: Element>(rig: &'a Rig, case: &'a Case) -> Self {
        Self::placed::<S, T>(rig, case, [Place::dense(case); 3])
    }

    /// Student, teacher and gradient at these places.
    pub(crate) fn placed<S: Element, T: Element>(
        rig: &'a Rig,
        case: &'a Case,
        places: [Place; 3],
    ) -> Self {
        let of = |values: &[f32]| rig.buffer(bytemuck::cast_slice(values));
        let rows = case.labels.len();
        let nothing = vec![SENTINEL; rows * case.classes];
        let [s, t, g] = places;
        let student = s.laid_out::<S>(case, &case.student);
        let teacher = t.laid_out::<T>(case, &case.teacher);
        let gradient = g.laid_out::<S>(case, &nothing);
        Self {
            rig,
            case,
            places,
            element: size_of::<S>(),
            teacher_element: size_of::<T>(),
            student: rig.buffer(bytemuck::cast_slice(&student)),
            teacher: rig.buffer(bytemuck::cast_slice(&teacher)),
            labels: rig.buffer(bytemuck::cast_slice(&case.labels)),
            weight: of(&case.weight),
            kd_weight: of(&case.kd_weight),
            tau: match case.spec.temperature() {
                Temperature::Dtd(_) => Some(of(&vec![SENTINEL; rows])),
                _ => case.tau.as_deref().map(of),
            },
            gradient: rig.buffer(bytemuck::cast_slice(&gradient)),
            stats: of(&vec![SENTINEL; rows * 16]),
            total: of(&[SENTINEL]),
        }
    }

    /// All of it, the gradient apart.
    pub(crate) fn batch(&self) -> Batch<'_> {
        let [student, teacher, gradient] = self.matrices();
        let batch = Batch::new(self.case.labels.len(), student, teacher, &self.labels);
        self.complete(batch)
            .gradient(gradient)
            .gradient_stride(self.places[2].stride)
    }

    /// All of it, the gradient over the logits.
    pub(crate) fn batch_in_place(&self) -> Batch<'_> {
        let [student, teacher, _] = self.matrices();
        self.complete(Batch::in_place(
            self.case.labels.len(),
            student,
            teacher,
            &self.labels,
        ))
    }

    /// Student, teacher and gradient.
    fn matrices(&self) -> [Slice<'_>; 3] {
        let [s, t, g] = self.places;
        let at =
            |buffer, place: Place, element| Slice::new(buffer, (place.offset * element) as u64);
        [
            at(&self.student, s, self.element),
            at(&self.teacher, t, self.teacher_element),
            at(&self.gradient, g, self.element),
        ]
    }

    /// With everything besides labels and matrices.
    fn complete<'b>(&'b self, batch: Batch<'b>) -> Batch<'b> {
        let [s, t, _] = self.places;
        let batch = batch
            .student_stride(s.stride)
            .teacher_stride(t.stride)
            .weight(&self.weight)
            .kd_weight(&self.kd_weight)
            .upstream(self.case.upstream)
            .stats(&self.stats)
            .total(&self.total);
        match &self.tau {
            Some(tau) => batch.tau(tau),
            None => batch,
        }
    }

    /// What is there now.
    pub(crate) fn bits<S: Element>(&self) -> Bits {
        let gradient = self.rig.read(&self.gradient);
        self.bits_with::<S>(&gradient, self.places[2])
    }

    /// What is there now, the gradient over the logits.
    pub(crate) fn bits_in_place<S: Element>(&self) -> Bits {
        let gradient = self.rig.read(&self.student);
        self.bits_with::<S>(&gradient, self.places[0])
    }

    fn bits_with<S: Element>(&self, gradient: &[u8], place: Place) -> Bits {
        let records: Vec<RowStats> = bytemuck::pod_collect_to_vec(&self.rig.read(&self.stats));
        Bits {
            total: bytemuck::pod_read_unaligned(&self.rig.read(&self.total)),
            gradient: place.taken_out::<S>(self.case, gradient),
            stats: bytemuck::cast_vec(records[..self.case.labels.len()].to_vec()),
        }
    }

    /// Temperatures where the specification wants them, then the row program, in one submission.
    pub(crate) fn run<S: Element>(&self, plan: &Plan) -> Bits {
        let mut calls = Vec::new();
        if let Temperature::Dtd(_) = self.case.spec.temperature() {
            let tau = self.tau.as_ref().unwrap();
            calls.push(plan.bind_temperatures(&self.batch(), tau).unwrap());
        }
        calls.push(plan.bind(&self.batch()).unwrap());
        self.rig.submit(&calls.iter().collect::<Vec<_>>());
        self.bits::<S>()
    }
}
