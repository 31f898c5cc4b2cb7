//! A call: a batch's buffers bound to the dispatches that compute it.

use super::arguments::Arguments;
use super::buffers::{Buffers, Slice, Upstream};
use super::chunk::{Chunk, chunks, most_rows, rows_between_bindings};
use super::error::Error;
use super::kernel::{Kernel, Part};
use super::layout::slot;
use super::limits::{block_stride, grid};
use super::options::Regime;
use super::pieces::{Piece, Vector};
use super::pipelines::{Pipelines, Program};
use super::plan::Plan;
use super::workspace::Workspace;
use crate::batch::Counts;
use crate::spec::{Reduction, RowParams, RowStats, StatsLevel};

/// A batch whose buffers are checked and bound. It holds on to them, and may be recorded as often
/// as their contents change.
#[derive(Debug)]
pub struct Call {
    dispatches: Vec<Dispatch>,
}

/// A compiled kernel, what it binds, and its grid.
#[derive(Debug)]
pub(super) struct Dispatch {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
    workgroups: [u32; 2],
}

impl Dispatch {
    pub(super) fn new<'p>(
        pipelines: &Pipelines,
        program: Program,
        piece: impl Fn(u32) -> Piece<'p>,
        workgroups: [u32; 2],
    ) -> Self {
        let entry = |&slot: &u32| wgpu::BindGroupEntry {
            binding: slot,
            resource: piece(slot).binding(),
        };
        let entries: Vec<_> = program.slots.iter().map(entry).collect();
        let label = Some(program.entry_point);
        let (pipeline, layout) = pipelines.get(program);
        let device = pipelines.device();
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label,
            layout: &layout,
            entries: &entries,
        });
        Self {
            pipeline,
            group,
            workgroups,
        }
    }

    /// Records it; `offsets` are those of its bindings that have one each time.
    pub(super) fn record(&self, pass: &mut wgpu::ComputePass, offsets: &[u32]) {
        let [x, y] = self.workgroups;
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, offsets);
        pass.dispatch_workgroups(x, y, 1);
    }
}

impl Call {
    pub(super) fn new(dispatches: Vec<Dispatch>) -> Self {
        Self { dispatches }
    }

    /// Records the call's dispatches. Nothing is allocated on the device, submitted or read back.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some("fused-kd"),
            timestamp_writes: None,
        });
        self.record_in(&mut pass);
    }

    /// The same within a pass, beside other calls.
    pub(super) fn record_in(&self, pass: &mut wgpu::ComputePass) {
        for dispatch in &self.dispatches {
            dispatch.record(pass, &[]);
        }
    }

    pub(super) fn row_program(plan: &Plan, buffers: &Buffers) -> Result<Self, Error> {
        let arguments = Arguments::of_row_program(plan, buffers)?;
        let (spec, rows) = (&plan.shape.spec, arguments.rows);
        let level = match plan.shape.options.level {
            // A total is the sum of recorded losses.
            StatsLevel::None if arguments.total.is_some() => StatsLevel::Loss,
            level => level,
        };
        let regime = plan.shape.regime(rows);
        // A total's own records are bound as the caller's are.
        let own = arguments.total.map(|total| Vector {
            name: "workspace",
            bytes: size_of::<RowStats>() as u64,
            ..total
        });
        let most = most_rows(
            &plan.limits,
            regime,
            [
                Some(arguments.teacher),
                Some(arguments.student),
                arguments.gradient,
            ]
            .into_iter()
            .flatten(),
            [Some(arguments.labels), arguments.stats.or(own)]
                .into_iter()
                .flatten(),
        )?;
        let inverse = known_inverse(spec.reduction(), buffers, rows);
        let upstream = match buffers.upstream {
            Upstream::Host(upstream) => upstream,
            Upstream::Device(_) => 1.0,
        };
        let [right, wrong] = inverse.unwrap_or([0.0; 2]);
        let scale = [right, wrong, upstream, 0.0];
        let mut binder = Binder::new(plan, &arguments, level, regime, most, scale)?;
        if rows > 0 && (inverse.is_none() || arguments.upstream.is_some()) {
            let counts = inverse.is_none();
            if counts && spec.reduction() == Reduction::MeanPerGroup {
                binder.per_chunk(Kernel::Groups);
            }
            binder.per_batch(Kernel::Scale { counts })?;
        }
        let row = |part| Kernel::Row {
            in_place: arguments.in_place,
            level,
            part,
        };
        for chunk in binder.chunks() {
            match regime {
                Regime::Whole { .. } => binder.add(row(Part::Whole), chunk),
                Regime::Split { parts } => {
                    for phase in plan.shape.phases() {
                        binder.add(row(Part::Phase { parts, phase }), chunk);
                    }
                }
            }
        }
        if arguments.total.is_some() {
            if rows == 0 {
                binder.add(Kernel::Total, Numbered::BATCH);
            }
            binder.per_chunk(Kernel::Total);
        }
        Ok(binder.call)
    }

    pub(super) fn temperatures(plan: &Plan, buffers: &Buffers, tau: Slice) -> Result<Self, Error> {
        let arguments = Arguments::of_temperatures(plan, buffers, tau)?;
        let regime = Regime::Whole { lanes: 1 };
        let most = most_rows(
            &plan.limits,
            regime,
            [arguments.teacher, arguments.student],
            [arguments.labels],
        )?;
        let mut binder = Binder::new(plan, &arguments, StatsLevel::None, regime, most, [0.0; 4])?;
        if arguments.rows > 0 {
            binder.per_chunk(Kernel::Omegas);
            binder.per_batch(Kernel::Temperatures)?;
        }
        Ok(binder.call)
    }
}

/// `1/N` of right and of wrong rows, where the host knows it.
fn known_inverse(reduction: Reduction, buffers: &Buffers, rows: u32) -> Option<[f32; 2]> {
    let inverse = |n: u64| if n == 0 { 0.0 } else { 1.0 / n as f32 };
    match (reduction, buffers.counts) {
        (Reduction::Sum, _) => Some([1.0; 2]),
        (Reduction::Mean, Some(Counts { right, wrong })) => {
            Some([inverse(right.saturating_add(wrong)); 2])
        }
        (Reduction::Mean, None) if buffers.weight.is_none() => Some([inverse(rows.into()); 2]),
        (Reduction::MeanPerGroup, Some(Counts { right, wrong })) => {
            Some([inverse(right), inverse(wrong)])
        }
        _ => None,
    }
}

/// A chunk and the number of its parameter block; block 0 is the whole batch's.
#[derive(Clone, Copy)]
struct Numbered {
    chunk: Option<Chunk>,
    block: u32,
}

impl Numbered {
    const BATCH: Self = Self {
        chunk: None,
        block: 0,
    };
}

/// Makes the dispatches of one call.
struct Binder<'a> {
    plan: &'a Plan,
    arguments: &'a Arguments<'a>,
    most: u32,
    regime: Regime,
    layout: Workspace,
    workspace: wgpu::Buffer,
    /// Where the workspace begins in its buffer.
    offset: u64,
    params: wgpu::Buffer,
    scale: wgpu::Buffer,
    call: Call,
}

impl<'a> Binder<'a> {
    fn new(
        plan: &'a Plan,
        arguments: &'a Arguments<'a>,
        level: StatsLevel,
        regime: Regime,
        most: u32,
        scale: [f32; 4],
    ) -> Result<Self, Error> {
        let layout = Workspace::new(plan, arguments.rows);
        let device = plan.device();
        let (workspace, offset) = match arguments.workspace {
            Some(given) => (given.slice.buffer.clone(), given.slice.offset),
            None => (storage(device, &plan.limits, "workspace", layout.bytes)?, 0),
        };
        let stride = block_stride(&plan.limits);
        let blocks: Vec<Chunk> = chunks(arguments.rows, most).collect();
        let mut bytes = vec![0; stride * (blocks.len() + 1)];
        let mut put = |block: usize, params: RowParams| {
            bytes[block * stride..][..size_of::<RowParams>()]
                .copy_from_slice(bytemuck::bytes_of(&params));
        };
        let whole = Chunk {
            first: 0,
            rows: arguments.rows,
        };
        put(0, params(plan, arguments, level, whole));
        for (i, &chunk) in blocks.iter().enumerate() {
            put(i + 1, params(plan, arguments, level, chunk));
        }
        Ok(Self {
            plan,
            arguments,
            most,
            regime,
            layout,
            workspace,
            offset,
            params: filled(device, "params", wgpu::BufferUsages::UNIFORM, &bytes)?,
            scale: filled(
                device,
                "scale",
                wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::STORAGE,
                bytemuck::bytes_of(&scale),
            )?,
            call: Call {
                dispatches: Vec::new(),
            },
        })
    }

    fn chunks(&self) -> impl Iterator<Item = Numbered> + use<> {
        let chunks = chunks(self.arguments.rows, self.most);
        (1..).zip(chunks).map(|(block, chunk)| Numbered {
            chunk: Some(chunk),
            block,
        })
    }

    /// A dispatch over every chunk.
    fn per_chunk(&mut self, kernel: Kernel) {
        for chunk in self.chunks() {
            self.add(kernel, chunk);
        }
    }

    /// A dispatch over the whole batch, whose per-row arguments are bound in one piece.
    fn per_batch(&mut self, kernel: Kernel) -> Result<(), Error> {
        let limit = self.plan.binding_bytes();
        self.arguments
            .labels
            .in_one_binding(self.arguments.rows, limit)?;
        self.add(kernel, Numbered::BATCH);
        Ok(())
    }

    fn add(&mut self, kernel: Kernel, chunk: Numbered) {
        let dispatch = Dispatch::new(
            &self.plan.pipelines,
            self.plan.shape.program(kernel),
            |slot| self.piece(kernel, slot, chunk),
            self.workgroups(kernel, chunk),
        );
        self.call.dispatches.push(dispatch);
    }

    fn workgroups(&self, kernel: Kernel, chunk: Numbered) -> [u32; 2] {
        let rows = chunk.chunk.map_or(0, |chunk| chunk.rows);
        let workgroups = match kernel {
            Kernel::Scale { .. } | Kernel::Temperatures | Kernel::Total => 1,
            Kernel::Row {
                part: Part::Phase { parts, .. },
                ..
            } => rows * parts,
            _ => rows.div_ceil(self.plan.shape.rows_per_workgroup(kernel)),
        };
        grid(&self.plan.limits, workgroups)
    }

    fn piece(&self, kernel: Kernel, slot: u32, chunk: Numbered) -> Piece<'_> {
        let all = self.arguments;
        let Chunk { first, rows } = chunk.chunk.unwrap_or(Chunk {
            first: 0,
            rows: all.rows,
        });
        let begin = first - first % rows_between_bindings(&self.plan.limits);
        let vector = |of: Vector<'a>| of.piece(begin, first + rows);
        // Something to read that is always there, where a kernel will read nothing.
        let or_labels = |of: Option<Vector<'a>>| vector(of.unwrap_or(all.labels));
        let matrix = |of: super::pieces::Matrix<'a>| of.piece(first, rows, self.plan.alignment()).0;
        let in_place = matches!(kernel, Kernel::Row { in_place: true, .. });
        let uniform = |buffer, offset, size| Piece {
            buffer,
            offset,
            size,
        };
        match slot {
            slot::PARAMS => uniform(
                &self.params,
                u64::from(chunk.block) * block_stride(&self.plan.limits) as u64,
                size_of::<RowParams>() as u64,
            ),
            slot::SCALE | slot::SCALE_OUT => uniform(&self.scale, 0, 16),
            slot::STUDENT if in_place => vector(all.labels),
            slot::STUDENT => matrix(all.student),
            slot::TEACHER => matrix(all.teacher),
            slot::LABELS => vector(all.labels),
            slot::WEIGHT => or_labels(all.weight),
            slot::KD_WEIGHT => or_labels(all.kd_weight),
            slot::TAU => or_labels(all.tau),
            slot::GRADIENT => match all.gradient {
                Some(gradient) => matrix(gradient),
                None => self.scratch(self.layout.nothing[0], 4),
            },
            slot::STATS => match all.stats {
                Some(stats) if rows > 0 => vector(stats),
                None if rows > 0 && all.total.is_some() => {
                    let record = size_of::<RowStats>() as u64;
                    let [begin, end] = [begin, first + rows].map(|row| record * u64::from(row));
                    self.scratch(self.layout.records + begin, end - begin)
                }
                _ => self.scratch(self.layout.nothing[1], 4),
            },
            slot::TAU_OUT => or_labels(all.tau_out),
            slot::TOTAL => all.total.unwrap_or(all.labels).piece(0, 1),
            slot::UPSTREAM => match all.upstream {
                Some(upstream) => upstream.piece(0, 1),
                None => vector(all.labels),
            },
            _ => match (kernel, self.regime) {
                (Kernel::Row { .. }, Regime::Split { parts }) => {
                    let bytes = super::source::PART_BYTES * u64::from(parts) * u64::from(rows);
                    self.scratch(self.layout.parts, bytes)
                }
                _ => {
                    let [begin, end] = [begin, first + rows].map(|row| 4 * u64::from(row));
                    self.scratch(self.layout.words + begin, end - begin)
                }
            },
        }
    }

    /// A stretch of the workspace.
    fn scratch(&self, offset: u64, size: u64) -> Piece<'_> {
        Piece {
            buffer: &self.workspace,
            offset: self.offset + offset,
            size,
        }
    }
}

/// The parameter block of some rows.
fn params(plan: &Plan, all: &Arguments, level: StatsLevel, chunk: Chunk) -> RowParams {
    let alignment = plan.alignment();
    let offset = |of: super::pieces::Matrix| of.piece(chunk.first, chunk.rows, alignment).1;
    let gradient = all.gradient.unwrap_or(all.student);
    let present = [
        all.gradient.is_some(),
        all.weight.is_some(),
        all.kd_weight.is_some(),
        all.tau.is_some(),
        chunk.first > 0,
        all.upstream.is_some(),
    ];
    let bits = (0..).zip(present).map(|(bit, is)| u32::from(is) << bit);
    RowParams {
        rows: chunk.rows,
        student_stride: all.student.stride,
        teacher_stride: all.teacher.stride,
        gradient_stride: gradient.stride,
        present: bits.sum(),
        first_row: chunk.first % rows_between_bindings(&plan.limits),
        student_offset: offset(all.student),
        teacher_offset: offset(all.teacher),
        gradient_offset: offset(gradient),
        ..RowParams::new(&plan.shape.spec, plan.shape.classes, level)
    }
}

/// Room that no caller sees.
pub(super) fn storage(
    device: &wgpu::Device,
    limits: &wgpu::Limits,
    name: &'static str,
    size: u64,
) -> Result<wgpu::Buffer, Error> {
    let most = limits.max_buffer_size;
    if size > most {
        return Err(Error::TooLarge {
            argument: name,
            needed: size,
            limit: "max_buffer_size",
            given: most,
        });
    }
    Ok(device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(name),
        size,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    }))
}

/// A buffer with these bytes in it, which no queue is needed for.
pub(super) fn filled(
    device: &wgpu::Device,
    name: &'static str,
    usage: wgpu::BufferUsages,
    bytes: &[u8],
) -> Result<wgpu::Buffer, Error> {
    let buffer = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(name),
        size: bytes.len() as u64,
        usage,
        mapped_at_creation: true,
    });
    match buffer.get_mapped_range_mut(..) {
        Ok(mut view) => view.copy_from_slice(bytes),
        Err(error) => {
            return Err(Error::Device {
                message: error.to_string(),
            });
        }
    }
    buffer.unmap();
    Ok(buffer)
}
