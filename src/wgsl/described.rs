//! A call as plain data, for WebGPU hosts other than wgpu: what to compile, bind and dispatch.

use super::kernel::{Kernel, Part, Shape};
use super::layout::binding_type;
use super::options::{Options, Regime};
use super::setup::Setup;
use super::source::PART_BYTES;
use crate::spec::{LossSpec, RowParams, SpecError};

/// The row program over one batch whose arguments are dense, each bound whole.
#[derive(Debug)]
pub struct Described {
    /// The parameter block.
    pub params: RowParams,
    /// In this order, each after the one before.
    pub dispatches: Vec<Dispatch>,
    /// Bytes at binding 10, where it is bound.
    pub workspace_bytes: u64,
}

/// One dispatch.
#[derive(Debug)]
pub struct Dispatch {
    /// WGSL. Browsers want `enable subgroups;` before it where it uses them.
    pub module: String,
    /// Whether it has subgroup operations.
    pub uses_subgroups: bool,
    /// The entry point.
    pub entry_point: &'static str,
    /// Values of its overridable constants.
    pub constants: Vec<(&'static str, u32)>,
    /// Bindings of group 0, with their types: `uniform`, `read` or `write`.
    pub bindings: Vec<(u32, &'static str)>,
    /// Workgroups, in one dimension.
    pub workgroups: u32,
}

/// Describes the row program for `rows` rows of `classes` classes, with weights, kd_weights and a
/// gradient, on a device with 16 KiB of workgroup memory and subgroups of at least `subgroup`, if
/// they may be used.
///
/// # Errors
/// [`SpecError::Classes`] for 0 classes and for 2³¹ and more.
pub fn row_program(
    spec: &LossSpec,
    rows: u32,
    classes: usize,
    options: Options,
    subgroup: Option<u32>,
    in_place: bool,
) -> Result<Described, SpecError> {
    let classes = LossSpec::check_classes(classes)?;
    let shape = Shape {
        spec: *spec,
        classes,
        setup: Setup {
            options,
            memory: 16 << 10,
            subgroup,
            splits: true,
        },
    };
    let dispatch = |part| dispatch(&shape, rows, in_place, part);
    let (dispatches, parts) = match shape.regime(rows) {
        Regime::Whole { .. } => (vec![dispatch(Part::Whole)], 0),
        Regime::Split { parts } => {
            let phase = |phase| dispatch(Part::Phase { parts, phase });
            (shape.phases().into_iter().map(phase).collect(), parts)
        }
    };
    let tau = u32::from(spec.temperature().scalar().is_none());
    Ok(Described {
        params: RowParams {
            rows,
            student_stride: classes,
            teacher_stride: classes,
            gradient_stride: classes,
            present: 0b111 | tau << 3,
            ..RowParams::new(spec, classes, options.level)
        },
        dispatches,
        workspace_bytes: PART_BYTES * u64::from(parts) * u64::from(rows),
    })
}

fn dispatch(shape: &Shape, rows: u32, in_place: bool, part: Part) -> Dispatch {
    let kernel = Kernel::Row {
        in_place,
        level: shape.setup.options.level,
        part,
    };
    let module = shape.module(kernel);
    let bindings = kernel.slots().iter().map(|&slot| {
        let kind = match binding_type(slot) {
            wgpu::BufferBindingType::Uniform => "uniform",
            wgpu::BufferBindingType::Storage { read_only: true } => "read",
            wgpu::BufferBindingType::Storage { read_only: false } => "write",
        };
        (slot, kind)
    });
    Dispatch {
        module: module.text(),
        uses_subgroups: module.uses_subgroups(),
        entry_point: kernel.entry_point(),
        constants: shape.constants(kernel),
        bindings: bindings.collect(),
        workgroups: match part {
            Part::Whole => rows.div_ceil(shape.rows_per_workgroup(kernel)),
            Part::Phase { parts, .. } => rows * parts,
        },
    }
}
