//! The WGSL engine in the suite.

use super::cases::{Case, Kind, Rng};
use super::judge::{Bounds, judge};
use super::{Subject, suite};
use crate::support::wgsl::gpu;
use fused_kd::spec::{Distance, FeatureSpec, Relation};
use fused_kd::wgsl::{
    Checks, Element, HostFeatureBatch as FeatureBatch, Options, Regime, Subgroups,
};
use half::{bf16, f16};
use std::marker::PhantomData;

/// What a subject has that is not the default.
trait Variant {
    fn options(options: Options) -> Options;
}

struct Wgsl<S, T, V>(PhantomData<(S, T, V)>);

impl<S: Element, T: Element, V: Variant> Subject for Wgsl<S, T, V> {
    type Student = S;
    type Target = T;
    const BOUNDS: Bounds = Bounds::GPU;

    fn is_available() -> bool {
        gpu().is_some()
    }

    fn run(spec: &FeatureSpec, width: usize, batch: FeatureBatch<S, T>) -> f32 {
        let gpu = gpu().expect("is_available");
        let options = V::options(Options::default().formats(S::FORMAT, T::FORMAT));
        let plan = gpu.feature_plan(spec, width, options).unwrap();
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
variant!(WithoutSubgroups, |options| options
    .subgroups(Subgroups::Never)
    .workgroup(64));
variant!(OneLane, |options| {
    let options = options.regime(Regime::Whole { lanes: 1 }).workgroup(32);
    options.checks(Checks::Unchecked)
});

// One row in the cache of a workgroup, and one that is too long for it.
const WIDTHS: [usize; 9] = [1, 2, 3, 16, 17, 128, 1000, 4097, 20_001];
const FEW: [usize; 4] = [3, 100, 1003, 1537];

suite!(f32_f32, Wgsl<f32, f32, Usual>, &WIDTHS);
suite!(f16_f16, Wgsl<f16, f16, Usual>, &WIDTHS);
suite!(bf16_bf16, Wgsl<bf16, bf16, Usual>, &FEW);
suite!(f32_bf16, Wgsl<f32, bf16, Usual>, &FEW);
suite!(bf16_f32, Wgsl<bf16, f32, Usual>, &FEW);
suite!(without_subgroups, Wgsl<f32, f32, WithoutSubgroups>, &FEW);
suite!(without_subgroups_packed, Wgsl<f16, bf16, WithoutSubgroups>, &FEW);
suite!(one_lane, Wgsl<bf16, bf16, OneLane>, &FEW);

#[test]
fn lengths_at_the_ends_of_the_range() {
    crate::feature::lengths_at_the_ends_of_the_range::<Wgsl<f32, f32, Usual>>();
}

/// More workgroups than a grid has in one dimension.
#[test]
fn very_many_rows() {
    if gpu().is_some() {
        let spec = FeatureSpec {
            distance: Distance::L1,
            relation: Relation::Explore,
        };
        let case = Case::new(&mut Rng::new(31), spec, 70_000, 20, &Kind::ALL);
        judge::<Wgsl<f32, f32, WithoutSubgroups>>(&case);
    }
}
