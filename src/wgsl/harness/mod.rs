//! The harness's operations on a GPU: data, networks and the row program stay on the device. What is
//! compiled and bound is kept from step to step, and many steps go to the device in one submission.

mod buffers;
mod kernel;
mod operations;
mod queue;
mod rows;
#[cfg(test)]
mod tests;

pub(crate) use buffers::Buf;
pub(in crate::wgsl) use kernel::{Kernel, Numbers};

use super::call::{Call, Dispatch};
use super::error::Error;
use super::gpu::Gpu;
use super::limits::grid;
use super::pieces::Piece;
use crate::engine::EngineError;
use buffers::Pool;
use queue::Queue;
use std::collections::HashMap;
use std::rc::Rc;

/// One training run's engine, on a device that it may share with others.
pub(crate) struct Harness<'g> {
    gpu: &'g Gpu,
    queue: Queue<'g>,
    pool: Pool,
    /// Kernels by their grids and the buffers that they are bound to.
    dispatches: HashMap<(Kernel, [u32; 2], [u32; 4]), Rc<Dispatch>>,
    /// Calls of a plan by rows and buffers.
    calls: HashMap<(u32, usize, [u32; 5]), Rc<[Call]>>,
    /// Plans that were made.
    plans: u32,
    /// A call's total, which is added to the caller's by this index.
    of_batch: Rc<Buf>,
    first: Rc<Buf>,
    /// What a feature loss is multiplied by.
    lambda: Rc<Buf>,
    /// Stands for buffers that could not be had.
    nothing: Rc<Buf>,
    failure: Option<Error>,
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        match error {
            Error::Spec(error) => Self::Spec(error),
            Error::Argument(error) => Self::Argument(error),
            error => Self::Device(error.to_string()),
        }
    }
}

impl<'g> Harness<'g> {
    pub(crate) fn new(gpu: &'g Gpu) -> Result<Self, EngineError> {
        let pool = Pool::default();
        let word = || Ok::<_, Error>(Rc::new(pool.take(gpu, 1)?.0));
        let [of_batch, first, lambda, nothing] = [word()?, word()?, word()?, word()?];
        Ok(Self {
            gpu,
            queue: gpu.guarded(|| Ok(Queue::new(gpu)))?,
            pool,
            dispatches: HashMap::new(),
            calls: HashMap::new(),
            plans: 0,
            of_batch,
            first,
            lambda,
            nothing,
            failure: None,
        })
    }

    /// Does something unless something has failed before, and keeps its failure.
    fn attempt<R>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<R, Error>,
    ) -> Result<R, EngineError> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone().into());
        }
        let result = work(self);
        if let Err(error) = &result {
            self.failure = Some(error.clone());
        }
        Ok(result?)
    }

    /// Asks for a kernel over these buffers, in its own order.
    fn run(&mut self, kernel: Kernel, numbers: Numbers, buffers: &[&Buf]) {
        // Where something is read, the failure is given.
        let _ = self.attempt(|all| {
            let workgroups = kernel.workgroups(&numbers);
            if workgroups == 0 {
                return Ok(());
            }
            let grid = grid(&all.gpu.device.limits(), workgroups);
            let dispatch = all.bound(kernel, grid, buffers)?;
            all.queue.kernel(dispatch, &numbers)
        });
    }

    fn bound(
        &mut self,
        kernel: Kernel,
        grid: [u32; 2],
        buffers: &[&Buf],
    ) -> Result<Rc<Dispatch>, Error> {
        let mut ids = [0; 4];
        ids.iter_mut()
            .zip(buffers)
            .for_each(|(id, buf)| *id = buf.room.id);
        let key = (kernel, grid, ids);
        if let Some(dispatch) = self.dispatches.get(&key) {
            return Ok(Rc::clone(dispatch));
        }
        let numbers = self.queue.numbers();
        let piece = |slot: u32| {
            let at = kernel.slots().iter().position(|&s| s == slot);
            match at.and_then(|at| buffers.get(at)) {
                Some(buf) => Piece {
                    buffer: &buf.room.buffer,
                    offset: 0,
                    size: buf.room.buffer.size(),
                },
                None => Piece {
                    buffer: numbers,
                    offset: 0,
                    size: size_of::<Numbers>() as u64,
                },
            }
        };
        let gpu = self.gpu;
        let make = || Ok(Dispatch::new(&gpu.pipelines, kernel.program(), piece, grid));
        let dispatch = Rc::new(gpu.guarded(make)?);
        self.dispatches.insert(key, Rc::clone(&dispatch));
        Ok(dispatch)
    }

    /// Asks for the calls of a plan over these buffers, which `make` binds the first time.
    fn call(
        &mut self,
        plan: u32,
        rows: usize,
        buffers: [Option<&Buf>; 5],
        make: impl FnOnce(&Gpu) -> Result<Vec<Call>, Error>,
    ) -> Result<(), Error> {
        let ids = buffers.map(|buf| buf.map_or(0, |buf| buf.room.id));
        let key = (plan, rows, ids);
        if !self.calls.contains_key(&key) {
            let calls = self.gpu.guarded(|| make(self.gpu))?;
            self.calls.insert(key, calls.into());
        }
        self.queue.calls(Rc::clone(&self.calls[&key]));
        Ok(())
    }

    /// A plan's number, which tells its calls from those of others.
    fn number(&mut self) -> u32 {
        self.plans += 1;
        self.plans
    }

    /// Room for so many words, holding zeros.
    fn zeroed(&mut self, len: usize) -> Buf {
        self.held(len, |all, buf, used| {
            if used {
                all.queue.clear(&buf.room.buffer);
            }
            Ok(())
        })
    }

    /// A copy of these words.
    fn copied<P: bytemuck::Pod>(&mut self, values: &[P]) -> Buf {
        self.held(values.len(), |all, buf, used| {
            // A write goes before everything that is not submitted yet.
            if used {
                all.queue.submit()?;
            }
            let bytes = bytemuck::cast_slice(values);
            all.gpu.guarded(|| {
                all.gpu.queue.write_buffer(&buf.room.buffer, 0, bytes);
                Ok(())
            })
        })
    }

    /// Room that is filled; after a failure as good as any.
    fn held(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut Self, &Buf, bool) -> Result<(), Error>,
    ) -> Buf {
        let made = self.attempt(|all| {
            let (buf, used) = all.pool.take(all.gpu, len)?;
            fill(all, &buf, used)?;
            Ok(buf)
        });
        made.unwrap_or_else(|_| self.nothing.standing_for(len))
    }
}
