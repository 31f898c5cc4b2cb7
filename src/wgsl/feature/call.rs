//! A batch's buffers bound to the dispatches that compute it.

use super::super::buffers::Upstream;
use super::super::call::{Call, Dispatch, filled, storage};
use super::super::chunk::{Chunk, chunks, most_rows, rows_between_bindings};
use super::super::error::Error;
use super::super::layout::slot;
use super::super::limits::{alignment, binding_bytes, block_stride, grid};
use super::super::options::Regime;
use super::super::pieces::{Matrix, Piece, Vector};
use super::arguments::Arguments;
use super::buffers::FeatureBuffers;
use super::kernel::Kernel;
use super::plan::FeaturePlan;
use crate::spec::RowParams;

pub(super) fn bind(plan: &FeaturePlan, buffers: &FeatureBuffers) -> Result<Call, Error> {
    let arguments = Arguments::new(plan, buffers)?;
    let rows = arguments.rows;
    let all = Chunk { first: 0, rows };
    let counts = buffers.counted.is_none() && arguments.weight.is_some();
    let mut binder = Binder::new(plan, &arguments, known_scale(buffers))?;
    if rows > 0 && (counts || arguments.upstream.is_some()) {
        if let Some(weight) = arguments.weight {
            weight.in_one_binding(rows, binding_bytes(&plan.limits))?;
        }
        binder.add(Kernel::Scale { counts }, all, 0);
    }
    let in_place = arguments.in_place;
    for (chunk, block) in binder.chunks() {
        binder.add(Kernel::Features { in_place }, chunk, block);
    }
    if arguments.total.is_some() {
        if rows == 0 {
            binder.add(Kernel::Total, all, 0);
        }
        for (chunk, block) in binder.chunks() {
            binder.add(Kernel::Total, chunk, block);
        }
    }
    Ok(Call::new(binder.dispatches))
}

/// `1/N`, for right and wrong rows alike, and upstream, as far as the host knows them.
fn known_scale(buffers: &FeatureBuffers) -> [f32; 4] {
    let n = buffers.counted.unwrap_or(buffers.rows as u64);
    let inverse = if n == 0 { 0.0 } else { 1.0 / n as f32 };
    let upstream = match buffers.upstream {
        Upstream::Host(upstream) => upstream,
        Upstream::Device(_) => 1.0,
    };
    [inverse, inverse, upstream, 0.0]
}

/// Makes the dispatches of one call.
struct Binder<'a> {
    plan: &'a FeaturePlan,
    arguments: &'a Arguments<'a>,
    most: u32,
    /// Bound where a kernel could read something that is not there, and where it could write
    /// something that nobody wants: no buffer may be both.
    unread: wgpu::Buffer,
    unwritten: wgpu::Buffer,
    /// The distances, where the caller does not want them.
    distances: Option<wgpu::Buffer>,
    params: wgpu::Buffer,
    scale: wgpu::Buffer,
    dispatches: Vec<Dispatch>,
}

impl<'a> Binder<'a> {
    fn new(
        plan: &'a FeaturePlan,
        arguments: &'a Arguments<'a>,
        scale: [f32; 4],
    ) -> Result<Self, Error> {
        let (device, limits) = (plan.pipelines.device(), &plan.limits);
        let matrices = [
            Some(arguments.student),
            Some(arguments.target),
            arguments.gradient,
        ];
        // Where the caller wants no distances, the call's own are bound as the caller's are.
        let distances = Vector {
            name: "distances",
            slice: arguments.student.slice,
            bytes: 4,
        };
        let vectors = [arguments.weight, Some(distances)];
        let regime = Regime::Whole {
            lanes: plan.shape.lanes(),
        };
        let most = most_rows(
            limits,
            regime,
            matrices.into_iter().flatten(),
            vectors.into_iter().flatten(),
        )?;
        let uniform = wgpu::BufferUsages::UNIFORM;
        let own = arguments.distances.is_none().then(|| {
            let bytes = 4 * u64::from(arguments.rows.max(1));
            storage(device, limits, "distances", bytes)
        });
        Ok(Self {
            plan,
            arguments,
            most,
            unread: storage(device, limits, "unread", 4)?,
            unwritten: storage(device, limits, "unwritten", 4)?,
            distances: own.transpose()?,
            params: filled(device, "params", uniform, &blocks(plan, arguments, most))?,
            scale: filled(
                device,
                "scale",
                uniform | wgpu::BufferUsages::STORAGE,
                bytemuck::bytes_of(&scale),
            )?,
            dispatches: Vec::new(),
        })
    }

    /// Chunks with the numbers of their parameter blocks; block 0 is the whole batch's.
    fn chunks(&self) -> impl Iterator<Item = (Chunk, usize)> + use<> {
        chunks(self.arguments.rows, self.most).zip(1..)
    }

    fn add(&mut self, kernel: Kernel, chunk: Chunk, block: usize) {
        let shape = &self.plan.shape;
        let workgroups = match kernel {
            Kernel::Scale { .. } | Kernel::Total => 1,
            Kernel::Features { .. } => {
                let rows_per_workgroup = shape.options.workgroup / shape.lanes();
                chunk.rows.div_ceil(rows_per_workgroup)
            }
        };
        let dispatch = Dispatch::new(
            &self.plan.pipelines,
            shape.program(kernel),
            |slot| self.piece(slot, chunk, block),
            grid(&self.plan.limits, workgroups),
        );
        self.dispatches.push(dispatch);
    }

    fn piece(&self, slot: u32, Chunk { first, rows }: Chunk, block: usize) -> Piece<'_> {
        let (all, limits) = (self.arguments, &self.plan.limits);
        let begin = first - first % rows_between_bindings(limits);
        // Nothing is bound of an empty batch's rows.
        let vector = |of: Option<Vector<'a>>| {
            let of = of.filter(|_| rows > 0);
            of.map(|of| of.piece(begin, first + rows))
        };
        let one = |of: Option<Vector<'a>>| of.map(|of| of.piece(0, 1));
        let matrix = |of: Matrix<'a>| of.piece(first, rows, alignment(limits)).0;
        let [unread, unwritten] = [&self.unread, &self.unwritten].map(|b| stretch(b, 0, 4));
        match slot {
            slot::PARAMS => stretch(
                &self.params,
                (block * block_stride(limits)) as u64,
                size_of::<RowParams>() as u64,
            ),
            slot::SCALE | slot::SCALE_OUT => stretch(&self.scale, 0, 16),
            // In place the student is what the gradient is bound to.
            slot::STUDENT if all.in_place => unread,
            slot::STUDENT => matrix(all.student),
            slot::TEACHER => matrix(all.target),
            slot::WEIGHT => vector(all.weight).unwrap_or(unread),
            slot::UPSTREAM => one(all.upstream).unwrap_or(unread),
            slot::GRADIENT => all.gradient.map_or(unwritten, matrix),
            slot::STATS => vector(all.distances).unwrap_or_else(|| match &self.distances {
                Some(own) if rows > 0 => {
                    let [begin, end] = [begin, first + rows].map(|row| 4 * u64::from(row));
                    stretch(own, begin, end - begin)
                }
                _ => unwritten,
            }),
            slot::TOTAL => one(all.total).unwrap_or(unwritten),
            // A mean over all rows has no marks to read.
            _ => unwritten,
        }
    }
}

fn stretch(buffer: &wgpu::Buffer, offset: u64, size: u64) -> Piece<'_> {
    Piece {
        buffer,
        offset,
        size,
    }
}

/// The parameter blocks of the whole batch and of each chunk.
fn blocks(plan: &FeaturePlan, arguments: &Arguments, most: u32) -> Vec<u8> {
    let rows = arguments.rows;
    let all = [Chunk { first: 0, rows }].into_iter();
    let mut bytes = Vec::new();
    for chunk in all.chain(chunks(rows, most)) {
        let begin = bytes.len();
        bytes.extend_from_slice(bytemuck::bytes_of(&params(plan, arguments, chunk)));
        bytes.resize(begin + block_stride(&plan.limits), 0);
    }
    bytes
}

/// The parameter block of some rows.
fn params(plan: &FeaturePlan, all: &Arguments, chunk: Chunk) -> RowParams {
    let alignment = alignment(&plan.limits);
    let offset = |of: Matrix| of.piece(chunk.first, chunk.rows, alignment).1;
    let gradient = all.gradient.unwrap_or(all.student);
    let present = [
        (all.gradient.is_some(), 0),
        (all.weight.is_some(), 1),
        (chunk.first > 0, 4),
        (all.upstream.is_some(), 5),
    ];
    RowParams {
        rows: chunk.rows,
        student_stride: all.student.stride,
        teacher_stride: all.target.stride,
        gradient_stride: gradient.stride,
        present: present.iter().map(|&(is, bit)| u32::from(is) << bit).sum(),
        first_row: chunk.first % rows_between_bindings(&plan.limits),
        student_offset: offset(all.student),
        teacher_offset: offset(all.target),
        gradient_offset: offset(gradient),
        ..RowParams::of_features(&plan.spec, plan.shape.width)
    }
}
