//! Numbers in files, as short as people write them.

/// The shortest decimal that names an `f32`, as an `f64`: 0.8, not 0.800000011920929.
pub(crate) fn tidy(value: f32) -> f64 {
    value
        .to_string()
        .parse()
        .expect("a float's own text is a float")
}

/// Serialises an `f32` as that decimal.
pub(crate) fn as_tidy<S: serde::Serializer>(value: &f32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(tidy(*value))
}

/// Serialises several.
#[cfg(feature = "train")]
pub(crate) fn as_tidy_list<S: serde::Serializer>(values: &[f32], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(values.iter().map(|&value| tidy(value)))
}
