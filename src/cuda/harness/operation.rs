//! The harness's kernels and their arguments, byte for byte as in `kernels/train/operation.cuh`.

use bytemuck::{Pod, Zeroable};

/// Device addresses, sizes and numbers of one operation; each kernel says what they are.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Operation {
    pub(super) a: u64,
    pub(super) b: u64,
    pub(super) indices: u64,
    /// What differs from step to step.
    pub(super) varying: u64,
    pub(super) out: u64,
    pub(super) state: [u64; 2],
    pub(super) rows: u32,
    pub(super) columns: u32,
    pub(super) inner: u32,
    pub(super) first: u32,
    pub(super) numbers: [f32; NUMBERS],
}

/// Numbers that an operation takes by value.
pub(super) const NUMBERS: usize = 8;

const _: () = assert!(size_of::<Operation>() == 104);

macro_rules! kernels {
    ($($kernel:ident $name:literal),*) => {
        /// The kernels of `kernels/train.cu`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Kernel { $($kernel),* }

        impl Kernel {
            /// The kernels' names, in order.
            pub(super) const NAMES: [&'static str; [$($name),*].len()] = [$($name),*];
        }
    };
}

kernels!(
    Vary "vary",
    MultiplyPlain "multiply_plain",
    MultiplyLeftTransposed "multiply_left_transposed",
    MultiplyRightTransposed "multiply_right_transposed",
    BiasRelu "bias_relu",
    ReluBackward "relu_backward",
    ColumnSums "column_sums",
    Sgd "sgd",
    AdamW "adamw",
    AbsoluteError "absolute_error",
    Gather "gather",
    GatherColumns "gather_columns",
    AddColumns "add_columns",
    Hits "hits",
    Influence "influence"
);

/// The side of a product's tiles.
const TILE: u32 = 32;
/// Blocks per multiprocessor of what goes over elements; with more elements, a thread takes several.
const BLOCKS: u32 = 8;

impl Kernel {
    /// Blocks, and threads of each.
    pub(super) fn geometry(self, operation: &Operation, processors: u32) -> (u32, u32) {
        let Operation { rows, columns, .. } = *operation;
        let over = |elements: u32| {
            let blocks = elements.div_ceil(256).clamp(1, processors.max(1) * BLOCKS);
            (blocks, 256)
        };
        match self {
            Self::MultiplyPlain | Self::MultiplyLeftTransposed | Self::MultiplyRightTransposed => {
                (rows.div_ceil(TILE) * columns.div_ceil(TILE), 128)
            }
            Self::ColumnSums => (columns.div_ceil(32), 256),
            Self::Vary | Self::Hits | Self::AbsoluteError => (1, 256),
            Self::Influence => over(rows.saturating_mul(32)),
            Self::Sgd | Self::AdamW | Self::ReluBackward => over(rows),
            Self::BiasRelu | Self::Gather | Self::GatherColumns | Self::AddColumns => {
                over(rows * columns)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn the_layout_is_the_one_that_kernels_were_written_for() {
        let text = include_str!("../../../kernels/train/operation.cuh");
        assert!(text.contains("sizeof(Operation) == 104"));
        assert!(text.contains("offsetof(Operation, rows) == 56"));
        assert!(text.contains("offsetof(Operation, numbers) == 72"));
        assert_eq!(offset_of!(Operation, rows), 56);
        assert_eq!(offset_of!(Operation, numbers), 72);
        let (_, fields) = text.split_once("struct Operation {").unwrap();
        let (fields, _) = fields.split_once("};").unwrap();
        let fields: Vec<&str> = fields.lines().map(str::trim).collect();
        assert_eq!(
            fields,
            [
                "",
                "const float* a;",
                "const float* b;",
                "const int* indices;",
                "const float* varying;",
                "float* out;",
                "float* state[2];",
                "unsigned rows, columns, inner, first;",
                "float numbers[8];",
            ]
        );
    }

    #[test]
    fn every_output_has_a_thread() {
        let of = |kernel: Kernel, rows, columns| {
            let operation = Operation {
                rows,
                columns,
                ..Operation::zeroed()
            };
            kernel.geometry(&operation, 132)
        };
        assert_eq!(of(Kernel::MultiplyPlain, 128, 256), (32, 128));
        assert_eq!(of(Kernel::MultiplyPlain, 33, 10), (2, 128));
        assert_eq!(of(Kernel::ColumnSums, 128, 33), (2, 256));
        assert_eq!(of(Kernel::Influence, 9, 10), (2, 256));
        assert_eq!(of(Kernel::BiasRelu, 9, 100), (4, 256));
        assert_eq!(of(Kernel::Sgd, 1 << 30, 0), (132 * 8, 256));
    }
}
