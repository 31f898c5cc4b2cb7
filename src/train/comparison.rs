//! What came of a comparison, ready for tables and files.

use super::data_check;
use super::divergence;
use super::inspect::{ReliabilityBin, RevisedSample, reliability};
use super::method::Method;
use super::metrics::{Paired, Spread};
use super::prepare::Prepared;
use super::record::{Curve, Selected, Similarity, StudentRun, TeacherRun, TermDistance};
use super::row_counts::RowCounts;
use super::setting::Setting;
use super::term::Term;
use crate::data::{BayesAccuracy, Dataset};
use crate::select::{Policy, Score};
use crate::spec::{LossSpec, Preset};
use serde::Serialize;

/// All runs of a comparison: students by method, then learning rate, then seed.
pub(super) struct Evidence<'a> {
    pub(super) engine: &'static str,
    pub(super) setting: &'a Setting,
    pub(super) dataset: &'a Dataset,
    pub(super) warnings: Vec<String>,
    /// Per seed.
    pub(super) prepared: Vec<(Prepared, TeacherRun)>,
    pub(super) students: Vec<StudentRun>,
}

/// What came of a comparison. Accuracies are shares in 0..1.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The data's name.
    pub dataset: String,
    /// The engine that the runs were made on.
    pub engine: &'static str,
    /// How it was set up: every key.
    pub setting: Setting,
    /// How a table was read, and its features scaled; none for other data.
    pub read_as: Option<String>,
    /// What the classes are called, where that is not 0, 1, …
    pub class_names: Option<Vec<String>>,
    /// How many rows there were of each kind, in the first seed.
    pub rows: RowCounts,
    /// The best accuracy that any classifier could have, where the data are synthetic.
    pub bayes_accuracy: Option<BayesAccuracy>,
    /// The teachers.
    pub teacher: TeacherResult,
    /// The methods, in the order of the setting.
    pub methods: Vec<MethodResult>,
    /// What was legal and yet probably not meant.
    pub warnings: Vec<String>,
    /// Confidence against accuracy of all teachers, on their test rows.
    pub reliability: Vec<ReliabilityBin>,
    /// Training rows of the first seed that the teacher gets wrong.
    #[serde(skip)]
    pub samples: Vec<RevisedSample>,
    /// Accuracy against the share of samples that the teacher supervises, where that was asked for.
    pub budget: Vec<BudgetPoint>,
}

/// One selection of a budget curve.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct BudgetPoint {
    /// The method.
    pub method: String,
    /// What samples are judged by.
    pub score: String,
    /// The share of samples that the teacher supervises.
    pub fraction: f64,
    /// Seeds whose training diverged: they have no accuracy, and a mean over them is none.
    pub diverged: Vec<u64>,
    /// After the last epoch.
    pub test_accuracy: Spread,
    /// Test accuracy less that of a random selection of the same share, paired by seed; none where
    /// random selection is not among the scores, or one of both diverged.
    pub vs_random: Option<Paired>,
}

/// How reliable the teachers are, mean over seeds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TeacherResult {
    /// The files of a teacher that was trained elsewhere; none where it was trained here.
    pub given: Option<String>,
    /// Whether it learned from pictures that were shifted by a pixel, too.
    pub shifts: bool,
    /// On the student's training rows, against the labels that the student is given.
    pub train_accuracy: f64,
    /// On the validation rows, where it is known.
    pub validation_accuracy: Option<f64>,
    /// On the test rows; none where a given teacher says nothing about them.
    pub test_accuracy: Option<f64>,
    /// The share of the student's training labels that the teacher gets wrong.
    pub wrong_train_labels: f64,
    /// Expected calibration error on the student's training rows.
    pub train_calibration_error: f64,
    /// Expected calibration error on the test rows, likewise.
    pub test_calibration_error: Option<f64>,
    /// Test accuracy over seeds, likewise.
    pub test_accuracy_over_seeds: Option<Spread>,
    /// `Σ |reconstructed − given| / Σ |given|` of the auto-encoder of the last hidden layer, on the
    /// student's training rows; none where no method has feature terms.
    pub reconstruction_error: Option<f64>,
    /// Seconds of all teachers together.
    pub seconds: f64,
}

/// One method.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MethodResult {
    /// The method.
    pub name: String,
    /// Which samples the teacher supervises; all where there is no policy.
    pub selection: Option<String>,
    /// The loss in full.
    pub spec: LossSpec,
    /// Feature terms beside it.
    pub terms: Vec<Term>,
    /// Whether two students learn from each other: the other one's logits and features take the
    /// teacher's place. Accuracies are those of the first, which begins as other methods' student.
    pub mutual: bool,
    /// The learning rate that was chosen on validation data: of those with the fewest seeds that
    /// diverged.
    pub learning_rate: f64,
    /// Seeds whose training diverged at that learning rate: they have no accuracy, and a mean over
    /// them is none.
    pub diverged: Vec<u64>,
    /// After the last epoch.
    pub test_accuracy: Spread,
    /// After the last epoch.
    pub validation_accuracy: Spread,
    /// Of the epoch that is best on validation data (the first of equals).
    pub best_validation_test_accuracy: Spread,
    /// Test accuracy less that of `kd`, paired by seed; none where `kd` is not compared, or one
    /// of both diverged.
    pub vs_kd: Option<Paired>,
    /// Test accuracy less that of `ce`, paired by seed; none where `ce` is not compared, or one
    /// of both diverged.
    pub vs_ce: Option<Paired>,
    /// Test accuracy less that of `lr`, paired by seed; none where `lr` is not compared, or one
    /// of both diverged.
    pub vs_lr: Option<Paired>,
    /// How alike the halves of the student's features are to those of what supervises it; none where
    /// no method has feature terms.
    pub similarity: Option<Similarity<Spread>>,
    /// How far the halves' factors are from their target; one per feature term.
    pub distances: Vec<TermDistance<Spread>>,
    /// Per seed and epoch, at the chosen learning rate: mean loss, validation and test accuracy.
    #[serde(skip)]
    pub curves: Vec<Curve>,
    /// Per seed, at the chosen learning rate: the choices of a selection.
    #[serde(skip)]
    pub choices: Vec<Vec<Selected>>,
    /// Seconds of all runs together, the other learning rates' too.
    pub seconds: f64,
}

impl Similarity<Spread> {
    fn of(runs: &[StudentRun]) -> Option<Self> {
        let all: Vec<Similarity> = runs
            .iter()
            .map(|run| run.similarity)
            .collect::<Option<_>>()?;
        let spread = |of: fn(&Similarity) -> f64| Spread::of(all.iter().map(of).collect());
        Some(Self {
            inherit_before: spread(|s| s.inherit_before),
            inherit_after: spread(|s| s.inherit_after),
            explore_before: spread(|s| s.explore_before),
            explore_after: spread(|s| s.explore_after),
        })
    }
}

impl TermDistance<Spread> {
    fn of(runs: &[StudentRun]) -> Vec<Self> {
        let spread = |i: usize, of: fn(&TermDistance) -> f64| {
            Spread::of(runs.iter().map(|run| of(&run.distances[i])).collect())
        };
        let terms = runs.first().map_or(&[][..], |run| &run.distances[..]);
        let of_term = |(i, term): (usize, &TermDistance)| Self {
            relation: term.relation,
            before: spread(i, |d| d.before),
            after: spread(i, |d| d.after),
        };
        terms.iter().enumerate().map(of_term).collect()
    }
}

impl Comparison {
    pub(super) fn new(evidence: Evidence) -> Self {
        let setting = evidence.setting;
        let per_method = evidence.prepared.len() * setting.learning_rates.len();
        let (all, in_table) = setting.compared();
        let mut methods: Vec<MethodResult> = all
            .iter()
            .zip(evidence.students.chunks_exact(per_method))
            .map(|(method, runs)| MethodResult::new(method, setting, &evidence.prepared, runs))
            .collect();
        let mut warnings = evidence.warnings.clone();
        let diverged = methods
            .iter()
            .map(|method| (&method.name[..], &method.diverged[..]));
        warnings.extend(divergence::warning(diverged, &setting.learning_rates));
        let budget = budget(&all, methods.split_off(in_table));
        let of = |name: Preset| {
            methods
                .iter()
                .find(|m| m.name == name.name())
                .map(|m| m.test_accuracy.clone())
        };
        let [kd, ce, lr] = [Preset::Kd, Preset::Ce, Preset::Lr].map(of);
        for method in &mut methods {
            let against = |other: &Option<Spread>| {
                let paired = Paired::difference(&method.test_accuracy, other.as_ref()?);
                paired.mean.is_finite().then_some(paired)
            };
            [method.vs_kd, method.vs_ce, method.vs_lr] = [&kd, &ce, &lr].map(against);
        }
        Self {
            dataset: evidence.dataset.name().to_owned(),
            engine: evidence.engine,
            teacher: TeacherResult::new(&evidence),
            methods,
            budget,
            warnings,
            setting: setting.clone(),
            read_as: data_check::described(evidence.dataset, &setting.data),
            class_names: evidence.dataset.class_names().map(<[_]>::to_vec),
            rows: RowCounts::new(evidence.dataset, &evidence.prepared[0].0),
            bayes_accuracy: evidence.dataset.bayes_accuracy(),
            reliability: reliability(
                evidence
                    .prepared
                    .iter()
                    .filter_map(|(_, run)| run.bins.as_ref()),
            ),
            samples: evidence.prepared[0].1.samples.clone(),
        }
    }
}

impl TeacherResult {
    fn new(evidence: &Evidence) -> Self {
        let data = &evidence.setting.data;
        let runs: Vec<&TeacherRun> = evidence.prepared.iter().map(|(_, run)| run).collect();
        let known = |of: fn(&TeacherRun) -> Option<f64>| {
            let values: Option<Vec<f64>> = runs.iter().map(|run| of(run)).collect();
            values.map(Spread::of)
        };
        let mean =
            |of: fn(&TeacherRun) -> f64| Spread::of(runs.iter().map(|run| of(run)).collect()).mean;
        let known_mean = |of| known(of).map(|spread| spread.mean);
        Self {
            given: data.given().map(ToString::to_string),
            shifts: data.teacher_shifts
                && data.given().is_none()
                && evidence.dataset.image().is_some(),
            train_accuracy: mean(|run| run.train_accuracy),
            validation_accuracy: known_mean(|run| run.validation_accuracy),
            test_accuracy: known_mean(|run| run.test_accuracy),
            wrong_train_labels: mean(|run| run.wrong_train_labels),
            train_calibration_error: mean(|run| run.train_calibration_error),
            test_calibration_error: known_mean(|run| run.test_calibration_error),
            test_accuracy_over_seeds: known(|run| run.test_accuracy),
            reconstruction_error: known_mean(|run| run.reconstruction_error),
            seconds: runs.iter().map(|run| run.seconds).sum(),
        }
    }
}

impl MethodResult {
    /// `runs` by learning rate, then seed.
    fn new(
        method: &Method,
        setting: &Setting,
        seeds: &[(Prepared, TeacherRun)],
        runs: &[StudentRun],
    ) -> Self {
        let rates = &setting.learning_rates;
        let by_rate: Vec<&[StudentRun]> = runs.chunks_exact(seeds.len()).collect();
        let chosen = chosen(&by_rate);
        let chosen_runs = by_rate[chosen];
        let last = |of: fn(&StudentRun) -> &Vec<f64>, runs: &[StudentRun]| {
            Spread::of(
                runs.iter()
                    .map(|run| of(run).last().copied().unwrap_or(0.0))
                    .collect(),
            )
        };
        Self {
            name: method.name.clone(),
            selection: method.policy.map(|policy| policy.to_string()),
            spec: method.spec,
            terms: method.terms.clone(),
            mutual: method.mutual,
            learning_rate: crate::spec::tidy(rates[chosen]),
            diverged: divergence::seeds(chosen_runs, setting.seed),
            test_accuracy: last(|run| &run.curve.test, chosen_runs),
            validation_accuracy: last(|run| &run.curve.validation, chosen_runs),
            best_validation_test_accuracy: Spread::of(
                chosen_runs.iter().map(test_of_best).collect(),
            ),
            vs_kd: None,
            vs_ce: None,
            vs_lr: None,
            similarity: Similarity::<Spread>::of(chosen_runs),
            distances: TermDistance::<Spread>::of(chosen_runs),
            curves: chosen_runs.iter().map(|run| run.curve.clone()).collect(),
            choices: chosen_runs
                .iter()
                .zip(seeds)
                .map(|(run, (seed, _))| run.selected(&seed.rows))
                .collect(),
            seconds: runs.iter().map(|run| run.seconds).sum(),
        }
    }
}

/// The learning rate with the best mean validation accuracy after the last epoch, the first of equals;
/// one with a seed that diverged comes after all that have fewer.
fn chosen(by_rate: &[&[StudentRun]]) -> usize {
    let diverged = |runs: &[StudentRun]| runs.iter().filter(|run| run.diverged.is_some()).count();
    let mean = |runs: &[StudentRun]| {
        let kept = runs.iter().filter(|run| run.diverged.is_none());
        Spread::of(kept.map(StudentRun::last_validation).collect()).mean
    };
    let ranks: Vec<(usize, f64)> = by_rate
        .iter()
        .map(|runs| (diverged(runs), mean(runs)))
        .collect();
    let mut chosen = 0;
    for (i, &(lost, mean)) in ranks.iter().enumerate() {
        let (fewest, best) = ranks[chosen];
        if lost < fewest || (lost == fewest && mean > best) {
            chosen = i;
        }
    }
    chosen
}

/// The last of all methods as points of budget curves, each against chance.
fn budget(all: &[Method], results: Vec<MethodResult>) -> Vec<BudgetPoint> {
    let policies = all[all.len() - results.len()..]
        .iter()
        .map(|method| method.policy.unwrap_or_default());
    let points: Vec<(Policy, MethodResult)> = policies.zip(results).collect();
    let point = |(policy, result): &(Policy, MethodResult)| {
        let control = points.iter().find(|(other, control)| {
            other.score == Score::Random
                && other.fraction == policy.fraction
                && control.name == result.name
        });
        BudgetPoint {
            method: result.name.clone(),
            score: policy.score.name().to_owned(),
            fraction: crate::spec::tidy(policy.fraction),
            diverged: result.diverged.clone(),
            test_accuracy: result.test_accuracy.clone(),
            vs_random: control.and_then(|(_, control)| {
                let paired = Paired::difference(&result.test_accuracy, &control.test_accuracy);
                paired.mean.is_finite().then_some(paired)
            }),
        }
    };
    points.iter().map(point).collect()
}

/// The test accuracy of the epoch that is best on validation data; none of a run that diverged later.
fn test_of_best(run: &StudentRun) -> f64 {
    if run.diverged.is_some() {
        return f64::NAN;
    }
    run.curve.test.get(run.curve.best()).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_with_a_seed_that_diverged_comes_after_those_without() {
        let run = |validation: f64| StudentRun {
            curve: Curve {
                loss: vec![1.0],
                validation: vec![validation],
                test: vec![validation],
            },
            ..StudentRun::default()
        };
        let lost = || {
            let mut run = run(0.1);
            run.note_divergence(false);
            run
        };
        let choice = |rates: &[[StudentRun; 2]]| {
            let rates: Vec<&[StudentRun]> = rates.iter().map(|runs| &runs[..]).collect();
            chosen(&rates)
        };
        let good = || [run(0.5), run(0.7)];
        assert_eq!(choice(&[[run(0.2), run(0.3)], good(), good()]), 1);
        assert_eq!(choice(&[[run(0.9), lost()], good()]), 1);
        assert_eq!(choice(&[good(), [lost(), run(0.9)]]), 0);
        assert_eq!(
            choice(&[[lost(), lost()], [run(0.1), lost()], [lost(), run(0.2)]]),
            2
        );
    }
}
