//! Binds a batch's arguments to dispatches, whatever is computed: over chunks of rows that the
//! device's bindings hold, each with a parameter block of its own.

use super::arguments::Arguments;
use super::batch::Slice;
use super::call::{Call, Dispatch};
use super::chunk::{Chunk, chunks, most_rows, rows_between_bindings};
use super::error::Error;
use super::layout::slot;
use super::limits::{alignment, binding_bytes, block_stride, grid};
use super::memory::{buffer, filled};
use super::pieces::{Matrix, Piece, Vector};
use super::pipelines::{Pipelines, Program};
use super::source::Module;
use super::workspace::{PerRow, Region, Workspace};
use crate::batch::{Counts, Upstream};
use crate::spec::{Reduction, RowParams};

/// Makes the dispatches of one call, in the order in which they are asked for.
pub(super) struct Binder<'a> {
    pipelines: &'a Pipelines,
    arguments: &'a Arguments<'a>,
    /// Rows of a chunk, at most.
    most: u32,
    workspace: Workspace,
    /// The buffer of the workspace, and where it begins there.
    scratch: wgpu::Buffer,
    offset: u64,
    /// The parameter blocks: the whole batch's, then each chunk's.
    params: wgpu::Buffer,
    scale: wgpu::Buffer,
    /// Whether the device has to find out what the scale is.
    scale_is_unknown: bool,
    dispatches: Vec<Dispatch>,
}

/// Rows with their parameter block.
#[derive(Clone, Copy)]
pub(super) struct Block {
    index: usize,
    chunk: Chunk,
}

impl Block {
    pub(super) fn rows(self) -> u32 {
        self.chunk.rows
    }
}

/// `1/N` of right and of wrong rows, where the host knows it.
pub(super) fn known_inverse(
    reduction: Reduction,
    counts: Option<Counts>,
    arguments: &Arguments,
) -> Option<[f32; 2]> {
    let inverse = |n: u64| if n == 0 { 0.0 } else { 1.0 / n as f32 };
    match (reduction, counts) {
        (Reduction::Sum, _) => Some([1.0; 2]),
        (Reduction::Mean, Some(Counts { right, wrong })) => {
            Some([inverse(right.saturating_add(wrong)); 2])
        }
        (Reduction::Mean, None) if arguments.weight.is_none() => {
            Some([inverse(arguments.rows.into()); 2])
        }
        (Reduction::MeanPerGroup, Some(Counts { right, wrong })) => {
            Some([inverse(right), inverse(wrong)])
        }
        _ => None,
    }
}

impl<'a> Binder<'a> {
    /// `params` are the plan's; what a batch adds to them is added here. `inverse` is `1/N`, where
    /// the host knows it.
    pub(super) fn new(
        pipelines: &'a Pipelines,
        arguments: &'a Arguments<'a>,
        params: &RowParams,
        per_row: PerRow,
        inverse: Option<[f32; 2]>,
    ) -> Result<Self, Error> {
        let (device, limits) = (pipelines.device(), pipelines.limits());
        let storage = wgpu::BufferUsages::STORAGE;
        let workspace = Workspace::new(alignment(limits), arguments.rows, per_row);
        let (scratch, offset) = match arguments.workspace {
            Some(given) => (given.slice.buffer.clone(), given.slice.offset),
            None => {
                let name = "workspace";
                let own = buffer(device, limits, name, workspace.bytes, storage)?;
                (own, 0)
            }
        };
        let records = (per_row.record > 0).then(|| of_region(&scratch, offset, workspace.records));
        let vectors = arguments.vectors().chain(records);
        let most = most_rows(limits, per_row.parts, arguments.matrices(), vectors)?;
        let blocks = blocks(limits, arguments, params, most);
        let (upstream, is_known) = match arguments.upstream {
            Upstream::Known(upstream) => (upstream, inverse.is_some()),
            Upstream::At(_) => (1.0, false),
        };
        let [right, wrong] = inverse.unwrap_or([0.0; 2]);
        let scale: [f32; 4] = [right, wrong, upstream, 0.0];
        let usage = wgpu::BufferUsages::UNIFORM | storage;
        Ok(Self {
            pipelines,
            arguments,
            most,
            workspace,
            scratch,
            offset,
            params: filled(device, "params", usage, &blocks)?,
            scale: filled(device, "scale", usage, bytemuck::bytes_of(&scale))?,
            scale_is_unknown: arguments.rows > 0 && !is_known,
            dispatches: Vec::new(),
        })
    }

    /// Whether a dispatch has to count rows, or to read upstream.
    pub(super) fn scale_is_unknown(&self) -> bool {
        self.scale_is_unknown
    }

    /// All rows, chunk by chunk.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Block> + use<> {
        let chunks = chunks(self.arguments.rows, self.most);
        (1..)
            .zip(chunks)
            .map(|(index, chunk)| Block { index, chunk })
    }

    fn batch(&self) -> Block {
        let (first, rows) = (0, self.arguments.rows);
        let chunk = Chunk { first, rows };
        Block { index: 0, chunk }
    }

    /// A dispatch over every chunk.
    pub(super) fn per_chunk(&mut self, program: &Program, rows_per_workgroup: u32) {
        for block in self.chunks() {
            let workgroups = block.rows().div_ceil(rows_per_workgroup);
            self.add(program.clone(), block, workgroups);
        }
    }

    /// A workgroup over the whole batch, whose per-row arguments are bound in one piece.
    pub(super) fn per_batch(&mut self, program: Program) -> Result<(), Error> {
        let limit = binding_bytes(self.pipelines.limits());
        for vector in [self.arguments.labels, self.arguments.weight] {
            let whole = |vector: Vector| vector.in_one_binding(self.arguments.rows, limit);
            vector.map_or(Ok(()), whole)?;
        }
        self.add(program, self.batch(), 1);
        Ok(())
    }

    /// A workgroup for each chunk's part of the total, which goes on where the chunk before it ended.
    pub(super) fn total(&mut self, program: &Program) {
        if self.arguments.rows == 0 {
            self.add(program.clone(), self.batch(), 1);
        }
        for block in self.chunks() {
            self.add(program.clone(), block, 1);
        }
    }

    pub(super) fn add(&mut self, program: Program, block: Block, workgroups: u32) {
        let module = program.module;
        let dispatch = Dispatch::new(
            self.pipelines,
            program,
            |slot| self.piece(module, slot, block),
            grid(self.pipelines.limits(), workgroups),
        );
        self.dispatches.push(dispatch);
    }

    pub(super) fn call(self) -> Call {
        Call::new(self.dispatches)
    }

    /// What a kernel of this module binds in a slot, for the rows of a block.
    fn piece(&self, module: Module, slot: u32, block: Block) -> Piece<'_> {
        let (all, limits) = (self.arguments, self.pipelines.limits());
        let Chunk { first, rows } = block.chunk;
        let begin = first - first % rows_between_bindings(limits);
        let end = first + rows;
        let [_, unwritten] = self
            .workspace
            .nothing
            .map(|region| self.region(region, 0, 1));
        let unread = whole(&self.params, 0, 4);
        let matrix = |of: Matrix<'a>| of.piece(first, rows, alignment(limits)).0;
        // Nothing is bound of an empty batch's rows.
        let vector = |of: Option<Vector<'a>>| match of.filter(|_| rows > 0) {
            Some(given) => given.piece(begin, end),
            None => unread,
        };
        match slot {
            slot::PARAMS => {
                let offset = (block.index * block_stride(limits)) as u64;
                whole(&self.params, offset, size_of::<RowParams>() as u64)
            }
            slot::SCALE | slot::SCALE_OUT => whole(&self.scale, 0, self.scale.size()),
            // In place the student is what the gradient is bound to.
            slot::STUDENT if all.in_place => unread,
            slot::STUDENT => matrix(all.student),
            slot::TEACHER => matrix(all.teacher),
            slot::LABELS => vector(all.labels),
            slot::WEIGHT => vector(all.weight),
            slot::KD_WEIGHT => vector(all.kd_weight),
            slot::TAU => vector(all.tau),
            slot::TAU_OUT => vector(all.tau_out),
            slot::GRADIENT => match all.gradient {
                Some(gradient) => matrix(gradient),
                None => self.region(self.workspace.nothing[0], 0, 1),
            },
            slot::STATS => match all.stats {
                Some(stats) if rows > 0 => stats.piece(begin, end),
                Some(_) => unwritten,
                None => self.region(self.workspace.records, begin, end),
            },
            slot::TOTAL => all.total.map_or(unwritten, |total| total.piece(0, 1)),
            slot::UPSTREAM => match all.upstream {
                Upstream::At(upstream) => upstream.piece(0, 1),
                Upstream::Known(_) => unread,
            },
            // The row program keeps its parts there, everything else its marks.
            _ => match module {
                Module::Row(..) => self.region(self.workspace.parts, 0, rows),
                _ => self.region(self.workspace.marks, begin, end),
            },
        }
    }

    /// These rows of a region of the workspace; where it has none, room that nobody reads.
    fn region(&self, region: Region, begin: u32, end: u32) -> Piece<'_> {
        let nothing = self.workspace.nothing[1];
        let (region, begin, end) = match region.bytes_per_row * u64::from(end - begin) {
            0 => (nothing, 0, 1),
            _ => (region, begin, end),
        };
        of_region(&self.scratch, self.offset, region).piece(begin, end)
    }
}

/// A region of the workspace that begins at this byte of its buffer.
fn of_region(buffer: &wgpu::Buffer, begin: u64, region: Region) -> Vector<'_> {
    Vector {
        name: "workspace",
        slice: Slice::new(buffer, begin + region.offset),
        bytes: region.bytes_per_row,
    }
}

fn whole(buffer: &wgpu::Buffer, offset: u64, size: u64) -> Piece<'_> {
    Piece {
        buffer,
        offset,
        size,
    }
}

/// The parameter blocks of the whole batch and of each chunk.
fn blocks(limits: &wgpu::Limits, all: &Arguments, plan: &RowParams, most: u32) -> Vec<u8> {
    let (first, rows) = (0, all.rows);
    let batch = [Chunk { first, rows }].into_iter();
    let mut bytes = Vec::new();
    for chunk in batch.chain(chunks(rows, most)) {
        let begin = bytes.len();
        bytes.extend_from_slice(bytemuck::bytes_of(&params(limits, all, plan, chunk)));
        bytes.resize(begin + block_stride(limits), 0);
    }
    bytes
}

/// The parameter block of some rows.
fn params(limits: &wgpu::Limits, all: &Arguments, plan: &RowParams, chunk: Chunk) -> RowParams {
    let offset = |of: Matrix| of.piece(chunk.first, chunk.rows, alignment(limits)).1;
    let gradient = all.gradient.unwrap_or(all.student);
    let present = [
        all.gradient.is_some(),
        all.weight.is_some(),
        all.kd_weight.is_some(),
        all.tau.is_some(),
        chunk.first > 0,
        matches!(all.upstream, Upstream::At(_)),
    ];
    let bits = (0..).zip(present).map(|(bit, is)| u32::from(is) << bit);
    RowParams {
        rows: chunk.rows,
        student_stride: all.student.stride,
        teacher_stride: all.teacher.stride,
        gradient_stride: gradient.stride,
        present: bits.sum(),
        first_row: chunk.first % rows_between_bindings(limits),
        student_offset: offset(all.student),
        teacher_offset: offset(all.teacher),
        gradient_offset: offset(gradient),
        ..*plan
    }
}
