//! Data that is drawn, so that the truth is known.

use std::fmt;
use std::str::FromStr;

use super::dataset::Dataset;
use super::error::DataError;
use super::mixture::Mixture;
use crate::memory;
use crate::random::{Philox, stream};

/// √D·a and √D·b. Ours: at spread 1 they put two classes of a group 3.5 apart and strangers 7.9.
const GROUP_RADIUS: f32 = 5.0;
const CLASS_RADIUS: f32 = 2.5;

/// Feature values of a data set, at most: 1 GiB.
const MAX_VALUES: usize = 1 << 28;
const MAX_SPREAD: f32 = 1e6;

/// Rows drawn from a hierarchical mixture of Gaussians: groups of classes that resemble each other.
///
/// With V classes, G groups, D features and spread σ
///
/// ```text
/// centre of group k:  m_k ~ N(0, a²·I)                    a = 5/√D
/// centre of class v:  c_v ~ N(m_k, b²·I),  k = v mod G    b = 2.5/√D
/// row of class y:     x   ~ N(c_y, σ²·I)
/// ```
///
/// so that a teacher has something to tell beyond the label: which other classes a row might have
/// been of. a and b are ours. They shrink with √D so that two centres are, in the mean square,
/// √2·2.5 apart within a group and √2·√(5² + 2.5²) across groups whatever D is: σ, V and G alone say
/// how hard the problem is, and [`Dataset::bayes_accuracy`] by how much.
///
/// Classes have equally many rows, but for one where V does not divide their number, in a random
/// order. Everything is a function of these values; the centres do not depend on the number of rows
/// or the spread.
///
/// As a string: `synthetic:` and then the fields below as `key=value`, separated by commas, in any
/// order and without those that keep their defaults.
///
/// ```
/// use fused_kd::data::Source;
///
/// let data = "synthetic:classes=10,spread=0.5".parse::<Source>()?.load()?;
/// assert_eq!((data.len(), data.dim(), data.classes()), (4_000, 32, 10));
/// let bayes = data.bayes_accuracy().expect("known for synthetic data");
/// assert!(bayes.accuracy > 0.99 && bayes.standard_error < 0.001);
/// # Ok::<(), fused_kd::data::DataError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Synthetic {
    /// N, by default 4,000. N·D may be 2²⁸ at most.
    pub rows: usize,
    /// V, by default 20 and N at most.
    pub classes: usize,
    /// D, by default 32.
    pub dim: usize,
    /// G, by default 5 and V at most. With V groups no two classes are alike; with one, all are.
    pub groups: usize,
    /// σ, by default 1: more than 0, up to 10⁶.
    pub spread: f32,
    /// By default 0.
    pub seed: u64,
}

impl Default for Synthetic {
    fn default() -> Self {
        Self {
            rows: 4_000,
            classes: 20,
            dim: 32,
            groups: 5,
            spread: 1.0,
            seed: 0,
        }
    }
}

impl Synthetic {
    /// Reads `key=value,…`; the error is the problem alone.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut synthetic = Self::default();
        let mut given = Vec::new();
        for pair in text.split(',') {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(format!("`{pair}` is not of the form key=value"));
            };
            if given.contains(&key) {
                return Err(format!("`{key}` is given twice"));
            }
            given.push(key);
            match key {
                "rows" => synthetic.rows = number(pair, value, "a whole number")?,
                "classes" => synthetic.classes = number(pair, value, "a whole number")?,
                "dim" => synthetic.dim = number(pair, value, "a whole number")?,
                "groups" => synthetic.groups = number(pair, value, "a whole number")?,
                "spread" => synthetic.spread = number(pair, value, "a number")?,
                "seed" => synthetic.seed = number(pair, value, "a whole number below 2⁶⁴")?,
                _ => return Err(format!("there is no key `{key}`")),
            }
        }
        synthetic.check()?;
        Ok(synthetic)
    }

    fn check(&self) -> Result<(), String> {
        let Self {
            rows,
            classes,
            dim,
            groups,
            spread,
            ..
        } = *self;
        let counts = [
            ("rows", rows),
            ("classes", classes),
            ("dim", dim),
            ("groups", groups),
        ];
        if let Some((key, _)) = counts.iter().find(|(_, count)| *count == 0) {
            return Err(format!("{key}=0, but at least 1 is needed"));
        }
        if classes > rows {
            return Err(format!(
                "classes={classes} with rows={rows}, but every class needs a row"
            ));
        }
        if groups > classes {
            return Err(format!(
                "groups={groups} with classes={classes}, but every group needs a class"
            ));
        }
        if rows
            .checked_mul(dim)
            .is_none_or(|values| values > MAX_VALUES)
        {
            return Err(format!(
                "rows={rows} with dim={dim}, but their product may be {MAX_VALUES} at most"
            ));
        }
        if !(spread > 0.0 && spread <= MAX_SPREAD) {
            return Err(format!(
                "spread={spread}, but it must be more than 0, and {MAX_SPREAD} at most"
            ));
        }
        Ok(())
    }

    /// Refuses rows that do not fit the machine.
    fn check_memory(&self) -> Result<(), String> {
        let bytes = 4 * (self.rows * self.dim + self.rows + self.classes * self.dim) as u64;
        memory::lacking(bytes).map_or(Ok(()), |available| {
            Err(format!(
                "its rows need {} of memory, and there are {}",
                memory::in_words(bytes),
                memory::in_words(available)
            ))
        })
    }

    pub(super) fn load(&self) -> Result<Dataset, DataError> {
        let name = self.to_string();
        if let Err(problem) = self.check().and_then(|()| self.check_memory()) {
            return Err(DataError::Source {
                given: name,
                problem,
            });
        }
        let labels = self.labels();
        let mixture = self.mixture();
        let mut random = Philox::new(self.seed, stream::SYNTHETIC_ROWS);
        let mut features = Vec::with_capacity(self.rows * self.dim);
        for &label in &labels {
            features.extend(mixture.row(label as usize, &mut random));
        }
        let dataset = Dataset::new(name, features, self.dim, labels, self.classes)?;
        Ok(dataset.with_mixture(mixture))
    }

    /// 0, 1, …, V − 1, 0, 1, … in a random order.
    fn labels(&self) -> Vec<i32> {
        // There are fewer classes than 2³¹.
        let label = |row| (row % self.classes) as i32;
        let mut labels: Vec<i32> = (0..self.rows).map(label).collect();
        Philox::new(self.seed, stream::SYNTHETIC_LABELS).shuffle(&mut labels);
        labels
    }

    fn mixture(&self) -> Mixture {
        let mut random = Philox::new(self.seed, stream::SYNTHETIC_CENTRES);
        let root = (self.dim as f32).sqrt();
        let group_values = self.groups * self.dim;
        let groups: Vec<f32> = (0..group_values)
            .map(|_| GROUP_RADIUS / root * random.normal())
            .collect();
        // Class v is of group v mod G: the groups' centres over and over.
        let centres = (0..self.classes * self.dim)
            .map(|index| groups[index % group_values] + CLASS_RADIUS / root * random.normal())
            .collect();
        Mixture {
            centres,
            dim: self.dim,
            spread: self.spread,
            seed: self.seed,
        }
    }

    fn pairs(&self) -> [String; 6] {
        [
            format!("rows={}", self.rows),
            format!("classes={}", self.classes),
            format!("dim={}", self.dim),
            format!("groups={}", self.groups),
            format!("spread={}", self.spread),
            format!("seed={}", self.seed),
        ]
    }
}

fn number<T: FromStr>(pair: &str, value: &str, expected: &str) -> Result<T, String> {
    value
        .parse()
        .map_err(|_| format!("`{pair}` does not give {expected}"))
}

/// The string that parses into the same source; keys at their defaults are left out.
impl fmt::Display for Synthetic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "synthetic")?;
        let pairs = self.pairs().into_iter().zip(Self::default().pairs());
        let changed = pairs.filter(|(pair, default)| pair != default);
        for (index, (pair, _)) in changed.enumerate() {
            write!(formatter, "{}{pair}", if index == 0 { ':' } else { ',' })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_any_order() {
        let text = "seed=18446744073709551615,spread=0.25,groups=2,dim=3,classes=4,rows=50";
        let all = Synthetic {
            rows: 50,
            classes: 4,
            dim: 3,
            groups: 2,
            spread: 0.25,
            seed: u64::MAX,
        };
        assert_eq!(Synthetic::parse(text), Ok(all));
        let written =
            "synthetic:rows=50,classes=4,dim=3,groups=2,spread=0.25,seed=18446744073709551615";
        assert_eq!(all.to_string(), written);
        let defaults = "rows=4000,classes=20,dim=32,groups=5,spread=1.0,seed=0";
        assert_eq!(Synthetic::parse(defaults), Ok(Synthetic::default()));
        assert_eq!(Synthetic::default().to_string(), "synthetic");
    }

    #[test]
    fn bad_keys_and_values_are_named() {
        for (text, expected) in [
            ("", "`` is not of the form key=value"),
            ("rows=50,", "`` is not of the form"),
            ("rows", "`rows` is not of the form"),
            ("=5", "there is no key ``"),
            ("row=50", "there is no key `row`"),
            ("Rows=50", "there is no key `Rows`"),
            (" rows=50", "there is no key ` rows`"),
            ("rows=50,rows=50", "`rows` is given twice"),
            ("rows=", "`rows=` does not give a whole number"),
            ("rows=-1", "`rows=-1` does not give a whole number"),
            ("classes=2.5", "`classes=2.5` does not give"),
            ("dim=1e2", "`dim=1e2` does not give"),
            ("groups=x", "`groups=x` does not give"),
            ("spread=wide", "`spread=wide` does not give a number"),
            ("seed=18446744073709551616", "a whole number below 2⁶⁴"),
            ("rows=0", "rows=0, but at least 1"),
            ("classes=0", "classes=0, but"),
            ("dim=0", "dim=0, but"),
            ("groups=0", "groups=0, but"),
            ("rows=19", "classes=20 with rows=19, but every class"),
            ("classes=4", "groups=5 with classes=4, but every group"),
            (
                "dim=67109",
                "rows=4000 with dim=67109, but their product may be 268435456",
            ),
            (
                "rows=18446744073709551615",
                "rows=18446744073709551615 with dim=32",
            ),
            (
                "spread=0",
                "spread=0, but it must be more than 0, and 1000000",
            ),
            ("spread=-1", "spread=-1, but"),
            ("spread=NaN", "spread=NaN, but"),
            ("spread=inf", "spread=inf, but"),
            ("spread=1000001", "spread=1000001, but"),
        ] {
            let problem = Synthetic::parse(text).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }

    #[test]
    fn what_no_text_could_say_is_refused_too() {
        let none = Synthetic {
            rows: 0,
            ..Synthetic::default()
        };
        let message = none.load().unwrap_err().to_string();
        assert!(message.starts_with("`synthetic:rows=0` is not a data source: rows=0, but"));
        let large = Synthetic {
            dim: 1 << 28,
            rows: 1,
            classes: 1,
            groups: 1,
            ..Synthetic::default()
        };
        assert_eq!(large.check(), Ok(()));
    }
}
