//! Host memory to the device and back.

use super::error::Error;
use super::gpu::Gpu;
use super::memory;
use std::sync::mpsc;

impl Gpu {
    /// A buffer with room for this many bytes, in whole words.
    pub(super) fn room(&self, name: &'static str, bytes: usize) -> Result<wgpu::Buffer, Error> {
        let copies = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        self.buffer(name, bytes as u64, wgpu::BufferUsages::STORAGE | copies)
    }

    /// A buffer that holds these bytes.
    pub(super) fn upload(&self, name: &'static str, bytes: &[u8]) -> Result<wgpu::Buffer, Error> {
        let buffer = self.room(name, bytes.len())?;
        let (words, rest) = bytes.split_at(bytes.len() & !3);
        if !words.is_empty() {
            self.queue.write_buffer(&buffer, 0, words);
        }
        if !rest.is_empty() {
            let mut word = [0; 4];
            word[..rest.len()].copy_from_slice(rest);
            self.queue.write_buffer(&buffer, words.len() as u64, &word);
        }
        Ok(buffer)
    }

    /// Submits the encoder's work and hands what is then in these buffers to `read`, in their order.
    pub(super) fn finish(
        &self,
        mut encoder: wgpu::CommandEncoder,
        buffers: &[&wgpu::Buffer],
        read: impl FnOnce(&[&[u8]]),
    ) -> Result<(), Error> {
        let size = buffers.iter().map(|buffer| buffer.size()).sum();
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.buffer("what is read back", size, usage)?;
        let mut end = 0;
        for buffer in buffers {
            encoder.copy_buffer_to_buffer(buffer, 0, &staging, end, buffer.size());
            end += buffer.size();
        }
        let submitted = self.queue.submit([encoder.finish()]);
        let (sender, receiver) = mpsc::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |mapped| {
            // Nobody listens any more where polling failed.
            let _ = sender.send(mapped);
        });
        let polled = self.device.poll(wgpu::PollType::Wait {
            submission_index: Some(submitted),
            timeout: None,
        });
        polled.map_err(|error| failed(&error))?;
        // Another thread's poll may be the one that is about to say so.
        match receiver.recv() {
            Ok(mapped) => mapped.map_err(|error| failed(&error))?,
            Err(error) => return Err(failed(&error)),
        }
        let view = staging.get_mapped_range(..).map_err(|e| failed(&e))?;
        let mut rest = &view[..];
        let mut pieces = Vec::with_capacity(buffers.len());
        for buffer in buffers {
            let (piece, after) = rest.split_at(buffer.size() as usize);
            pieces.push(piece);
            rest = after;
        }
        read(&pieces);
        Ok(())
    }

    fn buffer(
        &self,
        name: &'static str,
        bytes: u64,
        usage: wgpu::BufferUsages,
    ) -> Result<wgpu::Buffer, Error> {
        let size = bytes.next_multiple_of(4).max(4);
        memory::buffer(&self.device, self.pipelines.limits(), name, size, usage)
    }
}

fn failed(error: &dyn std::error::Error) -> Error {
    Error::Device {
        message: error.to_string(),
    }
}
