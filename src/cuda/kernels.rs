//! The kernels as text, and what is loaded of them on one device.

use super::error::{Error, Unavailable, message};
use super::options::Regime;
use crate::spec::Format;
use cudarc::driver::{CudaContext, CudaFunction, CudaModule};
use cudarc::nvrtc::Ptx;
use std::sync::{Arc, OnceLock};

macro_rules! ptx {
    ($($name:literal),*) => {
        [$(include_str!(concat!("../../kernels/", $name, ".ptx"))),*]
    };
}

const TEXTS: [&str; 13] = ptx!(
    "any",
    "batch",
    "small_f32",
    "small_f16",
    "small_bf16",
    "large_f32",
    "large_f16",
    "large_bf16",
    "feature_any",
    "feature_f32",
    "feature_f16",
    "feature_bf16",
    "train"
);

/// The place in [`TEXTS`] of a row kernel.
fn text_of(regime: Regime, format: Format) -> usize {
    let format = format as usize;
    match regime {
        Regime::Any => 0,
        _ if regime.is_large() => 5 + format,
        _ => 2 + format,
    }
}

/// Modules of one context, loaded when a plan first needs them.
#[derive(Debug)]
pub(super) struct Kernels {
    pub(super) context: Arc<CudaContext>,
    /// Multiprocessors of the device.
    pub(super) processors: u32,
    modules: [OnceLock<Arc<CudaModule>>; TEXTS.len()],
}

impl Kernels {
    pub(super) fn new(context: &Arc<CudaContext>) -> Result<Self, Error> {
        use cudarc::driver::sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let capability = context.compute_capability()?;
        if capability < (8, 0) {
            let name = context.name()?;
            return Err(Unavailable::DeviceTooOld { name, capability }.into());
        }
        let processors = context.attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        Ok(Self {
            context: Arc::clone(context),
            processors: u32::try_from(processors).unwrap_or(1),
            modules: [const { OnceLock::new() }; TEXTS.len()],
        })
    }

    pub(super) fn row(&self, regime: Regime, format: Format) -> Result<CudaFunction, Unavailable> {
        self.function(text_of(regime, format), &regime.kernel("row", format))
    }

    pub(super) fn feature(
        &self,
        regime: Regime,
        format: Format,
    ) -> Result<CudaFunction, Unavailable> {
        let text = match regime {
            Regime::Any => 8,
            _ => 9 + format as usize,
        };
        self.function(text, &regime.kernel("feature", format))
    }

    pub(super) fn batch(&self, name: &str) -> Result<CudaFunction, Unavailable> {
        self.function(1, &format!("batch_{name}"))
    }

    #[cfg(feature = "train")]
    pub(super) fn train(&self, name: &str) -> Result<CudaFunction, Unavailable> {
        self.function(12, &format!("train_{name}"))
    }

    fn function(&self, text: usize, name: &str) -> Result<CudaFunction, Unavailable> {
        let module = match self.modules[text].get() {
            Some(module) => module,
            None => {
                let loaded = self.context.load_module(Ptx::from_src(TEXTS[text]));
                let loaded = loaded.map_err(refused)?;
                self.modules[text].get_or_init(|| loaded)
            }
        };
        module.load_function(name).map_err(refused)
    }
}

fn refused(error: cudarc::driver::DriverError) -> Unavailable {
    Unavailable::Kernels {
        message: message(error),
    }
}
