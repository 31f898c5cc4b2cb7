//! How a student's features are held against a target's: what is pulled closer, what pushed away.

use super::error::{SpecError, by_name};

/// The distance of a feature vector `x[D]` from a target `y[D]`, both normalised: `x̂ = x/‖x‖₂`,
/// `ŷ = y/‖y‖₂`, and a zero vector stays 0.
///
/// With the slope `h = ∂dist/∂x̂` and `P = ⟨h, x̂⟩` the gradient of every distance is
/// `∂dist/∂x = (h − x̂ P)/‖x‖`, and 0 where x = 0. Nothing couples the rows of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Distance {
    /// `dist = (1/D) Σ |x̂_i − ŷ_i| ≤ 2/√D`, `h_i = sign(x̂_i − ŷ_i)/D` with `sign(0) = 0`.
    /// Source: Huang et al., arXiv 2107.00181, as the official code computes it (p = 1); the
    /// normalised factors are those of Kim et al., arXiv 1802.04977.
    #[default]
    L1,
    /// `dist = (1/D) Σ (x̂_i − ŷ_i)² ≤ 4/D`, `h = 2 (x̂ − ŷ)/D` (the same with p = 2).
    SquaredL2,
    /// `dist = 1 − ⟨x̂, ŷ⟩ ≤ 2`, which is 1 where x or y is 0, and `h = x̂ − ŷ`: what it has more than
    /// `−ŷ` lies along x̂, and the gradient takes that away.
    Cosine,
}

const DISTANCES: [(&str, Distance); 3] = [
    ("l1", Distance::L1),
    ("squared-l2", Distance::SquaredL2),
    ("cosine", Distance::Cosine),
];

impl Distance {
    /// All distances, in the order of [`Distance`].
    pub const ALL: [Self; 3] = [Self::L1, Self::SquaredL2, Self::Cosine];

    /// The name in configuration files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        DISTANCES[self as usize].0
    }

    /// The distance of this name.
    ///
    /// # Errors
    /// [`SpecError::UnknownName`] lists the names there are.
    pub fn from_name(name: &str) -> Result<Self, SpecError> {
        by_name("distance", name, &DISTANCES)
    }

    /// The largest distance that two vectors of `width` features can have.
    #[must_use]
    pub fn bound(self, width: usize) -> f64 {
        match self {
            Self::L1 => 2.0 / (width as f64).sqrt(),
            Self::SquaredL2 => 4.0 / width as f64,
            Self::Cosine => 2.0,
        }
    }
}

/// What a student is to make of a target's features.
///
/// Source: Huang et al., arXiv 2107.00181: half of the student's channels inherits, the other half
/// explores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Relation {
    /// Come closer: the distance is part of the loss.
    Inherit,
    /// Depart: the distance is taken from the loss.
    Explore,
}

impl Relation {
    /// +1 for [`Relation::Inherit`], −1 for [`Relation::Explore`].
    #[must_use]
    pub fn sign(self) -> f32 {
        match self {
            Self::Inherit => 1.0,
            Self::Explore => -1.0,
        }
    }

    /// The name in configuration files and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inherit => "inherit",
            Self::Explore => "explore",
        }
    }
}

/// A feature loss over a batch of B rows, with a weight `w_b` per row:
///
/// ```text
/// total = ± upstream · (1/N) Σ_b w_b dist(x_b, y_b)        N = the rows with w_b ≠ 0
/// g_b   = ∂total/∂x_b = ± upstream · w_b / N · (h − x̂ ⟨h, x̂⟩)/‖x‖
/// ```
///
/// The sign is that of the [`Relation`]. λ and its schedule are part of `upstream`. A row in which x
/// or y holds NaN or ±∞ has the distance NaN and, unless its weight is 0, the gradient NaN; the total
/// is NaN iff such a row has a weight. `N = 0` gives 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeatureSpec {
    /// How far apart two vectors are.
    pub distance: Distance,
    /// The sign.
    pub relation: Relation,
}

impl FeatureSpec {
    /// D as kernels count it.
    ///
    /// # Errors
    /// [`SpecError::OutOfRange`] for 0 features and for 2³¹ and more.
    pub fn check_width(width: usize) -> Result<u32, SpecError> {
        match i32::try_from(width) {
            Ok(1..) => Ok(width as u32),
            _ => Err(SpecError::OutOfRange {
                key: "width",
                given: width as f32,
                expected: "between 1 and 2^31 − 1",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_found_by_their_names() {
        for (i, distance) in Distance::ALL.into_iter().enumerate() {
            assert_eq!(distance as usize, i);
            assert_eq!(Distance::from_name(distance.name()), Ok(distance));
        }
        let error = Distance::from_name("l3").unwrap_err().to_string();
        assert!(error.contains("l1, squared-l2, cosine"), "{error}");
    }

    #[test]
    #[cfg(feature = "train")]
    fn names_in_files_are_the_names() {
        for distance in Distance::ALL {
            let written = serde_json::to_string(&distance).unwrap();
            assert_eq!(written, format!("\"{}\"", distance.name()));
        }
        for relation in [Relation::Inherit, Relation::Explore] {
            let written = serde_json::to_string(&relation).unwrap();
            assert_eq!(written, format!("\"{}\"", relation.name()));
        }
    }
}
