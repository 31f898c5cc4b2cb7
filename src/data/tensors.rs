//! The header of a safetensors file, in which every name may be there only once: of several tensors of
//! one name, or entries of the metadata, [`Metadata`] would keep the last.

use super::text::excerpt;
use safetensors::tensor::Metadata;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor,
};
use std::collections::BTreeSet;
use std::fmt;

/// The entry that holds no tensor.
const METADATA: &str = "__metadata__";
/// Characters of a name that an error shows.
const LONGEST_NAME: usize = 40;

/// Reads a header's text.
pub(crate) fn header(text: &[u8]) -> Result<Metadata, serde_json::Error> {
    serde_json::from_slice::<Header>(text)?;
    serde_json::from_slice(text)
}

/// A header whose names are there once.
struct Header;

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Names { of_header: true }.deserialize(from)?;
        Ok(Self)
    }
}

/// A map whose names are there once; of a header also the one in it.
struct Names {
    of_header: bool,
}

impl<'de> DeserializeSeed<'de> for Names {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Names {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self.of_header {
            true => "a map of tensors",
            false => "a map of texts",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                let name = excerpt(&name, LONGEST_NAME);
                return Err(A::Error::custom(format_args!("`{name}` is there twice")));
            }
            match self.of_header && name == METADATA {
                true => map.next_value_seed(Names { of_header: false })?,
                false => drop(map.next_value::<IgnoredAny>()?),
            }
            names.insert(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENSOR: &str = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;

    #[test]
    fn every_name_is_there_once() {
        let whole = format!(r#"{{"__metadata__":{{"a":"1","b":"1"}},"t":{TENSOR}}}"#);
        assert_eq!(header(whole.as_bytes()).unwrap().data_len(), 4);
        for (text, words) in [
            (
                format!(r#"{{"t":{TENSOR},"t":{TENSOR}}}"#),
                "`t` is there twice",
            ),
            // The same name, spelled another way.
            (
                format!(r#"{{"t":{TENSOR},"\u0074":{TENSOR}}}"#),
                "`t` is there twice",
            ),
            (whole.replace("\"b\"", "\"a\""), "`a` is there twice"),
            (
                whole.replace("\"t\"", "\"__metadata__\""),
                "`__metadata__` is there twice",
            ),
            ("[]".to_owned(), "a map of tensors"),
            (r#"{"__metadata__":[]}"#.to_owned(), "a map of texts"),
        ] {
            let error = header(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
