//! Configurations: every key read, written and read again; what is wrong is named in its place.

use fused_kd::spec::{Preset, Revision, Temperature};
use fused_kd::train::{Optimiser, RunConfig, Schedule, Setting, Split, Terms, TrainSize};

#[test]
fn nothing_is_the_default() {
    let (config, setting) = (RunConfig::from_toml("").unwrap(), Setting::default());
    assert_eq!(config.to_toml(), RunConfig::default().to_toml());
    assert_eq!(config.setting.student, setting.student);
    assert_eq!(config.setting.teacher, setting.teacher);
    assert_eq!(config.setting.train_size, TrainSize::Few);
    assert_eq!(
        (config.seed, config.loss, config.policy),
        (0, Preset::Kd.spec(), None)
    );
}

#[test]
fn every_key_reaches_its_part() {
    let config = RunConfig::from_toml(
        r#"
        seed = 9
        [data]
        source = "csv:a.csv,b.csv?label=first"
        train-size = 100
        teacher-train-size = "all"
        labelled = 50
        label-noise = 0.1
        teacher-label-noise = 1
        sensor-shift = 0.5
        teacher-shifts = false
        [student]
        hidden = [64, 32]
        epochs = 7
        batch = 16
        learning-rate = 0.002
        optimiser = "adamw"
        decay = 0.1
        schedule = "step"
        warm-up = 0
        [teacher]
        momentum = 0
        [loss]
        preset = "lr"
        temperature = 2
        revision.eta = 0.7
        lambda-ce = 0.2
        [features]
        split = "permutation"
        factor = 20
        factor-epochs = 3
        factor-batch = 8
        factor-learning-rate = 0.5
        [[term]]
        kind = "explore"
        distance = "squared-l2"
        weight = 7
        schedule = "step"
        warm-up = 2
        [select]
        score = "teacher-ce"
        keep = "between"
        fraction = 0.25
        per-class = false
        every = 0
        warm-up = 3
        "#,
    )
    .unwrap();
    let (setting, student) = (&config.setting, &config.setting.student);
    assert_eq!(config.seed, 9);
    assert_eq!(setting.source.to_string(), "csv:a.csv,b.csv?label=first");
    assert_eq!(setting.train_size, TrainSize::Rows(100));
    assert_eq!(setting.teacher_train_size, TrainSize::All);
    assert_eq!(setting.labelled, Some(50));
    assert_eq!(
        (setting.label_noise, setting.teacher_label_noise),
        (0.1, 1.0)
    );
    assert_eq!(setting.sensor_shift, 0.5);
    assert!(!setting.augment_teacher);
    assert_eq!(student.hidden, [64, 32]);
    assert_eq!((student.recipe.epochs, student.recipe.batch), (7, 16));
    assert_eq!(student.recipe.optimiser, Optimiser::AdamW { decay: 0.1 });
    assert_eq!(
        (student.recipe.learning_rate, student.recipe.warm_up),
        (0.002, 0)
    );
    assert_eq!(student.recipe.schedule, Schedule::Step);
    let teacher = Optimiser::Sgd {
        momentum: 0.0,
        decay: 5e-4,
    };
    assert_eq!(setting.teacher.recipe.optimiser, teacher);
    assert_eq!(config.preset, Preset::Lr);
    assert_eq!(config.loss.revision(), Revision::LabelRevision { eta: 0.7 });
    assert_eq!(config.loss.temperature(), Temperature::Fixed(2.0));
    assert_eq!(
        (config.loss.right().lambda_ce, config.loss.wrong().lambda_ce),
        (0.2, 0.2)
    );
    assert_eq!(setting.split, Split::Permutation);
    let factor = setting.factor;
    assert_eq!((factor.width, factor.epochs), (Some(20), 3));
    assert_eq!((factor.batch, factor.learning_rate), (8, 0.5));
    let Terms(terms) = "inherit=0,explore=7,distance=squared-l2,schedule=step,warm-up=2"
        .parse()
        .unwrap();
    assert_eq!(config.terms, terms);
    assert!(!config.mutual);
    let policy = config.policy.unwrap().to_string();
    assert_eq!(
        policy,
        "score=teacher-ce,keep=between,fraction=0.25,every=0,warm-up=3"
    );
}

#[test]
fn what_is_resolved_reads_again_as_the_same() {
    let mut texts: Vec<String> = Preset::ALL
        .map(|preset| format!("[loss]\npreset = \"{}\"", preset.name()))
        .to_vec();
    texts.extend(
        [
            "",
            "[select]",
            "[student]\noptimiser = \"adamw\"",
            "[data]\nsource = \"synthetic:classes=5\"\nlabelled = 7\nlabel-noise = 0.3",
            "[loss]\npreset = \"kd\"\nrevision = \"label-smoothing\"\nreduction = \"sum\"",
            "[[term]]\nkind = \"inherit\"\n[[term]]\nkind = \"explore\"\nweight = 1",
            "[features]\nsplit = \"permutation\"\nfactor = 9\n[[term]]\nkind = \"explore\"",
            "mutual = true\n[loss]\npreset = \"kd\"\ntemperature = 1",
            "[student]\nhidden = []\nlearning-rate = 0.1234567",
            "seed = 18446744073709551615",
        ]
        .map(str::to_owned),
    );
    for text in texts {
        let config = RunConfig::from_toml(&text).unwrap();
        let resolved = config.to_toml().unwrap();
        let again = RunConfig::from_toml(&resolved).unwrap();
        assert_eq!(again.to_toml().unwrap(), resolved);
        assert_eq!(
            format!("{again:?}"),
            format!("{config:?}"),
            "{text}\nbecame\n{resolved}"
        );
        // The comments say which method it is.
        assert!(resolved.contains(config.preset.formula()), "{resolved}");
    }
}

#[test]
fn adamw_has_its_own_defaults() {
    let config = RunConfig::from_toml("student.optimiser = \"adamw\"").unwrap();
    let recipe = &config.setting.student.recipe;
    assert_eq!(recipe.optimiser, Optimiser::AdamW { decay: 0.01 });
    assert_eq!(recipe.learning_rate, 0.01);
}

/// The text, the key that the error names, and words that say what would be right.
const WRONG: [(&str, &str, &str); 61] = [
    // Unknown keys, at every level.
    ("sed = 1", "", "`seed`"),
    ("data.sourc = \"digits\"", "data", "`source`"),
    ("student.epoch = 1", "student", "`epochs`"),
    ("teacher.hiden = [1]", "teacher", "`hidden`"),
    ("loss.temperatur = 4", "loss", "temperature"),
    ("loss.revision.etaa = 4", "loss", "`eta`"),
    ("loss.right.divergence.gamma = 4", "loss", "beta"),
    ("select.top = 5", "select", "`fraction`"),
    // Values out of range.
    ("seed = -1", "seed", "from 0"),
    ("data.train-size = 0", "data.train-size", "\"all\""),
    ("data.train-size = \"most\"", "data.train-size", "\"all\""),
    ("data.train-size = 0.5", "data.train-size", "\"all\""),
    (
        "data.teacher-train-size = -3",
        "data.teacher-train-size",
        "from 1",
    ),
    ("data.labelled = 0", "data.labelled", "\"all\""),
    ("data.labelled = \"few\"", "data.labelled", "\"all\""),
    (
        "data.label-noise = 1.5",
        "data.label-noise",
        "between 0 and 1",
    ),
    (
        "data.label-noise = nan",
        "data.label-noise",
        "between 0 and 1",
    ),
    (
        "data.teacher-label-noise = -0.1",
        "data.teacher-label-noise",
        "between 0 and 1",
    ),
    (
        "data.sensor-shift = -1",
        "data.sensor-shift",
        "not negative",
    ),
    ("data.source = \"tsv:x\"", "data.source", "write `digits`"),
    (
        "student.hidden = [32, 0]",
        "student.hidden",
        "from 1 to 65536",
    ),
    (
        "student.hidden = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]",
        "student.hidden",
        "at most 16",
    ),
    ("student.epochs = 0", "student.epochs", "from 1"),
    ("student.batch = 100000", "student.batch", "to 65536"),
    (
        "student.learning-rate = 0",
        "student.learning-rate",
        "greater than 0",
    ),
    (
        "student.learning-rate = 1e300",
        "student.learning-rate",
        "finite",
    ),
    (
        "student.learning-rate = 1e-300",
        "student.learning-rate",
        "greater than 0",
    ),
    ("student.momentum = 1", "student.momentum", "below 1"),
    ("student.decay = -1", "student.decay", "not negative"),
    ("student.warm-up = -1", "student.warm-up", "from 0"),
    (
        "teacher.schedule = \"linear\"",
        "teacher.schedule",
        "`cosine`",
    ),
    (
        "teacher.optimiser = \"adam\"",
        "teacher.optimiser",
        "`adamw`",
    ),
    ("loss.preset = \"lrr\"", "loss", "lr-mse"),
    ("loss.preset = 3", "loss.preset", "lr-mse"),
    ("loss.temperature = 0", "loss", "greater than 0"),
    (
        "loss.temperature = \"per-row\"",
        "loss.temperature",
        "standardised",
    ),
    (
        "loss.preset = \"lr\"\nloss.revision.eta = 1.5",
        "loss",
        "between 0 and 1",
    ),
    ("select.score = \"luck\"", "select.score", "`influence`"),
    ("select.keep = \"best\"", "select.keep", "`highest`"),
    ("select.fraction = 2", "select.fraction", "between 0 and 1"),
    ("select.every = -5", "select.every", "from 0"),
    // Feature terms and mutual learning.
    ("[[term]]", "term", "`kind`"),
    ("[[term]]\nkind = \"imitate\"", "term.kind", "`inherit`"),
    (
        "[[term]]\nkind = \"inherit\"\nlambda = 1",
        "term",
        "`weight`",
    ),
    (
        "[[term]]\nkind = \"inherit\"\nweight = -1",
        "term.weight",
        "not negative",
    ),
    (
        "[[term]]\nkind = \"inherit\"\ndistance = \"l3\"",
        "term.distance",
        "`squared-l2`",
    ),
    (
        "[[term]]\nkind = \"inherit\"\nschedule = \"up\"",
        "term.schedule",
        "`cosine`",
    ),
    (
        "[[term]]\nkind = \"inherit\"\nwarm-up = -1",
        "term.warm-up",
        "from 0",
    ),
    (
        "[features]\nfactor = 0\n[[term]]\nkind = \"inherit\"",
        "features.factor",
        "from 1",
    ),
    (
        "[features]\nwidth = 1\n[[term]]\nkind = \"inherit\"",
        "features",
        "`factor`",
    ),
    ("[features]\nfactor = 9", "features", "[[term]]"),
    ("mutual = true\n[select]", "select", "leave out"),
    // Values of another type, parts that do not go together, and no TOML at all.
    ("seed = \"x\"", "seed", "a whole number"),
    ("data = 3", "data", "struct"),
    ("data.teacher-shifts = 1", "data.teacher-shifts", "boolean"),
    ("student.hidden = 32", "student.hidden", "[64, 32]"),
    ("student.epochs = 1.5", "student.epochs", "a whole number"),
    (
        "student.optimiser = \"adamw\"\nstudent.momentum = 0.9",
        "student.momentum",
        "use sgd",
    ),
    (
        "loss.preset = \"lr\"\nloss.divergence = \"mse-logits\"",
        "loss",
        "mse-probs",
    ),
    ("seed = 1\nseed = 2", "", "duplicate"),
    ("seed", "", "="),
];

#[test]
fn what_is_wrong_is_named_in_its_place() {
    for (text, key, words) in WRONG {
        let error = RunConfig::from_toml(text).unwrap_err();
        assert_eq!(error.key, key, "{text}: {error}");
        assert!(error.problem.contains(words), "{text}: {error}");
        assert!(!error.problem.contains('\n'), "{error}");
        let inside = |span: &std::ops::Range<usize>| text.get(span.clone()).is_some();
        assert!(error.span.as_ref().is_none_or(inside), "{text}: {error:?}");
    }
    let error = RunConfig::from_toml("seed = 1\n[data]\nlabel-noise = 1.5\n").unwrap_err();
    assert_eq!(error.span, Some(30..33));
}
