//! Keys laid over the default setting: a file's, and then single ones.

use super::error::SettingError;
use super::keys::{Data, Loss, Setting};
use super::scenario::Scenario;
use crate::spec::keys::{merge, parse_setting};
use crate::spec::{Preset, Relation};
use serde::de::{Deserialize, Deserializer, Error};
use toml::{Table, Value};

/// Keys to lay over the default setting; later ones replace earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Overlay(Table);

/// Rates that are right for SGD are too large for AdamW. The values are ours.
const ADAMW_RATE: f32 = 0.01;
/// Those that a comparison tries.
const ADAMW_RATES: [f32; 4] = [0.001, 0.004, 0.01, 0.02];

impl Overlay {
    /// The keys of a TOML text.
    ///
    /// # Errors
    /// [`SettingError`] where it is no TOML.
    pub fn from_toml(text: &str) -> Result<Self, SettingError> {
        Ok(Self(text.parse()?))
    }

    /// Lays one key over those that there are, written as `student.epochs=20`.
    ///
    /// # Errors
    /// [`SettingError`] where that is no `KEY=VALUE`.
    pub fn set(&mut self, setting: &str) -> Result<(), SettingError> {
        let one = parse_setting(setting).map_err(|error| SettingError::new("", error))?;
        merge(&mut self.0, one);
        Ok(())
    }

    /// Lays one value over those that there are, by its dotted key.
    #[cfg(feature = "cli")]
    pub(crate) fn insert(&mut self, key: &str, value: Value) {
        let nest = |value, name: &str| Value::Table(Table::from_iter([(name.to_owned(), value)]));
        if let Value::Table(table) = key.rsplit('.').fold(value, nest) {
            merge(&mut self.0, table);
        }
    }

    /// Lays a scenario over the keys that there are: it replaces their rows, labels and noise, which
    /// are the keys of `[data]` that some scenario changes.
    #[cfg(feature = "cli")]
    pub(crate) fn set_scenario(&mut self, scenario: Scenario) {
        let table = |data: Data| Table::try_from(data).unwrap_or_default();
        let usual = table(Data::default());
        let all = Scenario::ALL.map(|(_, scenario)| table(Data::of(scenario)));
        for (key, value) in table(Data::of(scenario)) {
            if all.iter().any(|data| data.get(&key) != usual.get(&key)) {
                self.insert(&format!("data.{key}"), value);
            }
        }
        self.insert("scenario", Value::from(scenario.name()));
    }

    /// The default setting with these keys laid over it.
    ///
    /// # Errors
    /// [`SettingError`] names the key that is unknown or the value that is out of range, and says
    /// what would be right.
    pub fn setting(&self) -> Result<Setting, SettingError> {
        let mut overlay = self.0.clone();
        if let Some(Value::Table(loss)) = overlay.get("loss") {
            // Read apart, for errors that name the key within it.
            overlaid(loss.clone()).map_err(|error| error.within("loss"))?;
        }
        let mut table = Table::try_from(self.base()).map_err(|e| SettingError::new("", e))?;
        // What a loss starts from depends on its preset.
        table.remove("loss");
        for learner in ["student", "teacher"] {
            name_kind(&mut overlay, learner, "optimiser");
        }
        merge(&mut table, overlay);
        let setting: Setting = table.try_into()?;
        setting.check()?;
        setting.check_lists()?;
        Ok(setting)
    }

    /// The default, as far as it depends on other keys.
    fn base(&self) -> Setting {
        let mut base = Setting::default();
        let name = self.0.get("scenario").and_then(Value::as_str);
        let scenario = Scenario::ALL.iter().find(|(known, _)| Some(*known) == name);
        if let Some(&(_, scenario)) = scenario {
            base.data = Data::of(scenario);
        }
        // What else an optimiser has by default comes with its kind.
        if self.is_adamw("student") {
            base.student.learning_rate = ADAMW_RATE;
            base.learning_rates = ADAMW_RATES.to_vec();
        }
        if self.is_adamw("teacher") {
            base.teacher.learning_rate = ADAMW_RATE;
        }
        base
    }

    fn is_adamw(&self, learner: &str) -> bool {
        let optimiser = self.0.get(learner).and_then(|table| table.get("optimiser"));
        let kind = optimiser.map(|given| given.get("kind").unwrap_or(given));
        kind.and_then(Value::as_str) == Some("adamw")
    }
}

/// Writes `optimiser = "adamw"` out as `optimiser.kind = "adamw"`.
fn name_kind(overlay: &mut Table, table: &str, key: &str) {
    let value = overlay.get_mut(table).and_then(|table| table.get_mut(key));
    if let Some(value) = value.filter(|value| value.is_str()) {
        let kind = std::mem::replace(value, Value::Boolean(false));
        *value = Value::Table(Table::from_iter([("kind".to_owned(), kind)]));
    }
}

impl Setting {
    /// Reads a setting; what is left out is a default.
    ///
    /// # Errors
    /// [`SettingError`] names the key that is unknown or the value that is out of range, says what
    /// would be right, and where it stands in the text.
    pub fn from_toml(text: &str) -> Result<Self, SettingError> {
        let setting = Overlay::from_toml(text)?.setting();
        setting.map_err(|error| error.located(text))
    }

    /// The setting with every key, and comments that say which loss a run has; it reads again as the
    /// same setting.
    ///
    /// # Errors
    /// [`SettingError`] for a value out of its range; what [`Setting::from_toml`] reads is none.
    pub fn to_toml(&self) -> Result<String, SettingError> {
        self.check()?;
        let keys = toml::to_string(self).map_err(|error| SettingError::new("", error))?;
        Ok(format!("{}\n{keys}", self.comments()))
    }

    /// Lines about which command reads what, and about a run's loss.
    fn comments(&self) -> String {
        let preset = self.loss.preset;
        let changed = match self.loss.spec == preset.spec() {
            true => "",
            false => ", with parameters of your own",
        };
        let selection = match &self.select {
            None => "The teacher supervises all samples.".to_owned(),
            Some(policy) => format!("The teacher supervises a selection: {policy}."),
        };
        let mut features = String::new();
        for term in &self.terms {
            let (sign, half) = match term.relation {
                Relation::Inherit => ('+', "inh"),
                _ => ('−', "exp"),
            };
            let (weight, distance) = (term.weight, term.distance.name());
            features += &format!(" {sign} {weight} dist(F_{half}, F_T; {distance})");
        }
        let teacher = match self.mutual {
            true => {
                "# A second student, trained in turns with the first, takes the teacher's place.\n"
            }
            false => "",
        };
        format!(
            "# `fused-kd compare` reads methods, seeds, learning-rates and [budget], `fused-kd train`\n\
             # reads [loss] and mutual, and both read the rest. The loss of `train`:\n\
             # {}{changed}: {}{features}\n# {}\n{teacher}# {selection}\n",
            preset.name(),
            preset.formula(),
            preset.source(),
        )
    }
}

/// A preset by `preset`, and the other keys laid over it.
fn overlaid(mut table: Table) -> Result<Loss, SettingError> {
    let preset = match table.remove("preset") {
        None => Preset::Kd,
        Some(Value::String(name)) => {
            Preset::from_name(&name).map_err(|error| SettingError::new("preset", error))?
        }
        Some(other) => {
            let names = Preset::ALL.map(Preset::name).join(", ");
            return Err(SettingError::refused(
                "preset",
                other,
                format!("one of {names}"),
            ));
        }
    };
    let spec = preset.spec().overlaid(&table);
    let spec = spec.map_err(|error| SettingError::of_spec(&error))?;
    Ok(Loss { preset, spec })
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let table = Table::deserialize(from)?;
        overlaid(table).map_err(D::Error::custom)
    }
}
