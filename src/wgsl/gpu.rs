//! A device of one's own, for callers that have none.

use super::error::{Error, Unavailable};
use super::feature::FeaturePlan;
use super::options::Options;
use super::pipelines::Pipelines;
use super::plan::Plan;
use crate::spec::{FeatureSpec, LossSpec};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Which adapter is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct GpuOptions {
    software: bool,
}

impl GpuOptions {
    /// A software adapter instead of a GPU: for tests, and machines without one. Nothing else ever
    /// chooses one.
    pub fn software(mut self, software: bool) -> Self {
        self.software = software;
        self
    }
}

/// An adapter's device and queue.
///
/// Callers with a device of their own need none of this: [`Plan::new`] takes theirs.
#[derive(Debug)]
pub struct Gpu {
    info: wgpu::AdapterInfo,
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    /// What plans of this device share.
    pub(super) pipelines: Arc<Pipelines>,
    lost: Arc<Mutex<Option<String>>>,
}

impl Gpu {
    /// The device of the most powerful adapter, with subgroup operations and large bindings where
    /// the adapter has them. Blocks until it is there.
    ///
    /// # Errors
    /// [`Unavailable`] says what is missing.
    pub fn new(options: &GpuOptions) -> Result<Self, Unavailable> {
        pollster::block_on(Self::request(options))
    }

    /// As [`Gpu::new`], without blocking.
    ///
    /// # Errors
    /// As [`Gpu::new`].
    pub async fn request(options: &GpuOptions) -> Result<Self, Unavailable> {
        let instance = wgpu::Instance::default();
        let request = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            force_fallback_adapter: options.software,
            ..Default::default()
        };
        let Ok(adapter) = instance.request_adapter(&request).await else {
            let kind = if options.software { "software" } else { "GPU" };
            return Err(Unavailable::NoAdapter { kind });
        };
        let info = adapter.get_info();
        if info.device_type == wgpu::DeviceType::Cpu && !options.software {
            return Err(Unavailable::SoftwareOnly { name: info.name });
        }
        let requested = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("fused-kd"),
            required_features: adapter.features() & wanted(),
            required_limits: limits(&adapter.limits()),
            ..Default::default()
        });
        let (device, queue) = requested.await.map_err(|error| Unavailable::Device {
            adapter: info.name.clone(),
            message: error.to_string(),
        })?;
        let lost = Arc::<Mutex<Option<String>>>::default();
        let slot = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            let message = format!("it was lost ({reason:?}): {message}");
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(message);
        });
        Ok(Self {
            info,
            pipelines: Arc::new(Pipelines::new(&device)),
            device,
            queue,
            lost,
        })
    }

    /// Whether [`Gpu::new`] would succeed.
    #[must_use]
    pub fn is_available(options: &GpuOptions) -> bool {
        Self::new(options).is_ok()
    }

    /// The adapter: its name, type and driver.
    #[must_use]
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.info
    }

    /// The device, for buffers and encoders of the caller's own.
    #[must_use]
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// Its queue.
    #[must_use]
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// A plan on this device; all of them share what is compiled.
    ///
    /// # Errors
    /// As [`Plan::new`].
    pub fn plan(&self, spec: &LossSpec, classes: usize, options: Options) -> Result<Plan, Error> {
        Plan::sharing(&self.pipelines, spec, classes, options)
    }

    /// A plan for features on this device; all of them share what is compiled.
    ///
    /// # Errors
    /// As [`FeaturePlan::new`].
    pub fn feature_plan(
        &self,
        spec: &FeatureSpec,
        width: usize,
        options: Options,
    ) -> Result<FeaturePlan, Error> {
        FeaturePlan::sharing(&self.pipelines, spec, width, options)
    }

    /// Works on the device, and turns what wgpu would report elsewhere into an error.
    pub(crate) fn guarded<R>(&self, work: impl FnOnce() -> Result<R, Error>) -> Result<R, Error> {
        let filters = [
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::Validation,
            wgpu::ErrorFilter::OutOfMemory,
        ];
        self.check_lost()?;
        let scopes = filters.map(|filter| self.device.push_error_scope(filter));
        let result = work();
        let mut failure = None;
        for scope in scopes.into_iter().rev() {
            failure = failure.or(pollster::block_on(scope.pop()));
        }
        self.check_lost()?;
        match failure {
            None => result,
            Some(wgpu::Error::OutOfMemory { .. }) => Err(Error::OutOfMemory),
            Some(error) => Err(Error::Device {
                message: error.to_string(),
            }),
        }
    }

    fn check_lost(&self) -> Result<(), Error> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        match lost.clone() {
            None => Ok(()),
            Some(message) => Err(Error::Device { message }),
        }
    }
}

/// What makes kernels faster, and what measures them.
fn wanted() -> wgpu::Features {
    wgpu::Features::SUBGROUP
        | wgpu::Features::TIMESTAMP_QUERY
        | wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS
}

/// What it runs on, in a line: adapter, driver, subgroups, and the largest binding.
impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let info = &self.info;
        write!(f, "{}: {}", info.name, info.backend)?;
        if !info.driver_info.is_empty() {
            let driver = match info.name.contains(&info.driver) {
                true => String::new(),
                false => format!("{} ", info.driver),
            };
            write!(f, ", {driver}{}", info.driver_info)?;
        }
        if self.device.features().contains(wgpu::Features::SUBGROUP) {
            write!(f, ", subgroups of {}", info.subgroup_min_size)?;
            if info.subgroup_max_size > info.subgroup_min_size {
                write!(f, " to {}", info.subgroup_max_size)?;
            }
        } else {
            write!(f, ", no subgroup operations")?;
        }
        let binding = self.device.limits().max_storage_buffer_binding_size;
        write!(f, ", bindings up to {} MiB", binding >> 20)
    }
}

/// The usual limits, and the adapter's own for what large batches need.
fn limits(offered: &wgpu::Limits) -> wgpu::Limits {
    wgpu::Limits {
        max_buffer_size: offered.max_buffer_size,
        max_storage_buffer_binding_size: offered.max_storage_buffer_binding_size,
        max_storage_buffers_per_shader_stage: offered.max_storage_buffers_per_shader_stage,
        ..wgpu::Limits::default().or_worse_values_from(offered)
    }
}
