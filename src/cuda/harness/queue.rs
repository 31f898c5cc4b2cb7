//! The queue of an engine: calls are collected batch by batch, and what comes again is replayed.
//!
//! A batch of calls ends where the next one gathers its rows, and where somebody reads. When the same
//! calls come a second time they are recorded as a graph; from then on a batch is two launches, of
//! what varies and of the graph. What varies from step to step (where the rows begin, learning rates)
//! lies in device memory, so that the calls stay equal.

use super::super::current::Current;
use super::super::error::Error;
use super::super::kernels::{Function, Kernels};
use super::call::Call;
use super::memory::{Abandoned, Buf};
use super::operation::{Kernel, NUMBERS, Operation};
use bytemuck::{Pod, Zeroable};
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaGraph, CudaSlice, CudaStream, DriverError};
use std::collections::VecDeque;
use std::sync::Arc;

/// Words of what may vary in one batch.
const VARYING: usize = 64;
/// Batches that are remembered: full and last ones, of training and of the looks between epochs.
const REMEMBERED: usize = 16;

pub(super) struct Queue {
    kernels: Arc<Kernels>,
    functions: Vec<Function>,
    stream: Arc<CudaStream>,
    calls: Vec<Call>,
    /// What varies in these calls, and its place on the device.
    varying: Vec<u32>,
    varying_at: Buf,
    /// The batches before, the latest last.
    remembered: VecDeque<Batch>,
    abandoned: Abandoned,
    /// The first failure; nothing runs after it.
    failure: Option<Error>,
}

/// Calls that have come before, and what was recorded of them when they came again.
struct Batch {
    calls: Vec<Call>,
    graph: Option<CudaGraph>,
}

impl Queue {
    pub(super) fn new(kernels: &Arc<Kernels>) -> Result<Self, Error> {
        let _current = Current::of(&kernels.context)?;
        let stream = kernels.context.new_stream()?;
        let names = Kernel::NAMES.iter();
        let abandoned = Abandoned::default();
        let block = stream.alloc_zeros(VARYING)?;
        Ok(Self {
            functions: names
                .map(|name| kernels.train(name))
                .collect::<Result<_, _>>()?,
            kernels: Arc::clone(kernels),
            calls: Vec::new(),
            varying: Vec::new(),
            varying_at: Buf::new(Some(block), VARYING, &stream, &abandoned),
            remembered: VecDeque::new(),
            abandoned,
            failure: None,
            stream,
        })
    }

    pub(super) fn kernels(&self) -> &Arc<Kernels> {
        &self.kernels
    }

    /// Keeps the first failure, after which nothing runs.
    pub(super) fn fail(&mut self, error: impl Into<Error>) {
        self.failure.get_or_insert(error.into());
    }

    /// Memory with these words in it.
    pub(super) fn upload<P: Pod>(&mut self, values: &[P]) -> Buf {
        let words: &[u32] = bytemuck::cast_slice(values);
        self.room(words.len(), |stream| {
            if words.is_empty() {
                stream.alloc_zeros(1)
            } else {
                stream.clone_htod(words)
            }
        })
    }

    pub(super) fn zeros(&mut self, len: usize) -> Buf {
        // There is no memory of no size.
        self.room(len, |stream| stream.alloc_zeros(len.max(1)))
    }

    fn room(
        &mut self,
        len: usize,
        make: impl FnOnce(&Arc<CudaStream>) -> Result<CudaSlice<u32>, DriverError>,
    ) -> Buf {
        let made = match &self.failure {
            Some(_) => None,
            None => {
                Some(Current::of(&self.kernels.context).and_then(|_current| make(&self.stream)))
            }
        };
        let memory = made.and_then(|made| made.map_err(|error| self.fail(error)).ok());
        Buf::new(memory, len, &self.stream, &self.abandoned)
    }

    /// Reads the first words of each buffer back, after everything that was queued before.
    pub(super) fn read<P: Pod>(&mut self, reads: &mut [(&Buf, &mut [P])]) -> Result<(), Error> {
        self.flush();
        if let Some(error) = &self.failure {
            return Err(error.clone());
        }
        let read = self.copy_back(reads);
        read.inspect_err(|error| self.fail(error.clone()))
    }

    fn copy_back<P: Pod>(&self, reads: &mut [(&Buf, &mut [P])]) -> Result<(), Error> {
        let _current = Current::of(&self.kernels.context)?;
        for (from, out) in reads {
            let words: &mut [u32] = bytemuck::cast_slice_mut(out);
            if let Some(memory) = from.memory(words.len()) {
                self.stream.memcpy_dtoh(&memory, words)?;
            }
        }
        Ok(self.stream.synchronize()?)
    }

    /// The address of these words, which calls of this batch may read.
    pub(super) fn vary(&mut self, words: &[u32]) -> u64 {
        let known = self.varying.windows(words.len()).position(|w| w == words);
        let place = known.unwrap_or_else(|| {
            if self.varying.len() + words.len() > VARYING {
                self.flush();
            }
            self.varying.extend(words);
            self.varying.len() - words.len()
        });
        self.varying_at.at(VARYING) + 4 * place as u64
    }

    /// A gather is to come: unless it follows another one, it begins the next batch.
    pub(super) fn begin_gather(&mut self) {
        if self.calls.last().is_some_and(|last| !last.gathers()) {
            self.flush();
        }
    }

    /// Adds a call, whose addresses are those of buffers of this queue.
    pub(super) fn push(&mut self, call: Call) {
        self.calls.push(call);
    }

    /// Launches what has been collected.
    pub(super) fn flush(&mut self) {
        // Also for what is freed here.
        let _current = Current::kept();
        if self.failure.is_none()
            && let Err(error) = self.run()
        {
            self.fail(error);
        }
        self.calls.clear();
        self.varying.clear();
        if let Ok(mut abandoned) = self.abandoned.lock() {
            abandoned.clear();
        }
    }

    fn run(&mut self) -> Result<(), Error> {
        if self.calls.is_empty() {
            return Ok(());
        }
        let _current = Current::of(&self.kernels.context)?;
        for (i, words) in self.varying.chunks(NUMBERS).enumerate() {
            self.launch(&[self.variation(i * NUMBERS, words)])?;
        }
        let before = self
            .remembered
            .iter()
            .position(|batch| batch.calls == self.calls);
        let batch = match before.and_then(|i| self.remembered.remove(i)) {
            None => {
                self.launch(&self.calls)?;
                let calls = std::mem::take(&mut self.calls);
                Batch { calls, graph: None }
            }
            Some(mut batch) => {
                let graph = match batch.graph {
                    Some(graph) => graph,
                    None => self.record(&batch.calls)?,
                };
                graph.launch()?;
                batch.graph = Some(graph);
                batch
            }
        };
        if self.remembered.len() == REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(batch);
        Ok(())
    }

    /// What writes these words to their place.
    fn variation(&self, first: usize, words: &[u32]) -> Call {
        let mut operation = Operation {
            out: self.varying_at.at(VARYING),
            first: first as u32,
            rows: words.len() as u32,
            ..Operation::zeroed()
        };
        let numbers = operation.numbers.iter_mut().zip(words);
        numbers.for_each(|(number, &word)| *number = f32::from_bits(word));
        Call::Operation(Kernel::Vary, operation)
    }

    fn record(&self, calls: &[Call]) -> Result<CudaGraph, Error> {
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        self.stream.begin_capture(mode)?;
        let launched = self.launch(calls);
        let graph = self.stream.end_capture(CUgraphInstantiate_flags(0));
        launched?;
        graph?.ok_or_else(|| Error::Device {
            message: "it recorded no graph".to_owned(),
        })
    }

    fn launch(&self, calls: &[Call]) -> Result<(), Error> {
        let (stream, processors) = (self.stream.cu_stream(), self.kernels.limits.processors);
        for call in calls {
            // SAFETY: the addresses are those of buffers of this queue, whose lengths were checked;
            // what has been dropped of them is freed after the launch, on the same stream.
            unsafe { call.launch(stream, &self.functions, processors)? };
        }
        Ok(())
    }
}
