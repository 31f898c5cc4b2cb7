//! An array of an npz file, which is a zip archive of npy files.

use super::error::Problem;
use super::found::Found;
use super::npy;
use super::zip::Archive;
use crate::data::text;
use std::fs::File;

pub(super) fn open(file: File, length: u64, key: Option<&str>) -> Result<Found, Problem> {
    let archive = Archive::open(file, length)?;
    let names: Vec<&str> = archive.names().collect();
    if names.iter().any(|name| is_checkpoint(name)) {
        return Err(Problem::new(
            "it is a PyTorch checkpoint, which is not read: it could run any program",
            "save logits with numpy.save or safetensors",
        ));
    }
    let keys: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_suffix(".npy"))
        .collect();
    let chosen = choose(&keys, key)?;
    let name = format!("{chosen}.npy");
    let member = archive.member(&name)?;
    let available = member.available();
    npy::open(member, available)
}

/// Pickled data of a PyTorch checkpoint.
fn is_checkpoint(name: &str) -> bool {
    name == "data.pkl" || name.ends_with("/data.pkl")
}

/// The key that was given if it is there, or the only one.
pub(super) fn choose<'a>(keys: &[&'a str], given: Option<&str>) -> Result<&'a str, Problem> {
    match (given, keys) {
        (Some(given), _) => {
            // numpy takes the name of the member too.
            let short = given.strip_suffix(".npy").unwrap_or(given);
            let found = keys.iter().find(|&&key| key == given);
            let found = found.or_else(|| keys.iter().find(|&&key| key == short));
            found.copied().ok_or_else(|| {
                Problem::new(
                    format_args!("it has no array {}", text::name(given)),
                    format_args!("its arrays: {}", text::list(keys)),
                )
            })
        }
        (None, [only]) => Ok(only),
        (None, []) => Err(Problem::new(
            "it holds no array",
            "save arrays with numpy.savez or safetensors",
        )),
        (None, [first, ..]) => Err(Problem::new(
            format_args!("it holds {} arrays: {}", keys.len(), text::list(keys)),
            format_args!(
                "name one behind a colon, as FILE:{}",
                text::excerpt(first, 40)
            ),
        )),
    }
}
