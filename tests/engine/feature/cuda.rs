//! The CUDA engine in the suite: on a GPU, or on the stand-in driver of `tests/simt`, where calls take
//! turns in three orders of scheduling.

use super::judge::Bounds;
use super::{Subject, suite};
use crate::support::{cuda::gpu, schedule::schedule};
use fused_kd::cuda::{Element, HostFeatureBatch, Options, Regime};
use fused_kd::spec::FeatureSpec;
use half::{bf16, f16};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

struct Cuda<S, T, V>(PhantomData<(S, T, V)>);

/// What a subject has that is not the default.
trait Variant {
    fn options(options: Options) -> Options;
}

impl<S: Element, T: Element, V: Variant> Subject for Cuda<S, T, V> {
    type Student = S;
    type Target = T;
    const BOUNDS: Bounds = Bounds::GPU;
    const ORDER_OF_PLACES: bool = true;

    fn is_available() -> bool {
        gpu().is_some()
    }

    fn run(spec: &FeatureSpec, width: usize, batch: HostFeatureBatch<S, T>) -> f32 {
        let gpu = gpu().expect("is_available");
        let options = Options::default().formats(S::FORMAT, T::FORMAT);
        // A regime that does not take so many features leaves them to the table.
        let plan = gpu.feature_plan(spec, width, V::options(options));
        let plan = plan
            .or_else(|_| gpu.feature_plan(spec, width, options))
            .unwrap();
        static CALLS: AtomicU64 = AtomicU64::new(0);
        schedule(CALLS.fetch_add(1, Ordering::Relaxed) % 3);
        gpu.run_features(&plan, batch).unwrap()
    }
}

macro_rules! variant {
    ($name:ident, $options:expr) => {
        struct $name;

        impl Variant for $name {
            fn options(options: Options) -> Options {
                let change: fn(Options) -> Options = $options;
                change(options)
            }
        }
    };
}

variant!(Usual, |options| options);
variant!(Group16, |options| options.regime(Regime::Group16));
variant!(Warp, |options| options.regime(Regime::Warp));
variant!(Block, |options| options.regime(Regime::Block));
variant!(Stream, |options| options.regime(Regime::Stream));
variant!(Any, |options| options.regime(Regime::Any));

// The emulator does some million features a second.
const WIDTHS: [usize; 8] = [1, 2, 3, 16, 17, 128, 1000, 8193];
const FEW: [usize; 3] = [3, 100, 1003];

suite!(f32_f32, Cuda<f32, f32, Usual>, &WIDTHS);
suite!(f16_f16, Cuda<f16, f16, Usual>, &FEW);
suite!(bf16_bf16, Cuda<bf16, bf16, Usual>, &WIDTHS);
suite!(f32_bf16, Cuda<f32, bf16, Usual>, &FEW);
suite!(f16_f32, Cuda<f16, f32, Usual>, &FEW);
suite!(group16, Cuda<f16, f16, Group16>, &FEW);
suite!(warp, Cuda<f32, f32, Warp>, &FEW);
suite!(block, Cuda<bf16, bf16, Block>, &FEW);
suite!(stream, Cuda<f32, f32, Stream>, &FEW);
suite!(stream_f16, Cuda<f16, f16, Stream>, &FEW);
suite!(any, Cuda<f32, f32, Any>, &FEW);

#[test]
fn lengths_at_the_ends_of_the_range() {
    crate::feature::lengths_at_the_ends_of_the_range::<Cuda<f32, f32, Usual>>();
}
