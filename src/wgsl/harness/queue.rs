//! Operations on their way to the device: recorded many steps at a time, in the order in which they
//! were asked for.

use super::super::call::{Call, Dispatch};
use super::super::error::Error;
use super::super::gpu::Gpu;
use super::super::limits::block_stride;
use super::kernel::Numbers;
use std::rc::Rc;

/// Operations that are submitted together: their numbers are in one buffer.
const OPERATIONS: usize = 1024;

pub(super) struct Queue<'g> {
    gpu: &'g Gpu,
    commands: Vec<Command>,
    /// The numbers of the commands, a block each, and where they are on the device.
    blocks: Vec<u8>,
    numbers: wgpu::Buffer,
    stride: usize,
    /// How often the host has submitted.
    #[cfg(test)]
    pub(super) submissions: usize,
}

enum Command {
    /// A kernel with the numbers at this byte.
    Kernel(Rc<Dispatch>, u32),
    Calls(Rc<[Call]>),
    Clear(wgpu::Buffer),
    /// The first of the numbers at this byte, to the beginning of a buffer.
    Put(u32, wgpu::Buffer),
}

impl Command {
    fn is_dispatch(&self) -> bool {
        matches!(self, Self::Kernel(..) | Self::Calls(_))
    }
}

impl<'g> Queue<'g> {
    pub(super) fn new(gpu: &'g Gpu) -> Self {
        let stride = block_stride(&gpu.device.limits());
        let size = OPERATIONS * stride;
        Self {
            gpu,
            commands: Vec::new(),
            blocks: Vec::with_capacity(size),
            numbers: gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("numbers"),
                size: size as u64,
                usage: wgpu::BufferUsages::UNIFORM
                    | wgpu::BufferUsages::COPY_SRC
                    | wgpu::BufferUsages::COPY_DST,
                mapped_at_creation: false,
            }),
            stride,
            #[cfg(test)]
            submissions: 0,
        }
    }

    /// Where kernels find their numbers.
    pub(super) fn numbers(&self) -> &wgpu::Buffer {
        &self.numbers
    }

    pub(super) fn kernel(
        &mut self,
        dispatch: Rc<Dispatch>,
        numbers: &Numbers,
    ) -> Result<(), Error> {
        let at = self.block(bytemuck::bytes_of(numbers))?;
        self.commands.push(Command::Kernel(dispatch, at));
        Ok(())
    }

    pub(super) fn calls(&mut self, calls: Rc<[Call]>) {
        self.commands.push(Command::Calls(calls));
    }

    pub(super) fn clear(&mut self, buffer: &wgpu::Buffer) {
        self.commands.push(Command::Clear(buffer.clone()));
    }

    /// A number that a call reads on the device.
    pub(super) fn put(&mut self, number: f32, to: &wgpu::Buffer) -> Result<(), Error> {
        let at = self.block(bytemuck::bytes_of(&number))?;
        self.commands.push(Command::Put(at, to.clone()));
        Ok(())
    }

    /// A block with these bytes, after a submission where no block is left.
    fn block(&mut self, bytes: &[u8]) -> Result<u32, Error> {
        if self.blocks.len() == OPERATIONS * self.stride {
            self.submit()?;
        }
        let at = self.blocks.len();
        self.blocks.extend_from_slice(bytes);
        self.blocks.resize(at + self.stride, 0);
        Ok(at as u32)
    }

    /// Submits what was asked for so far.
    pub(super) fn submit(&mut self) -> Result<(), Error> {
        if self.commands.is_empty() {
            return Ok(());
        }
        let gpu = self.gpu;
        gpu.guarded(|| {
            gpu.queue.submit([self.recorded().finish()]);
            Ok(())
        })
    }

    /// Submits it, waits, and hands what is then in these buffers to `read`.
    pub(super) fn read(
        &mut self,
        buffers: &[&wgpu::Buffer],
        read: impl FnOnce(&[&[u8]]),
    ) -> Result<(), Error> {
        let gpu = self.gpu;
        gpu.guarded(|| gpu.finish(self.recorded(), buffers, read))
    }

    fn recorded(&mut self) -> wgpu::CommandEncoder {
        #[cfg(test)]
        {
            self.submissions += 1;
        }
        // It arrives before the commands, and after those of the last submission.
        self.gpu.queue.write_buffer(&self.numbers, 0, &self.blocks);
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let both = |a: &Command, b: &Command| a.is_dispatch() && b.is_dispatch();
        for group in self.commands.chunk_by(both) {
            match group {
                [Command::Clear(buffer)] => encoder.clear_buffer(buffer, 0, None),
                [Command::Put(at, to)] => {
                    encoder.copy_buffer_to_buffer(&self.numbers, u64::from(*at), to, 0, 4);
                }
                dispatches => record(dispatches, &mut encoder),
            }
        }
        self.commands.clear();
        self.blocks.clear();
        encoder
    }
}

fn record(commands: &[Command], encoder: &mut wgpu::CommandEncoder) {
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: Some("training"),
        timestamp_writes: None,
    });
    for command in commands {
        match command {
            Command::Kernel(dispatch, at) => dispatch.record(&mut pass, &[*at]),
            Command::Calls(calls) => calls.iter().for_each(|call| call.record_in(&mut pass)),
            Command::Clear(_) | Command::Put(..) => {}
        }
    }
}
