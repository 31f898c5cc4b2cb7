//! Pipelines of a plan, each compiled when a call first needs it and shared from then on.

use super::kernel::{Kernel, Module, Shape};
use super::layout::binding_type;
use super::options::Checks;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

#[derive(Debug)]
pub(super) struct Pipelines {
    device: wgpu::Device,
    shape: Shape,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    modules: HashMap<Module, wgpu::ShaderModule>,
    layouts: HashMap<&'static [u32], wgpu::BindGroupLayout>,
    pipelines: HashMap<Kernel, wgpu::ComputePipeline>,
}

impl Pipelines {
    pub(super) fn new(device: wgpu::Device, shape: Shape) -> Self {
        Self {
            device,
            shape,
            made: Mutex::default(),
        }
    }

    /// The layout of the kernel's bind group; kernels with the same slots share it.
    pub(super) fn layout(&self, kernel: Kernel) -> wgpu::BindGroupLayout {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.layout(&self.device, kernel)
    }

    pub(super) fn pipeline(&self, kernel: Kernel) -> wgpu::ComputePipeline {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = made.pipelines.get(&kernel) {
            return pipeline.clone();
        }
        let module = made.module(&self.device, &self.shape, kernel);
        let layout = made.layout(&self.device, kernel);
        let layout = self
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                bind_group_layouts: &[Some(&layout)],
                ..Default::default()
            });
        let descriptor = wgpu::ComputePipelineDescriptor {
            label: Some(kernel.entry_point()),
            layout: Some(&layout),
            module: &module,
            entry_point: Some(kernel.entry_point()),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &self.shape.constants(kernel),
                // Every kernel writes workgroup memory before it reads it.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        };
        let pipeline = self.device.create_compute_pipeline(&descriptor);
        made.pipelines.insert(kernel, pipeline.clone());
        pipeline
    }
}

impl Made {
    fn module(
        &mut self,
        device: &wgpu::Device,
        shape: &Shape,
        kernel: Kernel,
    ) -> wgpu::ShaderModule {
        let module = shape.module(kernel);
        let make = || {
            let descriptor = wgpu::ShaderModuleDescriptor {
                label: Some(kernel.entry_point()),
                source: wgpu::ShaderSource::Wgsl(module.text().into()),
            };
            match shape.options.checks {
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
        self.modules.entry(module).or_insert_with(make).clone()
    }

    fn layout(&mut self, device: &wgpu::Device, kernel: Kernel) -> wgpu::BindGroupLayout {
        let make = || {
            let entry = |&slot: &u32| wgpu::BindGroupLayoutEntry {
                binding: slot,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: binding_type(slot),
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            };
            let entries: Vec<_> = kernel.slots().iter().map(entry).collect();
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some(kernel.entry_point()),
                entries: &entries,
            })
        };
        self.layouts
            .entry(kernel.slots())
            .or_insert_with(make)
            .clone()
    }
}
