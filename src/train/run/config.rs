//! A run as a configuration file describes it.

use super::keys::{FeatureKeys, LearnerKeys, LossKeys, Resolved, SelectKeys, TermKeys, Written};
use crate::select::Policy;
use crate::spec::{LossSpec, Preset, Relation, SpecError, Temperature};
use crate::train::{Learner, Method, Setting, Term};
use std::fmt;
use std::ops::Range;
use toml::{Spanned, Table, Value};

/// One run: data, teacher, student, loss, feature terms, selection and a seed.
///
/// As TOML, of which every key may be left out:
///
/// ```
/// use fused_kd::train::RunConfig;
///
/// let config = RunConfig::from_toml(
///     r#"
///     seed = 3
///     [data]
///     source = "digits"
///     train-size = 100
///     [student]
///     hidden = [64, 32]
///     epochs = 20
///     [loss]
///     preset = "lr"
///     revision.eta = 0.7
///     [select]
///     score = "el2n"
///     fraction = 0.6
///     [[term]]
///     kind = "inherit"
///     weight = 50
///     "#,
/// )?;
/// assert_eq!(config.setting.student.recipe.epochs, 20);
/// assert_eq!(RunConfig::from_toml(&config.to_toml()?)?.to_toml()?, config.to_toml()?);
/// # Ok::<(), fused_kd::train::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunConfig {
    /// What everything random is drawn from.
    pub seed: u64,
    /// Data, student and teacher. A comparison's methods, budget, seeds and learning rates play no
    /// part.
    pub setting: Setting,
    /// The method that the loss starts from.
    pub preset: Preset,
    /// The loss.
    pub loss: LossSpec,
    /// Which samples the teacher supervises; all where there is no policy.
    pub policy: Option<Policy>,
    /// Feature terms beside the loss.
    pub terms: Vec<Term>,
    /// Whether a second student is trained in turns with the first, and its logits and features take
    /// the place of the teacher's.
    pub mutual: bool,
}

/// Vanilla distillation in the default setting.
impl Default for RunConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            setting: Setting::default(),
            preset: Preset::Kd,
            loss: Preset::Kd.spec(),
            policy: None,
            terms: Vec::new(),
            mutual: false,
        }
    }
}

/// A text that describes no run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The key, such as `student.epochs`; empty where it is about the text as a whole.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: String,
    /// Where in the text, in bytes.
    pub span: Option<Range<usize>>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self.key.as_str() {
            "" => f.write_str(&self.problem),
            key => write!(f, "{key}: {}", self.problem),
        }
    }
}

impl ConfigError {
    fn new(key: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self {
            key: key.into(),
            problem: problem.to_string(),
            span: None,
        }
    }
}

impl From<toml::de::Error> for ConfigError {
    fn from(mut error: toml::de::Error) -> Self {
        let span = error.span();
        // Only without its text the error names the key, on a line after the message.
        error.set_input(None);
        let text = error.to_string();
        let rest = text.trim().strip_prefix(error.message()).unwrap_or("");
        let key = rest.trim().strip_prefix("in `").unwrap_or("");
        Self {
            key: key.trim_end_matches('`').to_owned(),
            problem: error.message().to_owned(),
            span,
        }
    }
}

/// A comparison's method in the default setting.
impl From<Method> for RunConfig {
    fn from(method: Method) -> Self {
        Self {
            preset: method.preset,
            loss: method.spec(),
            policy: method.policy,
            terms: method.terms,
            mutual: method.mutual,
            ..Self::default()
        }
    }
}

impl RunConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// [`ConfigError`] names the key that is unknown or the value that is out of range, and says
    /// what would be right.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        let written: Written = toml::from_str(text)?;
        let mut setting = Setting::default();
        written.data.apply(&mut setting);
        setting.student = learner("student", written.student, setting.student)?;
        setting.teacher = learner("teacher", written.teacher, setting.teacher)?;
        let (preset, loss) = match written.loss {
            None => (Preset::Kd, Preset::Kd.spec()),
            Some(table) => loss(table)?,
        };
        let terms: Vec<Term> = written.terms.into_iter().map(Term::from).collect();
        match written.features {
            Some(_) if terms.is_empty() => {
                let problem = "feature terms alone read it: add a [[term]], or leave it out";
                return Err(ConfigError::new("features", problem));
            }
            keys => keys.unwrap_or_default().apply(&mut setting),
        }
        if written.mutual && written.select.is_some() {
            let problem = "a selection judges samples by the teacher, whose place a second student \
                           takes: leave out one of mutual and [select]";
            return Err(ConfigError::new("select", problem));
        }
        Ok(Self {
            seed: written.seed,
            setting,
            preset,
            loss,
            policy: written.select.map(Policy::from),
            terms,
            mutual: written.mutual,
        })
    }

    /// The configuration with every key, and comments that say which method it is; it reads again as
    /// the same run.
    ///
    /// # Errors
    /// [`ConfigError`] for a value that TOML cannot hold; what [`RunConfig::from_toml`] reads is none.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        let resolved = Resolved {
            seed: self.seed,
            mutual: self.mutual,
            data: (&self.setting).into(),
            student: (&self.setting.student).into(),
            teacher: (&self.setting.teacher).into(),
            loss: LossKeys {
                preset: self.preset.name(),
                spec: self.loss,
            },
            select: self.policy.as_ref().map(SelectKeys::from),
            features: (!self.terms.is_empty()).then(|| FeatureKeys::from(&self.setting)),
            terms: self.terms.iter().map(TermKeys::from).collect(),
        };
        let keys = toml::to_string(&resolved).map_err(|error| ConfigError::new("", error))?;
        Ok(format!("{}\n{keys}", self.comments()))
    }

    /// Lines about the method.
    fn comments(&self) -> String {
        let changed = match self.loss == self.preset.spec() {
            true => "",
            false => ", with parameters of your own",
        };
        let selection = match &self.policy {
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
            "# {}{changed}: {}{features}\n# {}\n{teacher}# {selection}\n",
            self.preset.name(),
            self.preset.formula(),
            self.preset.source(),
        )
    }
}

fn learner(
    section: &'static str,
    keys: LearnerKeys,
    base: Learner,
) -> Result<Learner, ConfigError> {
    keys.over(base)
        .map_err(|(key, problem)| ConfigError::new(format!("{section}.{key}"), problem))
}

/// A preset, and the other keys laid over it.
fn loss(table: Spanned<Table>) -> Result<(Preset, LossSpec), ConfigError> {
    let span = table.span();
    let wrong = |key: &str, problem: &dyn fmt::Display| ConfigError {
        span: Some(span.clone()),
        ..ConfigError::new(key, problem.to_string().replace('\n', " "))
    };
    let mut table = table.into_inner();
    let preset = match table.remove("preset") {
        None => Preset::Kd,
        Some(Value::String(name)) => {
            Preset::from_name(&name).map_err(|error| wrong("loss", &error))?
        }
        Some(other) => {
            let names = Preset::ALL.map(Preset::name).join(", ");
            let problem = format!("{other} is no name: it must be one of {names}");
            return Err(wrong("loss.preset", &problem));
        }
    };
    let overlaid = |error: SpecError| wrong("loss", &error);
    let spec = preset.spec().overlaid(&table).map_err(overlaid)?;
    match spec.temperature() {
        Temperature::PerRow => Err(wrong(
            "loss.temperature",
            &"\"per-row\" asks for a temperature of every row, which a run does not have: use \
              fixed, dtd or standardised",
        )),
        _ => Ok((preset, spec)),
    }
}
