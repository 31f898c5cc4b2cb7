//! A call: the dispatches that compute a batch.

use super::pieces::Piece;
use super::pipelines::{Pipelines, Program};

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
}
