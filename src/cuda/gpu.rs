//! A device, for callers that have no context of their own.

use super::current::{Current, Guarded};
use super::driver;
use super::error::{Error, Unavailable, message};
use super::feature::FeaturePlan;
use super::kernels::Kernels;
use super::options::Options;
use super::plan::Plan;
use crate::spec::{FeatureSpec, LossSpec};
use cudarc::driver::{CudaContext, CudaStream, result};
use std::fmt;
use std::sync::Arc;

/// A device's primary context, and a stream.
///
/// Callers with a context of their own need none of this: [`Plan::new`] takes theirs.
#[derive(Debug)]
pub struct Gpu {
    pub(super) stream: Guarded<Arc<CudaStream>>,
    pub(super) kernels: Arc<Kernels>,
    name: String,
    capability: (i32, i32),
}

impl Gpu {
    /// The device with this number, from 0.
    ///
    /// # Errors
    /// [`Unavailable`] says what is missing; nothing panics without a driver.
    pub fn new(ordinal: usize) -> Result<Self, Unavailable> {
        driver::probe()?;
        let no_device = |message| Unavailable::NoDevice { ordinal, message };
        let failed = |error| no_device(message(error));
        result::init().map_err(failed)?;
        let _current = Current::kept().map_err(failed)?;
        let context = CudaContext::new(ordinal).map_err(failed)?;
        // SAFETY: everything that this Gpu allocates lives on its one stream.
        unsafe { context.disable_event_tracking() };
        let kernels = Kernels::new(&context).map_err(|error| match error {
            Error::Unavailable(unavailable) => unavailable,
            other => no_device(other.to_string()),
        })?;
        Ok(Self {
            stream: Guarded::new(context.new_stream().map_err(failed)?),
            kernels: Arc::new(kernels),
            name: context.name().map_err(failed)?,
            capability: context.compute_capability().map_err(failed)?,
        })
    }

    /// Whether [`Gpu::new`] would succeed.
    #[must_use]
    pub fn is_available(ordinal: usize) -> bool {
        Self::new(ordinal).is_ok()
    }

    /// The device's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its compute capability, major and minor.
    #[must_use]
    pub fn capability(&self) -> (i32, i32) {
        self.capability
    }

    /// The context, for memory and streams of the caller's own.
    #[must_use]
    pub fn context(&self) -> &Arc<CudaContext> {
        &self.kernels.context
    }

    /// The stream that [`Gpu::run`] runs on.
    #[must_use]
    pub fn stream(&self) -> &Arc<CudaStream> {
        &self.stream
    }

    /// A plan on this device; all of them share what is loaded.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn plan(&self, spec: &LossSpec, classes: usize, options: Options) -> Result<Plan, Error> {
        Plan::sharing(&self.kernels, spec, classes, options)
    }

    /// A plan for features on this device; all of them share what is loaded.
    ///
    /// # Errors
    /// As [`FeaturePlan::new`].
    pub fn feature_plan(
        &self,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<FeaturePlan, Error> {
        FeaturePlan::sharing(&self.kernels, spec, width, options)
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (major, minor) = self.capability;
        write!(
            f,
            "{} (CUDA, compute capability {major}.{minor}, {} multiprocessors)",
            self.name, self.kernels.limits.processors
        )
    }
}
