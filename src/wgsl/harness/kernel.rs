//! The kernels of a training step beside the row program: the file, the bindings and the grid of each.

use super::super::layout::slot::{
    GRADIENT, LABELS, NUMBERS, STATS, STUDENT, TEACHER, TOTAL, WORKSPACE,
};
use super::super::options::Checks;
use super::super::pipelines::Program;
use super::super::source::{File, Module};
use crate::engine::Form;

/// One operation. What it reads and writes is bound where the row program has arguments alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::wgsl) enum Kernel {
    /// a, b, out.
    Multiply(Form),
    /// bias, x.
    BiasRelu,
    /// activation, gradient.
    ReluBackward,
    /// gradient, out.
    ColumnSums,
    /// from, indices, out.
    Gather,
    /// from, columns, out.
    GatherColumns,
    /// from, columns, into.
    AddColumns,
    /// g, w, velocity.
    Sgd,
    /// g, w, first and second moment.
    AdamW,
    /// logits, labels, count.
    Hits,
    /// target, output, total.
    AbsoluteError,
    /// logits, u, labels, out.
    Influence,
}

/// What an operation is told beside its buffers, the same layout as `Numbers` in shaders/train/numbers.wgsl.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
pub(in crate::wgsl) struct Numbers {
    pub(in crate::wgsl) rows: u32,
    pub(in crate::wgsl) columns: u32,
    pub(in crate::wgsl) inner: u32,
    pub(in crate::wgsl) first: u32,
    pub(in crate::wgsl) rates: [f32; 4],
    pub(in crate::wgsl) moments: [f32; 4],
}

impl Numbers {
    /// A matrix of this size, or so many values in one column.
    pub(super) fn sizes(rows: usize, columns: usize) -> Self {
        // No binding holds as many elements as 32 bits count.
        Self {
            rows: rows as u32,
            columns: columns as u32,
            ..Self::default()
        }
    }
}

/// Invocations per workgroup, and the tiles of `multiply` and `column_sums`, as the shaders have them.
const WORKGROUP: u32 = 256;
const TILE: u32 = 32;
const ACROSS: u32 = 16;

impl Kernel {
    #[cfg(test)]
    pub(in crate::wgsl) const ALL: [Self; 14] = [
        Self::Multiply(Form::Plain),
        Self::Multiply(Form::LeftTransposed),
        Self::Multiply(Form::RightTransposed),
        Self::BiasRelu,
        Self::ReluBackward,
        Self::ColumnSums,
        Self::Gather,
        Self::GatherColumns,
        Self::AddColumns,
        Self::Sgd,
        Self::AdamW,
        Self::Hits,
        Self::AbsoluteError,
        Self::Influence,
    ];

    pub(in crate::wgsl) fn program(self) -> Program {
        let (file, entry_point) = self.place();
        let constants = match self {
            Self::Multiply(form) => vec![("FORM", form as u32)],
            _ => Vec::new(),
        };
        Program {
            module: Module::Train(file),
            checks: Checks::Checked,
            entry_point,
            constants,
            slots: self.slots(),
        }
    }

    fn place(self) -> (File, &'static str) {
        match self {
            Self::Multiply(_) => (File::Multiply, "multiply"),
            Self::BiasRelu => (File::Layer, "bias_relu"),
            Self::ReluBackward => (File::Layer, "relu_backward"),
            Self::ColumnSums => (File::Layer, "column_sums"),
            Self::Gather => (File::Gather, "gather"),
            Self::GatherColumns => (File::Gather, "gather_columns"),
            Self::AddColumns => (File::Gather, "add_columns"),
            Self::Sgd => (File::Update, "sgd"),
            Self::AdamW => (File::Update, "adamw"),
            Self::Hits => (File::Total, "hits"),
            Self::AbsoluteError => (File::Total, "absolute_error"),
            Self::Influence => (File::Influence, "influence"),
        }
    }

    /// The slots of its buffers, in the order of [`Kernel`], and after them that of its numbers.
    pub(super) fn slots(self) -> &'static [u32] {
        match self {
            Self::Multiply(_) => &[STUDENT, TEACHER, GRADIENT, NUMBERS],
            Self::BiasRelu | Self::ReluBackward | Self::ColumnSums => &[STUDENT, GRADIENT, NUMBERS],
            Self::Gather | Self::GatherColumns | Self::AddColumns => {
                &[STUDENT, LABELS, GRADIENT, NUMBERS]
            }
            Self::Sgd => &[STUDENT, GRADIENT, WORKSPACE, NUMBERS],
            Self::AdamW => &[STUDENT, GRADIENT, STATS, WORKSPACE, NUMBERS],
            Self::Hits => &[STUDENT, LABELS, TOTAL, NUMBERS],
            Self::AbsoluteError => &[TEACHER, GRADIENT, TOTAL, NUMBERS],
            Self::Influence => &[STUDENT, TEACHER, LABELS, GRADIENT, NUMBERS],
        }
    }

    pub(super) fn workgroups(self, numbers: &Numbers) -> u32 {
        let Numbers { rows, columns, .. } = *numbers;
        match self {
            Self::Multiply(_) => rows.div_ceil(TILE) * columns.div_ceil(TILE),
            Self::ColumnSums => columns.div_ceil(ACROSS),
            Self::Hits | Self::AbsoluteError => 1,
            Self::Influence => rows.div_ceil(WORKGROUP),
            _ => (rows * columns).div_ceil(WORKGROUP),
        }
    }
}
