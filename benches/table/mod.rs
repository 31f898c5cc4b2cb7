//! `cases.json`, as far as the criterion benches read it.

use serde_json::Value;

/// Rows and classes of a list.
pub(crate) fn shapes(list: &str) -> Vec<[usize; 2]> {
    let table: Value = serde_json::from_str(include_str!("../cases.json")).unwrap();
    let shapes = table["shapes"][list].as_array().unwrap();
    let size = |number: &Value| number.as_u64().unwrap() as usize;
    let sizes = |shape: &Value| ["rows", "classes"].map(|key| size(&shape[key]));
    shapes.iter().map(sizes).collect()
}
