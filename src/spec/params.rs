//! The block of parameters that the GPU kernels share with the host, byte for byte.

use super::feature::FeatureSpec;
use super::loss::LossSpec;
use super::stats::StatsLevel;
use super::temperature::{Normalise, Omega, Temperature};
use bytemuck::{Pod, Zeroable};

/// A [`LossSpec`] and the shape of one call, as kernels read it: 32 words of 4 bytes, little
/// endian. Row offsets are computed in 64 bits from the strides, which count elements.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct RowParams {
    /// B, the number of rows.
    pub rows: u32,
    /// V, the number of classes.
    pub classes: u32,
    /// Elements from one row of the student's logits to the next.
    pub student_stride: u32,
    /// Elements from one row of the teacher's logits to the next.
    pub teacher_stride: u32,
    /// Elements from one row of the gradient to the next.
    pub gradient_stride: u32,
    /// What is there: bit 0 gradient, 1 weight, 2 kd_weight, 3 tau, 4 a total of earlier rows to
    /// add to, 5 upstream in device memory.
    pub present: u32,
    /// 0 none, 1 loss, 2 full.
    pub stats_level: u32,
    /// 0 none, 1 label revision, 2 probability shift, 3 label smoothing.
    pub revision: u32,
    /// η or ε.
    pub revision_parameter: f32,
    /// 0 fixed, 1 per row, 2 DTD, 3 standardised.
    pub temperature: u32,
    /// τ where it is one for all rows, else 0.
    pub tau: f32,
    /// 1 if the divergences carry τ².
    pub temperature_squared: u32,
    /// The divergence on right rows: 0 forward KL, 1 reverse KL, 2 Jensen–Shannon,
    /// 3 total variation, 4 squared error of probabilities, 5 of logits, 6 decoupled.
    pub right_divergence: u32,
    /// α of it.
    pub right_alpha: f32,
    /// β of it.
    pub right_beta: f32,
    /// λ_kd on right rows.
    pub right_lambda_kd: f32,
    /// λ_ce on right rows.
    pub right_lambda_ce: f32,
    /// The divergence on wrong rows.
    pub wrong_divergence: u32,
    /// α of it.
    pub wrong_alpha: f32,
    /// β of it.
    pub wrong_beta: f32,
    /// λ_kd on wrong rows.
    pub wrong_lambda_kd: f32,
    /// λ_ce on wrong rows.
    pub wrong_lambda_ce: f32,
    /// DTD: 0 FLSW, 1 CWSM.
    pub omega: u32,
    /// DTD: γ.
    pub gamma: f32,
    /// DTD: τ0.
    pub tau0: f32,
    /// DTD: the bias.
    pub bias: f32,
    /// DTD: 0 none, 1 L1.
    pub normalise: u32,
    /// DTD: τ_min.
    pub tau_min: f32,
    /// Where the first row is in what is bound per row.
    pub first_row: u32,
    /// Elements before the first row in what is bound of the student's logits.
    pub student_offset: u32,
    /// Elements before the first row in what is bound of the teacher's logits.
    pub teacher_offset: u32,
    /// Elements before the first row in what is bound of the gradient.
    pub gradient_offset: u32,
}

const _: () = assert!(size_of::<RowParams>() == 128);

impl RowParams {
    /// The block for this specification; the shape (rows, strides, offsets, what is there) is left 0.
    #[must_use]
    pub fn new(spec: &LossSpec, classes: u32, level: StatsLevel) -> Self {
        let (right, wrong) = (spec.right(), spec.wrong());
        let (right_alpha, right_beta) = right.divergence.parameters();
        let (wrong_alpha, wrong_beta) = wrong.divergence.parameters();
        let mut params = Self {
            classes,
            stats_level: level as u32,
            revision: spec.revision().code(),
            revision_parameter: spec.revision().parameter(),
            temperature: spec.temperature().code(),
            tau: spec.temperature().scalar().unwrap_or(0.0),
            temperature_squared: u32::from(spec.temperature_squared()),
            right_divergence: right.divergence.code(),
            right_alpha,
            right_beta,
            right_lambda_kd: right.lambda_kd,
            right_lambda_ce: right.lambda_ce,
            wrong_divergence: wrong.divergence.code(),
            wrong_alpha,
            wrong_beta,
            wrong_lambda_kd: wrong.lambda_kd,
            wrong_lambda_ce: wrong.lambda_ce,
            ..Self::zeroed()
        };
        if let Temperature::Dtd(dtd) = spec.temperature() {
            params.omega = dtd.omega.code();
            params.gamma = match dtd.omega {
                Omega::Flsw { gamma } => gamma,
                Omega::Cwsm => 0.0,
            };
            params.tau0 = dtd.tau0;
            params.bias = dtd.bias;
            params.normalise = u32::from(dtd.normalise == Normalise::L1);
            params.tau_min = dtd.tau_min;
        }
        params
    }

    /// The block of a feature loss over rows of `width` features, which stand where classes do: its
    /// distance is `right_divergence` (0 L1, 1 squared L2, 2 cosine), its sign `right_lambda_kd`. The
    /// shape is left 0 as before.
    #[must_use]
    pub fn of_features(spec: &FeatureSpec, width: u32) -> Self {
        Self {
            classes: width,
            right_divergence: spec.distance as u32,
            right_lambda_kd: spec.relation.sign(),
            ..Self::zeroed()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Distance, Preset, Relation};
    use std::mem::offset_of;

    #[test]
    fn the_layout_is_the_one_that_kernels_were_written_for() {
        assert_eq!(offset_of!(RowParams, present), 20);
        assert_eq!(offset_of!(RowParams, revision_parameter), 32);
        assert_eq!(offset_of!(RowParams, right_divergence), 48);
        assert_eq!(offset_of!(RowParams, wrong_divergence), 68);
        assert_eq!(offset_of!(RowParams, omega), 88);
        assert_eq!(offset_of!(RowParams, first_row), 112);
        assert_eq!(offset_of!(RowParams, gradient_offset), 124);
    }

    #[test]
    fn the_block_of_a_preset() {
        let params = RowParams::new(&Preset::LrMse.spec(), 10, StatsLevel::Full);
        assert_eq!(bytemuck::bytes_of(&params).len(), 128);
        assert_eq!((params.right_divergence, params.wrong_divergence), (5, 4));
        assert_eq!((params.right_lambda_kd, params.wrong_lambda_kd), (4.0, 1.0));
        assert_eq!((params.revision, params.revision_parameter), (1, 0.8));
        assert_eq!((params.stats_level, params.tau), (2, 1.0));
        let dtd = RowParams::new(&Preset::DtdCwsm.spec(), 10, StatsLevel::None);
        assert_eq!((dtd.temperature, dtd.omega, dtd.normalise), (2, 1, 1));
        assert_eq!((dtd.tau0, dtd.bias, dtd.tau_min), (10.0, 40.0, 1.0));
    }

    #[test]
    fn the_block_of_a_feature_loss() {
        let codes = Distance::ALL.map(|distance| {
            let relation = Relation::Explore;
            let params = RowParams::of_features(&FeatureSpec { distance, relation }, 7);
            assert_eq!((params.classes, params.right_lambda_kd), (7, -1.0));
            params.right_divergence
        });
        assert_eq!(codes, [0, 1, 2]);
    }
}
