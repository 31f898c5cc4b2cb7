//! Dotted keys over a specification, the same in TOML and on the command line.

use super::error::SpecError;
use super::loss::LossSpec;
use toml::{Table, Value};

/// Keys that stand for the same key of both sides.
const BOTH_SIDES: [&str; 3] = ["divergence", "lambda-kd", "lambda-ce"];

impl LossSpec {
    /// This specification with `overlay` laid over it.
    ///
    /// Keys are `temperature`, `temperature.tau`, `temperature-squared`, `reduction`, `revision`,
    /// `revision.eta`, `right.lambda-kd`, `wrong.divergence.beta`, … Without a side, `divergence`,
    /// `lambda-kd` and `lambda-ce` mean both. Another `kind` starts from that kind's defaults.
    ///
    /// # Errors
    /// [`SpecError`] names the key that is unknown, out of range or does not apply.
    pub fn overlaid(&self, overlay: &Table) -> Result<Self, SpecError> {
        let syntax = |error: &dyn std::fmt::Display| SpecError::Syntax {
            message: error.to_string().trim().to_owned(),
        };
        let mut overlay = overlay.clone();
        let mut table = Table::try_from(self).map_err(|e| syntax(&e))?;
        for key in BOTH_SIDES {
            if let Some(value) = overlay.remove(key) {
                for side in ["right", "wrong"] {
                    let both = Table::from_iter([(key.to_owned(), value.clone())]);
                    merge(
                        &mut table,
                        Table::from_iter([(side.to_owned(), Value::Table(both))]),
                    );
                }
            }
        }
        merge(&mut table, overlay);
        table.try_into().map_err(|e| syntax(&e))
    }

    /// This specification with settings `key=value` laid over it, in order.
    ///
    /// # Errors
    /// As [`LossSpec::overlaid`]; a setting without `=` or with an empty key is an error too.
    pub fn with_settings<S: AsRef<str>>(&self, settings: &[S]) -> Result<Self, SpecError> {
        let mut overlay = Table::new();
        for setting in settings {
            merge(&mut overlay, parse_setting(setting.as_ref())?);
        }
        self.overlaid(&overlay)
    }
}

/// Bytes of a dotted key, and characters of a setting that an error shows.
const LONGEST: usize = 100;

/// `revision.eta=0.7` as `{ revision: { eta: 0.7 } }`. A value that is no TOML value is a string.
pub(crate) fn parse_setting(setting: &str) -> Result<Table, SpecError> {
    let malformed = || SpecError::Syntax {
        message: format!("{setting:.LONGEST$}: write KEY=VALUE, such as revision.eta=0.7"),
    };
    let (path, text) = setting.split_once('=').ok_or_else(malformed)?;
    if path.len() > LONGEST {
        return Err(malformed());
    }
    let mut value = read_value(text);
    for key in path.trim().rsplit('.') {
        if key.is_empty() {
            return Err(malformed());
        }
        // The papers' underscores are as good as the files' hyphens.
        let key = key.replace('_', "-");
        value = Value::Table(Table::from_iter([(key, value)]));
    }
    match value {
        Value::Table(table) => Ok(table),
        _ => Err(malformed()),
    }
}

/// A text as TOML reads it. TOML has no `.3` and no `1.`, which people write for numbers; what is no
/// value at all is a string.
pub(crate) fn read_value(text: &str) -> Value {
    let text = text.trim();
    let is_decimal = |text: &&str| text.contains('.') && !text.contains(char::is_alphabetic);
    let number = || Some(text).filter(is_decimal)?.parse().ok();
    text.parse()
        .ok()
        .or_else(|| number().map(Value::Float))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Lays `overlay` over `base`, table by table; another `kind` drops the old kind's parameters.
pub(crate) fn merge(base: &mut Table, overlay: Table) {
    for (key, value) in overlay {
        if let (Some(Value::String(kind)), Value::Table(_)) = (base.get(&key), &value) {
            let named = Table::from_iter([("kind".to_owned(), kind.clone().into())]);
            base.insert(key.clone(), Value::Table(named));
        }
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => {
                if over
                    .get("kind")
                    .is_some_and(|kind| inner.get("kind") != Some(kind))
                {
                    inner.clear();
                }
                merge(inner, over);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::spec::{Divergence, LossSpec, Preset, Revision, Temperature};

    fn set(preset: Preset, settings: &[&str]) -> Result<LossSpec, String> {
        let spec = preset.spec().with_settings(settings);
        spec.map_err(|error| error.to_string())
    }

    #[test]
    fn settings_reach_their_parts() {
        let spec = set(
            Preset::Lr,
            &[
                "revision.eta=0.7",
                "temperature=2",
                "wrong.lambda_ce=0.5",
                "reduction=sum",
            ],
        )
        .unwrap();
        assert_eq!(spec.revision(), Revision::LabelRevision { eta: 0.7 });
        assert_eq!(spec.temperature(), Temperature::Fixed(2.0));
        assert_eq!((spec.right().lambda_ce, spec.wrong().lambda_ce), (0.1, 0.5));
        let spec = set(
            Preset::Kd,
            &["divergence=jensen-shannon", "divergence.beta=0.2"],
        )
        .unwrap();
        assert_eq!(
            spec.wrong().divergence,
            Divergence::JensenShannon { beta: 0.2 }
        );
        let spec = set(Preset::Lskd, &["temperature.tau=3"]).unwrap();
        assert_eq!(spec.temperature(), Temperature::Standardised { tau: 3.0 });
        let spec = set(Preset::KaLsr, &["revision.epsilon=.3", "temperature=2."]).unwrap();
        assert_eq!(spec.revision(), Revision::LabelSmoothing { epsilon: 0.3 });
        assert_eq!(spec.temperature(), Temperature::Fixed(2.0));
    }

    #[test]
    fn another_kind_starts_from_its_defaults() {
        let spec = set(Preset::Lr, &["revision.kind=label-smoothing"]).unwrap();
        assert_eq!(spec.revision(), Revision::LabelSmoothing { epsilon: 0.1 });
        let spec = set(Preset::Lr, &["revision=none"]).unwrap();
        assert_eq!(spec.revision(), Revision::None);
    }

    #[test]
    fn unknown_keys_at_every_level_say_what_would_be_right() {
        for (setting, names) in [
            ("temperatur=4", "temperature"),
            ("revision.etaa=0.7", "eta"),
            ("temperature.tauu=4", "tau"),
            ("right.lambda=1", "lambda-kd"),
            ("right.divergence.gamma=1", "beta"),
            ("divergence.gamma=1", "beta"),
            ("revision.epsilon=0.1", "label-smoothing"),
            ("divergence.beta=0.5", "jensen-shannon, decoupled"),
            ("revision=label-revison", "label-revision"),
            ("reduction=avg", "mean-per-group"),
            ("temperature=hot", "per-row"),
            ("temperature.kind=hot", "per-row"),
            ("temperature.omega=flsw", "dtd"),
            ("revision.eta=1.5", "between 0 and 1"),
            ("temperature=0", "greater than 0"),
            ("temperature=nan", "greater than 0"),
            ("lambda-kd=-1", "not negative"),
            ("lambda-kd=much", "f32"),
            ("eta", "KEY=VALUE"),
            (".eta=1", "KEY=VALUE"),
        ] {
            let error = set(Preset::Lr, &[setting]).unwrap_err();
            assert!(error.contains(names), "{setting}: {error}");
        }
    }

    #[test]
    fn a_specification_survives_its_text() {
        for preset in Preset::ALL {
            let text = toml::to_string(&preset.spec()).unwrap();
            assert_eq!(
                toml::from_str::<LossSpec>(&text).unwrap(),
                preset.spec(),
                "{text}"
            );
            let json = serde_json::to_string(&preset.spec()).unwrap();
            assert_eq!(
                serde_json::from_str::<LossSpec>(&json).unwrap(),
                preset.spec(),
                "{json}"
            );
        }
        let text = toml::to_string(&Preset::Lr.spec()).unwrap();
        assert!(text.contains("eta = 0.8\n"), "{text}");
    }
}
