//! Configurations: every key read, written and read again; what is wrong is named in its place.

use fused_kd::spec::{Distance, Preset, Relation, Revision, Temperature};
use fused_kd::train::{Optimiser, Overlay, Schedule, Setting, Split, Term, TrainSize};

#[test]
fn nothing_is_the_default() {
    let setting = Setting::from_toml("").unwrap();
    assert_eq!(setting, Setting::default());
    assert_eq!(setting.data.train_size, TrainSize::Few);
    assert_eq!(
        (setting.seed, setting.loss, setting.select),
        (0, Preset::Kd.into(), None)
    );
}

#[test]
fn every_key_reaches_its_part() {
    let setting = Setting::from_toml(
        r#"
        seed = 9
        seeds = 2
        methods = ["kd", "ie+lr"]
        learning-rates = [0.5]
        [budget]
        fractions = [0.5]
        scores = ["random"]
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
        optimiser = { kind = "adamw", decay = 0.1 }
        schedule = "step"
        warm-up = 0
        [teacher]
        optimiser.momentum = 0
        [loss]
        preset = "lr"
        temperature = 2
        revision.eta = 0.7
        lambda-ce = 0.2
        [features]
        split = "permutation"
        factor.width = 20
        factor.epochs = 3
        factor.batch = 8
        factor.learning-rate = 0.5
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
    let (data, student) = (&setting.data, &setting.student);
    assert_eq!(setting.seed, 9);
    assert_eq!(data.source.to_string(), "csv:a.csv,b.csv?label=first");
    assert_eq!(data.train_size, TrainSize::Rows(100));
    assert_eq!(data.teacher_train_size, TrainSize::All);
    assert_eq!(data.labelled, TrainSize::Rows(50));
    assert_eq!((data.label_noise, data.teacher_label_noise), (0.1, 1.0));
    assert_eq!(data.sensor_shift, 0.5);
    assert!(!data.teacher_shifts);
    assert_eq!(student.hidden, [64, 32]);
    assert_eq!((student.epochs, student.batch), (7, 16));
    assert_eq!(student.optimiser, Optimiser::AdamW { decay: 0.1 });
    assert_eq!((student.learning_rate, student.warm_up), (0.002, 0));
    assert_eq!(student.schedule, Schedule::Step);
    let teacher = Optimiser::Sgd {
        momentum: 0.0,
        decay: 5e-4,
    };
    assert_eq!(setting.teacher.optimiser, teacher);
    assert_eq!(setting.loss.preset, Preset::Lr);
    assert_eq!(
        setting.loss.spec.revision(),
        Revision::LabelRevision { eta: 0.7 }
    );
    assert_eq!(setting.loss.spec.temperature(), Temperature::Fixed(2.0));
    assert_eq!(
        (
            setting.loss.spec.right().lambda_ce,
            setting.loss.spec.wrong().lambda_ce
        ),
        (0.2, 0.2)
    );
    assert_eq!(setting.features.split, Split::Permutation);
    let factor = setting.features.factor;
    assert_eq!((factor.width, factor.epochs), (Some(20), 3));
    assert_eq!((factor.batch, factor.learning_rate), (8, 0.5));
    let mut term = Term::new(Relation::Explore);
    (term.distance, term.weight) = (Distance::SquaredL2, 7.0);
    (term.schedule, term.warm_up) = (Schedule::Step, 2);
    assert_eq!(setting.terms, [term]);
    let names: Vec<&str> = setting.methods.iter().map(|m| m.name.as_str()).collect();
    assert_eq!((setting.seeds, names), (2, vec!["kd", "ie+lr"]));
    assert_eq!(setting.learning_rates, [0.5]);
    let budget = setting.budget.unwrap();
    assert_eq!((budget.fractions, budget.scores.len()), (vec![0.5], 1));
    assert!(!setting.mutual);
    let policy = setting.select.unwrap().to_string();
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
            "[features]\nsplit = \"permutation\"\nfactor.width = 9\n[[term]]\nkind = \"explore\"",
            "mutual = true\n[loss]\npreset = \"kd\"\ntemperature = 1",
            "[student]\nhidden = []\nlearning-rate = 0.1234567",
            "seed = 9223372036854775802",
            "scenario = \"scarce-labels\"\ndata.labelled = 7",
            "[budget]\nfractions = [0.2, 1]",
        ]
        .map(str::to_owned),
    );
    for text in texts {
        let setting = Setting::from_toml(&text).unwrap();
        let resolved = setting.to_toml().unwrap();
        let again = Setting::from_toml(&resolved).unwrap();
        assert_eq!(again.to_toml().unwrap(), resolved);
        assert_eq!(again, setting, "{text}\nbecame\n{resolved}");
        // The comments say which method it is.
        assert!(
            resolved.contains(setting.loss.preset.formula()),
            "{resolved}"
        );
    }
}

#[test]
fn adamw_has_its_own_defaults() {
    for text in [
        "student.optimiser = \"adamw\"",
        "student.optimiser.kind = \"adamw\"",
    ] {
        let setting = Setting::from_toml(text).unwrap();
        assert_eq!(setting.student.optimiser, Optimiser::AdamW { decay: 0.01 });
        assert_eq!(setting.student.learning_rate, 0.01);
        // A comparison's rates are lower as well.
        assert_eq!(setting.learning_rates, [0.001, 0.004, 0.01, 0.02]);
    }
    let text = "learning-rates = [0.5]\nstudent.optimiser = \"adamw\"\nstudent.learning-rate = 0.3";
    let setting = Setting::from_toml(text).unwrap();
    assert_eq!(
        (setting.student.learning_rate, &setting.learning_rates[..]),
        (0.3, &[0.5][..])
    );
}

#[test]
fn scenarios_are_changed_by_other_keys() {
    let text = "scenario = \"scarce-labels\"";
    let data = Setting::from_toml(text).unwrap().data;
    assert_eq!(
        (data.train_size, data.labelled),
        (TrainSize::All, TrainSize::Rows(100))
    );
    let data = Setting::from_toml(&format!("{text}\ndata.labelled = 50"))
        .unwrap()
        .data;
    assert_eq!(
        (data.train_size, data.labelled),
        (TrainSize::All, TrainSize::Rows(50))
    );
}

#[test]
fn single_keys_are_laid_over_a_file() {
    let mut overlay = Overlay::from_toml("[loss]\npreset = \"kd\"\n[student]\nepochs = 3").unwrap();
    for key in [
        "loss.preset=lr",
        "loss.revision.eta=0.7",
        "student.hidden=[8, 4]",
        "seed = 2",
    ] {
        overlay.set(key).unwrap();
    }
    let setting = overlay.setting().unwrap();
    assert_eq!(
        setting.loss.spec.revision(),
        Revision::LabelRevision { eta: 0.7 }
    );
    assert_eq!(
        (setting.student.epochs, &setting.student.hidden[..]),
        (3, &[8, 4][..])
    );
    assert_eq!(setting.seed, 2);
    assert!(
        overlay
            .set("seed")
            .unwrap_err()
            .problem
            .contains("KEY=VALUE")
    );
}

/// The text, the key that the error names, and words that say what would be right.
const WRONG: [(&str, &str, &str); 66] = [
    // Unknown keys, at every level.
    ("sed = 1", "", "`seed`"),
    ("data.sourc = \"digits\"", "data", "`source`"),
    ("student.epoch = 1", "student", "`epochs`"),
    ("teacher.hiden = [1]", "teacher", "`hidden`"),
    ("loss.temperatur = 4", "loss", "temperature"),
    ("loss.revision.etaa = 4", "loss.revision", "`eta`"),
    (
        "loss.right.divergence.gamma = 4",
        "loss.right.divergence",
        "beta",
    ),
    ("select.top = 5", "select", "`fraction`"),
    // Values out of range.
    ("seed = -1", "seed", "from 0 on"),
    ("data.train-size = 0", "data.train-size", "\"all\""),
    ("data.train-size = \"most\"", "data.train-size", "\"all\""),
    ("data.train-size = 0.5", "data.train-size", "\"all\""),
    (
        "data.teacher-train-size = -3",
        "data.teacher-train-size",
        "from 1",
    ),
    ("data.labelled = 0", "data.labelled", "\"all\""),
    ("data.labelled = \"none\"", "data.labelled", "\"all\""),
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
        "from 0 to 1000",
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
    (
        "student.optimiser = { kind = \"sgd\", momentum = 1 }",
        "student.optimiser.momentum",
        "below 1",
    ),
    (
        "student.optimiser.decay = -1",
        "student.optimiser.decay",
        "not negative",
    ),
    ("student.warm-up = -1", "student.warm-up", "from 0"),
    (
        "teacher.schedule = \"linear\"",
        "teacher.schedule",
        "`cosine`",
    ),
    (
        "teacher.optimiser = \"adam\"",
        "teacher.optimiser.kind",
        "`adamw`",
    ),
    ("loss.preset = \"lrr\"", "loss.preset", "lr-mse"),
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
        "features.factor.width = 0",
        "features.factor.width",
        "from 1",
    ),
    ("features.width = 1", "features", "`factor`"),
    // Values of another type, parts that do not go together, and no TOML at all.
    ("seed = \"x\"", "seed", "a whole number"),
    ("data = 3", "data", "a table of keys"),
    ("data.teacher-shifts = 1", "data.teacher-shifts", "boolean"),
    ("student.hidden = 32", "student.hidden", "[64, 32]"),
    ("student.epochs = 1.5", "student.epochs", "a whole number"),
    (
        "student.optimiser = { kind = \"adamw\", momentum = 0.9 }",
        "student.optimiser",
        "`decay`",
    ),
    (
        "loss.preset = \"lr\"\nloss.divergence = \"mse-logits\"",
        "loss",
        "mse-probs",
    ),
    ("seed = 1\nseed = 2", "", "duplicate"),
    ("seed", "", "="),
    ("seeds = 0", "seeds", "from 1 to 10000"),
    ("methods = []", "methods", "at least one"),
    ("methods = [\"kdd\"]", "methods", "ie-kd"),
    (
        "learning-rates = [0.1, -1]",
        "learning-rates",
        "greater than 0",
    ),
    (
        "budget.fractions = [1.5]",
        "budget.fractions",
        "between 0 and 1",
    ),
    ("scenario = \"bad\"", "scenario", "`noisy-labels`"),
    ("scenarios = \"bad\"", "", "`scenario`"),
];

#[test]
fn what_is_wrong_is_named_in_its_place() {
    let mut astray = Vec::new();
    for (text, key, words) in WRONG {
        let error = Setting::from_toml(text).unwrap_err();
        let inside = |span: &std::ops::Range<usize>| text.get(span.clone()).is_some();
        let right = error.key == key
            && format!("{error}").contains(words)
            && !error.problem.contains('\n')
            && error.span.as_ref().is_none_or(inside);
        if !right {
            astray.push(format!("{text}: {key}: {error:?}"));
        }
    }
    assert!(astray.is_empty(), "{}", astray.join("\n"));
    // The place is the value's, within a loss and in a list of tables too.
    for (text, place) in [
        ("seed = 1\n[data]\nlabel-noise = 1.5\n", "1.5"),
        ("[loss]\npreset = \"lr\"\nrevision.eta = 1.5", "1.5"),
        ("[loss]\npreset = \"lr\"\nrevision.etaa = 7", "7"),
        ("[loss]\nlambda-kd = -1", "-1"),
        ("[loss]\npreset = \"lrr\"", "\"lrr\""),
        ("student.epoch = 3", "3"),
        ("student.optimiser = \"adam\"", "\"adam\""),
        ("[[term]]\nkind = \"inherit\"\nweight = -7", "-7"),
    ] {
        let span = Setting::from_toml(text).unwrap_err().span;
        assert_eq!(span.and_then(|span| text.get(span)), Some(place), "{text}");
    }
}
