//! The kernels as text, and what is loaded of them on one device.

use super::current::{Current, Guarded};
use super::driver;
use super::error::{Error, Unavailable, not_loaded};
use super::options::Regime;
use super::regime::Limits;
use crate::spec::Format;
use cudarc::driver::sys::CUfunction_attribute;
use cudarc::driver::{CudaContext, CudaFunction, CudaModule};
use cudarc::nvrtc::Ptx;
use std::sync::{Arc, OnceLock};

macro_rules! ptx {
    ($($name:literal),*) => {
        [$(($name, include_str!(concat!("../../kernels/ptx/", $name, ".ptx")))),*]
    };
}

/// By the names that they have in `kernels/ptx/`.
const TEXTS: [(&str, &str); 22] = ptx!(
    "any",
    "batch",
    "small_f32",
    "small_f16",
    "small_bf16",
    "large_f32",
    "large_f16",
    "large_bf16",
    "ring_f32",
    "ring_f16",
    "ring_bf16",
    "cluster_f32",
    "cluster_f16",
    "cluster_bf16",
    "feature_any",
    "feature_f32",
    "feature_f16",
    "feature_bf16",
    "train",
    "split_f32",
    "split_f16",
    "split_bf16"
);

/// The text that a row kernel is in.
fn text_of(regime: Regime, format: Format) -> String {
    let kind = match regime {
        Regime::Any => return "any".to_owned(),
        Regime::Ring => "ring",
        Regime::Cluster => "cluster",
        Regime::Warp | Regime::Block => "large",
        _ => "small",
    };
    format!("{kind}_{}", format.name())
}

/// A kernel that is ready to be launched, also in a capture.
pub(super) type Function = Guarded<CudaFunction>;

/// Modules of one context, loaded when a plan first needs them.
#[derive(Debug)]
pub(super) struct Kernels {
    pub(super) context: Guarded<Arc<CudaContext>>,
    pub(super) limits: Limits,
    modules: Guarded<[OnceLock<Arc<CudaModule>>; TEXTS.len()]>,
}

impl Kernels {
    pub(super) fn new(context: &Arc<CudaContext>) -> Result<Self, Error> {
        use cudarc::driver::sys::CUdevice_attribute as Attribute;
        let capability = context.compute_capability()?;
        if capability < (8, 0) {
            let name = context.name()?;
            return Err(Unavailable::DeviceTooOld { name, capability }.into());
        }
        let limit = |attribute| -> Result<u32, Error> {
            Ok(u32::try_from(context.attribute(attribute)?).unwrap_or(0))
        };
        let limits = Limits {
            processors: limit(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(1),
            shared: limit(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
            clusters: capability >= (9, 0) && driver::clusters().is_ok(),
        };
        Ok(Self {
            context: Guarded::new(Arc::clone(context)),
            limits,
            modules: Guarded::new([const { OnceLock::new() }; TEXTS.len()]),
        })
    }

    pub(super) fn row(&self, regime: Regime, format: Format) -> Result<Function, Error> {
        let _current = Current::of(&self.context)?;
        let row = self.function(&text_of(regime, format), &regime.kernel("row", format))?;
        if matches!(regime, Regime::Ring | Regime::Cluster) {
            // More than 48 KiB has to be asked for by name.
            let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            row.set_attribute(most, self.limits.room().cast_signed())
                .map_err(not_loaded)?;
        }
        Ok(row)
    }

    /// The phases of a split row, in their order.
    pub(super) fn split(&self, format: Format) -> Result<[Function; 4], Error> {
        let phase = |name: &str| {
            let format = format.name();
            let kernel = format!("row_split_{name}_{format}");
            self.function(&format!("split_{format}"), &kernel)
        };
        Ok([
            phase("extremes")?,
            phase("sums")?,
            phase("gradient")?,
            phase("record")?,
        ])
    }

    pub(super) fn feature(&self, regime: Regime, format: Format) -> Result<Function, Error> {
        let text = match regime {
            Regime::Any => "feature_any".to_owned(),
            _ => format!("feature_{}", format.name()),
        };
        self.function(&text, &regime.kernel("feature", format))
    }

    pub(super) fn batch(&self, name: &str) -> Result<Function, Error> {
        self.function("batch", &format!("batch_{name}"))
    }

    #[cfg(feature = "train")]
    pub(super) fn train(&self, name: &str) -> Result<Function, Error> {
        self.function("train", &format!("train_{name}"))
    }

    /// A kernel, loaded: under lazy loading (`CUDA_MODULE_LOADING`) `cuModuleGetFunction` loads it, as the
    /// CUDA programming guide says, and `cuFuncLoad`, which newer drivers have, where it did not. What
    /// the first launch had to load could not be captured.
    fn function(&self, text: &str, name: &str) -> Result<Function, Error> {
        let mut texts = TEXTS.iter().zip(self.modules.iter());
        let Some(((_, text), module)) = texts.find(|((known, _), _)| *known == text) else {
            return Err(Error::Unavailable(Unavailable::Kernels {
                message: format!("there is no text \"{text}\""),
            }));
        };
        // Whichever thread asks: what follows is of the current context.
        let _current = Current::of(&self.context)?;
        let module = match module.get() {
            Some(module) => module,
            None => {
                let loaded = self.context.load_module(Ptx::from_src(*text));
                let loaded = loaded.map_err(not_loaded)?;
                module.get_or_init(|| loaded)
            }
        };
        let function = module.load_function(name).map_err(not_loaded)?;
        driver::load_function(&function)?;
        Ok(Guarded::new(function))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The floor of Jensen–Shannon's logarithm and the masks of f16 rows need subnormal numbers. The
    /// emulator does not run the PTX, so that it would not see a compiler's option that flushes them.
    #[test]
    fn two_approximations_alone_flush_subnormal_numbers() {
        let known = ["ex2.approx.ftz.f32", "rcp.approx.ftz.f32"];
        let mut found = [0; 2];
        for (name, text) in TEXTS {
            let words = text.split(|c: char| c.is_whitespace() || "{};".contains(c));
            for word in words.filter(|word| word.contains(".ftz")) {
                let place = known.iter().position(|&known| known == word);
                let place = place.unwrap_or_else(|| panic!("{name} has {word}"));
                found[place] += 1;
            }
        }
        assert!(found.iter().all(|&count| count > 0), "{found:?}");
    }
}
