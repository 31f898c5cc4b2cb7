//! The shaders against the host, without a device: naga parses and validates every module, with
//! the constants that its pipelines get, and lays out what both sides share as Rust does.

use super::feature;
use super::kernel::{Kernel, Part, Shape};
use super::layout;
use super::options::Options;
use super::pipelines::Program;
use super::regime::{self, MOST_PARTS};
use super::setup::Setup;
use super::source::{Module, Reduce, Span, Store};
use crate::spec::{Format, Preset, RowParams, RowStats, StatsLevel};
use naga::back::PipelineConstants;
use naga::back::pipeline_constants::process_overrides;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use std::collections::{BTreeSet, HashSet};
use std::mem::offset_of;

fn all_modules() -> Vec<Module> {
    let mut all = Vec::new();
    for reduce in [Reduce::Workgroup, Reduce::Subgroup] {
        all.extend([Module::Prologue(reduce), Module::Batch(reduce)]);
        for store in [Store::F32, Store::Packed] {
            all.push(Module::Feature(store, reduce));
            for span in [Span::Whole, Span::Split] {
                all.push(Module::Row(store, reduce, span));
            }
        }
    }
    #[cfg(feature = "train")]
    for kernel in super::harness::Kernel::ALL {
        let module = kernel.program().module;
        if !all.contains(&module) {
            all.push(module);
        }
    }
    all
}

/// Parsed and validated with no more than it may use.
fn validated(module: Module) -> (naga::Module, ModuleInfo) {
    let text = module.text();
    let parsed = naga::front::wgsl::parse_str(&text)
        .unwrap_or_else(|error| panic!("{module:?}: {}", error.emit_to_string(&text)));
    let capabilities = match module.reduce() {
        Reduce::Workgroup => Capabilities::empty(),
        Reduce::Subgroup => Capabilities::SUBGROUP,
    };
    // unpack2x16float, which every WebGPU device has.
    let capabilities = capabilities | Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&parsed)
        .unwrap_or_else(|error| panic!("{module:?}: {}", error.emit_to_string(&text)));
    (parsed, info)
}

fn all_shapes() -> Vec<Shape> {
    let mut all = Vec::new();
    for preset in Preset::ALL {
        for classes in [1, 10, 64, 1000, 50_257] {
            for student in [Format::F32, Format::F16, Format::Bf16] {
                for subgroup in [None, Some(8), Some(32)] {
                    all.push(Shape {
                        spec: preset.spec(),
                        classes,
                        setup: Setup {
                            options: Options::default().formats(student, Format::F32),
                            memory: 16 << 10,
                            subgroup,
                            splits: true,
                        },
                    });
                }
            }
        }
    }
    all
}

fn all_kernels(shape: &Shape) -> Vec<Kernel> {
    let mut all = vec![
        Kernel::Groups,
        Kernel::Omegas,
        Kernel::Scale { counts: true },
        Kernel::Scale { counts: false },
        Kernel::Temperatures,
        Kernel::Total,
    ];
    let phases = shape.phases();
    let phases = phases.iter().map(|&phase| Part::Phase { parts: 4, phase });
    for part in [Part::Whole].into_iter().chain(phases) {
        for level in [StatsLevel::None, StatsLevel::Loss, StatsLevel::Full] {
            all.push(Kernel::Row {
                in_place: level == StatsLevel::Loss,
                level,
                part,
            });
        }
    }
    all
}

#[test]
fn every_module_is_valid() {
    for module in all_modules() {
        validated(module);
    }
}

/// Each program once, of the row program and of features.
fn all_programs() -> HashSet<Program> {
    let mut all = HashSet::new();
    for shape in all_shapes() {
        all.extend(all_kernels(&shape).iter().map(|&k| shape.program(k)));
        let of_features = feature::Shape {
            width: shape.classes,
            setup: shape.setup,
        };
        for either in [false, true] {
            all.extend([
                of_features.program(feature::Kernel::Scale { counts: either }),
                of_features.program(feature::Kernel::Features { in_place: either }),
                of_features.program(feature::Kernel::Total),
            ]);
        }
    }
    #[cfg(feature = "train")]
    all.extend(super::harness::Kernel::ALL.map(|kernel| kernel.program()));
    all
}

#[test]
fn every_pipeline_is_valid_with_its_constants() {
    let modules = all_modules();
    let valid: Vec<_> = modules.iter().map(|&module| validated(module)).collect();
    let mut used = HashSet::new();
    for program in all_programs() {
        used.insert(program.module);
        let index = modules.iter().position(|&m| m == program.module).unwrap();
        let (parsed, info) = &valid[index];
        let mut map = PipelineConstants::default();
        let constants = program.constants.iter();
        map.extend(constants.map(|&(name, v)| (name.to_owned(), f64::from(v))));
        assert_eq!(
            map.len(),
            program.constants.len(),
            "{program:?} gives one twice"
        );
        let entry_point = Some((naga::ShaderStage::Compute, program.entry_point));
        if let Err(error) = process_overrides(parsed, info, entry_point, &map) {
            panic!("{program:?}: {error}");
        }
    }
    assert_eq!(used.len(), modules.len(), "{used:?}");
}

/// Each constant that a module declares is given, so that no default decides anything.
#[test]
fn the_host_decides_every_constant() {
    for program in all_programs() {
        let text = program.module.text();
        let declared: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("override "))
            .map(|rest| rest.split(':').next().unwrap())
            .collect();
        let given: BTreeSet<&str> = program.constants.iter().map(|c| c.0).collect();
        assert_eq!(given, declared, "{program:?}");
    }
}

/// Kernels read and write what the host binds, in the same way.
#[test]
fn bindings_are_those_of_the_table() {
    let mut looked_at = HashSet::new();
    for program in all_programs() {
        if !looked_at.insert((program.module, program.entry_point, program.slots)) {
            continue;
        }
        let (module, info) = validated(program.module);
        let at = |p: &naga::EntryPoint| p.name == program.entry_point;
        let entry_point = module.entry_points.iter().position(at).unwrap();
        let info = info.get_entry_point(entry_point);
        for (handle, variable) in module.global_variables.iter() {
            let Some(binding) = variable.binding else {
                continue;
            };
            assert_eq!(binding.group, 0);
            let slot = binding.binding;
            assert!(slot <= layout::slot::NUMBERS);
            let type_ = match variable.space {
                naga::AddressSpace::Uniform => wgpu::BufferBindingType::Uniform,
                naga::AddressSpace::Storage { access } => wgpu::BufferBindingType::Storage {
                    read_only: !access.contains(naga::StorageAccess::STORE),
                },
                other => panic!("{other:?}"),
            };
            assert_eq!(layout::binding_type(slot), type_, "slot {slot}");
            if !info[handle].is_empty() {
                assert!(program.slots.contains(&slot), "{program:?} uses {slot}");
            }
        }
    }
}

#[test]
fn the_parameter_block_is_laid_out_as_in_rust() {
    let fields = [
        ("rows", offset_of!(RowParams, rows)),
        ("classes", offset_of!(RowParams, classes)),
        ("student_stride", offset_of!(RowParams, student_stride)),
        ("teacher_stride", offset_of!(RowParams, teacher_stride)),
        ("gradient_stride", offset_of!(RowParams, gradient_stride)),
        ("present", offset_of!(RowParams, present)),
        ("stats_level", offset_of!(RowParams, stats_level)),
        ("revision", offset_of!(RowParams, revision)),
        (
            "revision_parameter",
            offset_of!(RowParams, revision_parameter),
        ),
        ("temperature", offset_of!(RowParams, temperature)),
        ("tau", offset_of!(RowParams, tau)),
        (
            "temperature_squared",
            offset_of!(RowParams, temperature_squared),
        ),
        ("right_divergence", offset_of!(RowParams, right_divergence)),
        ("right_alpha", offset_of!(RowParams, right_alpha)),
        ("right_beta", offset_of!(RowParams, right_beta)),
        ("right_lambda_kd", offset_of!(RowParams, right_lambda_kd)),
        ("right_lambda_ce", offset_of!(RowParams, right_lambda_ce)),
        ("wrong_divergence", offset_of!(RowParams, wrong_divergence)),
        ("wrong_alpha", offset_of!(RowParams, wrong_alpha)),
        ("wrong_beta", offset_of!(RowParams, wrong_beta)),
        ("wrong_lambda_kd", offset_of!(RowParams, wrong_lambda_kd)),
        ("wrong_lambda_ce", offset_of!(RowParams, wrong_lambda_ce)),
        ("omega", offset_of!(RowParams, omega)),
        ("gamma", offset_of!(RowParams, gamma)),
        ("tau0", offset_of!(RowParams, tau0)),
        ("bias", offset_of!(RowParams, bias)),
        ("normalise", offset_of!(RowParams, normalise)),
        ("tau_min", offset_of!(RowParams, tau_min)),
        ("first_row", offset_of!(RowParams, first_row)),
        ("student_offset", offset_of!(RowParams, student_offset)),
        ("teacher_offset", offset_of!(RowParams, teacher_offset)),
        ("gradient_offset", offset_of!(RowParams, gradient_offset)),
    ];
    assert!(blocks_as_in_rust("RowParams", &fields, size_of::<RowParams>()) > 1);
}

#[cfg(feature = "train")]
#[test]
fn the_numbers_of_an_operation_are_laid_out_as_in_rust() {
    use super::harness::Numbers;
    let fields = [
        ("rows", offset_of!(Numbers, rows)),
        ("columns", offset_of!(Numbers, columns)),
        ("inner", offset_of!(Numbers, inner)),
        ("first", offset_of!(Numbers, first)),
        ("rates", offset_of!(Numbers, rates)),
        ("moments", offset_of!(Numbers, moments)),
    ];
    assert!(blocks_as_in_rust("Numbers", &fields, size_of::<Numbers>()) > 1);
}

/// How many modules have a block of this name, each of which has these fields at these bytes.
fn blocks_as_in_rust(name: &str, fields: &[(&str, usize)], size: usize) -> usize {
    let mut found = 0;
    for module in all_modules() {
        let (module, _) = validated(module);
        let is_block = |t: &&naga::Type| t.name.as_deref() == Some(name);
        let Some((_, block)) = module.types.iter().find(|(_, t)| is_block(t)) else {
            continue;
        };
        let naga::TypeInner::Struct { members, span } = &block.inner else {
            panic!("{block:?}");
        };
        let laid_out: Vec<(&str, usize)> = members
            .iter()
            .map(|m| (m.name.as_deref().unwrap(), m.offset as usize))
            .collect();
        assert_eq!(laid_out, fields);
        assert_eq!(*span as usize, size);
        found += 1;
    }
    found
}

#[test]
fn a_record_has_as_many_words_as_in_rust() {
    let mut found = 0;
    for module in all_modules() {
        let (module, _) = validated(module);
        for (_, constant) in module.constants.iter() {
            if constant.name.as_deref() != Some("RECORD") {
                continue;
            }
            let words = match module.global_expressions[constant.init] {
                naga::Expression::Literal(naga::Literal::U32(words)) => words,
                ref other => panic!("{other:?}"),
            };
            assert_eq!(words as usize * 4, size_of::<RowStats>());
            found += 1;
        }
    }
    assert!(found > 0);
}

#[test]
fn regimes_stay_within_what_kernels_assume() {
    for classes in [1, 4, 5, 64, 65, 512, 513, 1 << 20] {
        for workgroup in [32, 64, 128, 256] {
            let lanes = regime::lanes(classes, workgroup);
            assert!(lanes.is_power_of_two() && workgroup % lanes == 0);
            assert!(lanes == workgroup || lanes >= 4 && classes / lanes <= 16);
        }
    }
    assert!(MOST_PARTS.is_power_of_two());
}
