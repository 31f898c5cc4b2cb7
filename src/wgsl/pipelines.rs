//! Compiled kernels, shared by all plans and calls that need the same.

use super::layout::{binding_type, slot};
use super::options::Checks;
use super::source::Module;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The pipelines of one device, each compiled when a call first needs it.
#[derive(Debug)]
pub(super) struct Pipelines {
    device: wgpu::Device,
    limits: wgpu::Limits,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    modules: HashMap<(Module, Checks), wgpu::ShaderModule>,
    layouts: HashMap<&'static [u32], wgpu::BindGroupLayout>,
    pipelines: HashMap<Program, wgpu::ComputePipeline>,
}

/// All that a pipeline depends on: numbers that stay in the parameter block do not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Program {
    pub(super) module: Module,
    pub(super) checks: Checks,
    pub(super) entry_point: &'static str,
    pub(super) constants: Vec<(&'static str, u32)>,
    /// What it binds.
    pub(super) slots: &'static [u32],
}

impl Pipelines {
    pub(super) fn new(device: &wgpu::Device) -> Self {
        Self {
            device: device.clone(),
            limits: device.limits(),
            made: Mutex::default(),
        }
    }

    pub(super) fn device(&self) -> &wgpu::Device {
        &self.device
    }

    pub(super) fn limits(&self) -> &wgpu::Limits {
        &self.limits
    }

    /// A kernel and the layout of its bind group.
    pub(super) fn get(&self, program: Program) -> (wgpu::ComputePipeline, wgpu::BindGroupLayout) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let layout = made.layout(&self.device, &program);
        if let Some(pipeline) = made.pipelines.get(&program) {
            return (pipeline.clone(), layout);
        }
        let module = made.module(&self.device, program.module, program.checks);
        // Others may compile meanwhile; where two compile the same, the first one stays.
        drop(made);
        let pipeline = self.compile(&program, &module, &layout);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        (
            made.pipelines.entry(program).or_insert(pipeline).clone(),
            layout,
        )
    }

    fn compile(
        &self,
        program: &Program,
        module: &wgpu::ShaderModule,
        layout: &wgpu::BindGroupLayout,
    ) -> wgpu::ComputePipeline {
        let label = Some(program.entry_point);
        let layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label,
                bind_group_layouts: &[Some(layout)],
                ..Default::default()
            });
        let float = |&(name, value): &(_, u32)| (name, f64::from(value));
        let constants: Vec<(&str, f64)> = program.constants.iter().map(float).collect();
        self.device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label,
                layout: Some(&layout),
                module,
                entry_point: label,
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    // Every kernel writes workgroup memory before it reads it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            })
    }
}

impl Made {
    fn module(
        &mut self,
        device: &wgpu::Device,
        module: Module,
        checks: Checks,
    ) -> wgpu::ShaderModule {
        let make = || {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(module.name()),
                source: wgpu::ShaderSource::Wgsl(module.text().into()),
            };
            match checks {
                Checks::Checked => device.create_shader_module(descriptor),
                Checks::Unchecked => {
                    let checks = wgpu::ShaderRuntimeChecks::unchecked();
                    // SAFETY: the kernels index bound buffers by rows, classes, strides and offsets
                    // of the parameter block alone, which `bind` has held against the size of each
                    // binding; labels are compared with V before they are used; every loop counts
                    // up to one of these numbers.
                    unsafe { device.create_shader_module_trusted(descriptor, checks) }
                }
            }
        };
        let made = self.modules.entry((module, checks));
        made.or_insert_with(make).clone()
    }

    /// Kernels with the same slots share their layout.
    fn layout(&mut self, device: &wgpu::Device, program: &Program) -> wgpu::BindGroupLayout {
        let make = || {
            let entry = |&slot: &u32| wgpu::BindGroupLayoutEntry {
                binding: slot,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: binding_type(slot),
                    has_dynamic_offset: slot == slot::NUMBERS,
                    min_binding_size: None,
                },
                count: None,
            };
            let entries: Vec<_> = program.slots.iter().map(entry).collect();
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(program.entry_point),
                entries: &entries,
            })
        };
        let made = self.layouts.entry(program.slots);
        made.or_insert_with(make).clone()
    }
}
