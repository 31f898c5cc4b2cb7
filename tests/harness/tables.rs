//! Tables as people have them: each way of writing the same rows is read as the same rows, or refused
//! with the place and what to do.

use fused_kd::data::{DataError, Dataset, ScalingRule, Source};
use fused_kd::train::{Setting, TrainError};
use std::fs;

fn load(source: &str) -> Result<Dataset, DataError> {
    source.parse::<Source>()?.load()
}

fn load_bytes(bytes: &[u8], options: &str) -> Result<Dataset, DataError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.csv");
    fs::write(&path, bytes).unwrap();
    load(&format!("csv:{}{options}", path.display()))
}

fn case(name: &str) -> String {
    format!("{}/tests/harness/cases/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Three features and one of the classes ash, elm, oak; what a file lacks is NaN.
const FEATURES: [f32; 12] = [
    1.5, -2.0, 300.0, 0.25, 4.0, -17.0, -0.5, 1e-3, 0.0, 2.0, 2.5, 1200.0,
];
const LABELS: [i32; 4] = [2, 0, 1, 0];

fn is_base(dataset: &Dataset) -> bool {
    dataset.features() == FEATURES && dataset.labels() == LABELS
}

fn utf16(text: &str, little: bool) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    let bytes = |unit: u16| match little {
        true => unit.to_le_bytes(),
        false => unit.to_be_bytes(),
    };
    units.flat_map(bytes).collect()
}

/// The same rows in so many ways.
#[test]
fn the_same_rows_are_read_as_the_same() {
    let plain = "a,b,c,label\n1.5,-2,300,oak\n0.25,4,-17,ash\n-0.5,1e-3,0,elm\n2,2.5,1200,ash\n";
    let without_heading = &plain["a,b,c,label\n".len()..];
    let commas = plain.replace(',', ";").replace('.', ",");
    let text = |text: &str| text.as_bytes().to_vec();
    let numbers = |oak: &str, ash: &str, elm: &str| {
        text(
            &plain
                .replace("oak", oak)
                .replace("ash", ash)
                .replace("elm", elm),
        )
    };
    let blanks = without_heading.replace(',', "   ");
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("a heading", text(plain), ""),
        ("a heading, said", text(plain), "?header=yes"),
        ("no heading", text(without_heading), ""),
        ("no heading, said", text(without_heading), "?header=no"),
        ("label by name", text(plain), "?label=label"),
        ("label by name, other case", text(plain), "?label=LABEL"),
        ("label last", text(plain), "?label=last"),
        ("semicolons", text(&plain.replace(',', ";")), ""),
        (
            "semicolons, said",
            text(&plain.replace(',', ";")),
            "?separator=semicolon",
        ),
        ("tabs", text(&plain.replace(',', "\t")), ""),
        ("bars", text(&plain.replace(',', "|")), ""),
        ("single blanks", text(&plain.replace(',', " ")), ""),
        ("blanks", text(&blanks), ""),
        (
            "blanks around",
            text(&format!("  {}", blanks.replace('\n', "  \n  "))),
            "",
        ),
        (
            "tabs and blanks",
            text(&without_heading.replace(',', " \t ")),
            "?separator=blank",
        ),
        ("commas and blanks", text(&plain.replace(',', " , ")), ""),
        ("decimal commas", text(&commas), ""),
        ("decimal commas, said", text(&commas), "?decimal=comma"),
        ("decimal commas, tabs", text(&commas.replace(';', "\t")), ""),
        (
            "quoted decimal commas between commas",
            text(
                &plain
                    .replace("1.5,", "\"1,5\",")
                    .replace("0.25", "\"0,25\"")
                    .replace("-0.5", "\"-0,5\"")
                    .replace("2.5", "\"2,5\""),
            ),
            "?decimal=comma&separator=comma",
        ),
        (
            "quotes",
            text(&plain.replace("oak", "\"oak\"").replace("1.5", "\"1.5\"")),
            "",
        ),
        (
            "a quoted heading",
            text(&plain.replace("a,b,c,label", "\"a\",\"b\",\"c\",\"label\"")),
            "",
        ),
        ("a mark", text(&format!("\u{feff}{plain}")), ""),
        (
            "a mark before quotes",
            text(&format!("\u{feff}\"a\"{}", &plain[1..])),
            "",
        ),
        (
            "carriage returns and newlines",
            text(&plain.replace('\n', "\r\n")),
            "",
        ),
        (
            "carriage returns alone",
            text(&plain.replace('\n', "\r")),
            "",
        ),
        (
            "carriage returns and tabs",
            text(&plain.replace('\n', "\r").replace(',', "\t")),
            "",
        ),
        ("UTF-16, low byte first", utf16(plain, true), ""),
        ("UTF-16, high byte first", utf16(plain, false), ""),
        (
            "UTF-16 with tabs",
            utf16(&plain.replace('\n', "\r\n").replace(',', "\t"), true),
            "",
        ),
        ("no last newline", text(plain.trim_end()), ""),
        (
            "blank lines",
            text(&format!("\n\n{}\n \n", plain.replace('\n', "\n\n"))),
            "",
        ),
        (
            "a newline in a heading",
            text(&plain.replace("b,c", "\"b\nb\",c")),
            "",
        ),
        (
            "an index",
            text(
                &plain
                    .replace("a,b", ",a,b")
                    .replace("\n1.5", "\n0,1.5")
                    .replace("\n0.25", "\n1,0.25")
                    .replace("\n-0.5", "\n2,-0.5")
                    .replace("\n2,2.5", "\n3,2,2.5"),
            ),
            "",
        ),
        (
            "a named index",
            text(
                &plain
                    .replace("a,b", "Unnamed: 0,a,b")
                    .replace("\n1.5", "\n0,1.5")
                    .replace("\n0.25", "\n1,0.25")
                    .replace("\n-0.5", "\n2,-0.5")
                    .replace("\n2,2.5", "\n3,2,2.5"),
            ),
            "",
        ),
        (
            "ids of text",
            text(
                &plain
                    .replace("a,b", "Id,a,b")
                    .replace("\n1.5", "\nx1,1.5")
                    .replace("\n0.25", "\nx2,0.25")
                    .replace("\n-0.5", "\nx3,-0.5")
                    .replace("\n2,2.5", "\nx4,2,2.5"),
            ),
            "",
        ),
        (
            "ids, asked for",
            text(
                &plain
                    .replace("a,b", "a,key,b")
                    .replace("1.5,", "1.5,7,")
                    .replace("0.25,", "0.25,8,")
                    .replace("-0.5,", "-0.5,9,")
                    .replace("\n2,2.5", "\n2,10,2.5"),
            ),
            "?id=key",
        ),
        (
            "label first",
            text("label,a,b,c\noak,1.5,-2,300\nash,0.25,4,-17\nelm,-0.5,1e-3,0\nash,2,2.5,1200\n"),
            "",
        ),
        (
            "Class first",
            text("Class,a,b,c\noak,1.5,-2,300\nash,0.25,4,-17\nelm,-0.5,1e-3,0\nash,2,2.5,1200\n"),
            "",
        ),
        (
            "label in the middle",
            text("a,target,b,c\n1.5,oak,-2,300\n0.25,ash,4,-17\n-0.5,elm,1e-3,0\n2,ash,2.5,1200\n"),
            "",
        ),
        (
            "y first",
            text("y,a,b,c\noak,1.5,-2,300\nash,0.25,4,-17\nelm,-0.5,1e-3,0\nash,2,2.5,1200\n"),
            "",
        ),
        (
            "label first, said",
            text("oak,1.5,-2,300\nash,0.25,4,-17\nelm,-0.5,1e-3,0\nash,2,2.5,1200\n"),
            "?label=first",
        ),
        (
            "another heading",
            text(&plain.replace("label", "kind")),
            "?label=kind",
        ),
        (
            "another heading, unsaid",
            text(&plain.replace("label", "kind")),
            "",
        ),
        ("numbers with gaps", numbers("50667", "3", "101"), ""),
        ("numbers from 1", numbers("3", "1", "2"), ""),
        ("numbers below 0", numbers("1", "-1", "0"), ""),
        ("numbers with a point", numbers("2.0", "0.0", "1.0"), ""),
        ("numbers of two lengths", numbers("10", "8", "9"), ""),
        ("numbers and names", numbers("x", "1", "2"), ""),
        ("names with blanks", numbers("holm oak", "ash", "elm"), ""),
        ("names beyond ASCII", numbers("öak", "ash", "elm"), ""),
        ("classes by number", numbers("2", "0", "1"), "?classes=3"),
        (
            "plus signs",
            text(&plain.replace("1.5", "+1.5").replace("1200", "+1.2E3")),
            "",
        ),
        (
            "leading zeros",
            text(&plain.replace("1.5", "001.50").replace("300", "0300")),
            "",
        ),
        (
            "no leading zero",
            text(&plain.replace("0.25", ".25").replace("-0.5", "-.5")),
            "",
        ),
    ];
    assert!(cases.len() >= 56);
    for (name, bytes, options) in cases {
        match load_bytes(&bytes, options) {
            Ok(dataset) => assert!(is_base(&dataset), "{name}: {dataset:?}"),
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn what_cannot_be_right_is_said_with_its_place() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "a,class,label\n1,2,0\n3,4,1\n",
            "",
            "`class` and `label` could both be the label: label=NAME",
        ),
        (
            "a,b,label\n1,2,0\n",
            "?label=kind",
            "label=kind, but the heading says `a`, `b`, `label`",
        ),
        (
            "1,2,0\n",
            "?label=kind",
            "label=kind, but there is no heading",
        ),
        (
            "a,b,label\n1,2,0\n",
            "?id=key",
            "id=key, but the heading says",
        ),
        (
            "a,key,label\n1,2.5,0\n",
            "?id=key",
            "line 2, column 2: `2.5` is not an id",
        ),
        (
            "a,b,label\n1,,0\n",
            "",
            "line 2, column 2: `` is missing (`missing=mean`",
        ),
        ("a,b,label\n1,NA,0\n", "", "`NA` is missing"),
        ("a,b,label\n1,?,0\n", "", "`?` is missing"),
        (
            "a;b;label\n1,5;1.5;0\n",
            "",
            "this table is read with decimal commas",
        ),
        (
            "a;b;label\n1.5;1,5;0\n",
            "",
            "this table is read with decimal points",
        ),
        (
            "a;b;label\n1.234,5;1;0\n",
            "",
            "remove the thousands separators",
        ),
        (
            "a,b,label\n1,2,0.5\n",
            "",
            "line 2, column 3: `0.5` is not a label",
        ),
        (
            "a,b,label\n1,2,3\n",
            "?classes=3",
            "class `3` with classes=3: labels then run from 0 to 2",
        ),
        (
            "a,b,label\n1,2,oak\n",
            "?classes=3",
            "class `oak` with classes=3",
        ),
        ("label\n1\n2\n", "", "1 column: a row is"),
        ("1,2,0\n1;2;0\n", "", "line 2: 1 columns, but the first row"),
    ];
    for (text, options, expected) in cases {
        let error = load_bytes(text.as_bytes(), options)
            .expect_err(expected)
            .to_string();
        assert!(error.contains(expected) && error.contains('a'), "{error}");
    }
    let odd = [&utf16("1,2,0\n", true)[..], &[0]].concat();
    assert!(
        load_bytes(&odd, "")
            .unwrap_err()
            .to_string()
            .contains("cannot read")
    );
}

#[test]
fn names_and_ids_are_kept() {
    let dataset = load_bytes(b"a,id,b,label\n1,7,2,oak\n3,9,4,\n", "").unwrap();
    assert_eq!(dataset.feature_names().unwrap(), ["a", "b"]);
    assert_eq!(dataset.class_names().unwrap(), ["oak"]);
    assert_eq!((dataset.labels(), dataset.labelled()), (&[0, -100][..], 1));
    // `id` is a feature where that is asked for.
    let dataset = load_bytes(b"a,id,b,label\n1,7,2,0\n3,9,4,1\n", "?id=none").unwrap();
    assert_eq!((dataset.dim(), dataset.class_names()), (3, None));
    // Headings that do not tell columns apart are no names.
    let dataset = load_bytes(b"a,a,label\n1,7,0\n3,9,1\n", "").unwrap();
    assert_eq!((dataset.dim(), dataset.feature_names()), (2, None));
}

#[test]
fn missing_values_become_the_mean_of_the_training_rows() {
    let bytes = b"a,b,label\n1,10,0\n,20,1\n5,NA,0\n";
    let dataset = load_bytes(bytes, "?missing=mean").unwrap();
    assert_eq!(dataset.missing(), 2);
    assert!(dataset.features()[2].is_nan() && dataset.features()[5].is_nan());
    let scaling = fused_kd::data::Scaling::fit(&dataset, &[0, 1, 2], ScalingRule::Auto).unwrap();
    assert_eq!(scaling.mean(), [3.0, 15.0]);
    assert_eq!(
        scaling.apply(&dataset).unwrap(),
        [-1.0, -1.0, 0.0, 1.0, 1.0, 0.0]
    );
}

#[test]
fn columns_of_a_test_table_agree_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("train.csv", "label,a,b\n0,1,2\n1,3,4\n");
    write("moved.csv", "b;label;a\n6;2;5\n");
    write("plain.csv", "2,5,6\n");
    write("less.csv", "label,a\n0,1\n");
    write("other.csv", "label,a,c\n0,1,2\n");
    write("unlabelled.csv", "a,b\n1,2\n");
    write("more.csv", "label,a,b,c\n0,1,2,3\n");
    let at = directory.path().display();
    let pair = |test: &str| load(&format!("csv:{at}/train.csv,{at}/{test}"));
    for test in ["moved.csv", "plain.csv"] {
        let dataset = pair(test).unwrap();
        assert_eq!(dataset.features(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "{test}");
        assert_eq!(
            (dataset.labels(), dataset.test_from()),
            (&[0, 1, 2][..], Some(2)),
            "{test}"
        );
    }
    for (test, expected) in [
        ("less.csv", "column `b` is missing: `"),
        ("other.csv", "column `b` is missing: `"),
        ("more.csv", "has no column `c`"),
        ("unlabelled.csv", "column `label` is missing: `"),
        ("train.csv", "the test file is the training file"),
        ("./train.csv", "the test file is the training file"),
        ("absent.csv", "absent.csv`: check that it is the right path"),
    ] {
        let error = pair(test).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn paths_may_hold_commas_and_question_marks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a,b?.csv");
    fs::write(&path, "1,2,0\n3,4,1\n").unwrap();
    let quoted = format!("csv:\"{}\"?label=last", path.display());
    assert_eq!(load(&quoted).unwrap().len(), 2);
    let comma = directory.path().join("a,b.csv");
    fs::write(&comma, "1,2,0\n3,4,1\n").unwrap();
    let error = load(&format!("csv:{}", comma.display()))
        .unwrap_err()
        .to_string();
    assert!(error.contains("stands between quotes, csv:\""), "{error}");
}

fn compare(source: &str, more: &str) -> Result<fused_kd::train::Comparison, TrainError> {
    let text = format!(
        "seeds = 2\nmethods = [\"ce\", \"kd\"]\nlearning-rates = [0.02]\nstudent.epochs = 20\n\
         teacher.epochs = 20\n[data]\nsource = '{source}'\n{more}"
    );
    let setting = Setting::from_toml(&text).unwrap();
    let cpu = fused_kd::auto::EngineName::Cpu.resolve().unwrap();
    fused_kd::auto::compare(&cpu, &setting, &|_| {})
}

/// The test accuracies of all methods.
fn accuracies(source: &str, more: &str) -> Vec<Vec<f64>> {
    let methods = compare(source, more).unwrap().methods;
    methods
        .into_iter()
        .map(|method| method.test_accuracy.per_seed)
        .collect()
}

#[test]
fn columns_of_different_units_are_learned_as_well() {
    let units = format!("csv:{}", case("feature-units/units.csv"));
    let by_column = accuracies(&units, "");
    assert!(
        by_column.iter().flatten().all(|&accuracy| accuracy > 0.9),
        "{by_column:?}"
    );
    let common = accuracies(&units, "scaling = \"common\"");
    assert!(
        common.iter().flatten().any(|&accuracy| accuracy < 0.8),
        "{common:?}"
    );
    let result = compare(&units, "").unwrap();
    assert!(
        result
            .read_as
            .unwrap()
            .contains("each column divided by its own deviation")
    );
}

#[test]
fn the_heading_decides_where_the_label_is() {
    let pixels = case("label-first/pixels.csv.gz");
    let found = load(&format!("csv:{pixels}")).unwrap();
    let said = load(&format!("csv:{pixels}?label=first")).unwrap();
    assert_eq!((found.classes(), found.image()), (10, Some((14, 14))));
    assert_eq!(
        (found.features(), found.labels()),
        (said.features(), said.labels())
    );
    let error = compare(&format!("csv:{pixels}?label=last"), "")
        .unwrap_err()
        .to_string();
    let words =
        "every label is `0`, and with one class there is nothing to learn (label: `pixel195`";
    assert!(error.contains(words), "{error}");
}

#[test]
fn class_numbers_with_gaps_change_nothing() {
    let of = |file: &str| accuracies(&format!("csv:{}", case(file)), "");
    let dense = of("sparse-class-ids/dense.csv");
    assert_eq!(of("sparse-class-ids/ids.csv"), dense);
    let ids = load(&format!("csv:{}", case("sparse-class-ids/ids.csv"))).unwrap();
    assert_eq!(
        ids.class_names().unwrap(),
        ["10115", "20095", "50667", "80331"]
    );
    let names = compare(&format!("csv:{}", case("class-names/names.csv")), "").unwrap();
    assert_eq!(names.class_names.unwrap(), ["ash", "beech", "elm", "oak"]);
}

#[test]
fn separators_change_nothing() {
    let of = |file: &str| accuracies(&format!("csv:{}", case(file)), "");
    let comma = of("semicolon/comma.csv");
    assert_eq!(of("semicolon/semicolon.csv"), comma);
    assert_eq!(of("semicolon/tab.csv"), comma);
}

#[test]
fn rows_without_a_label_count_in_no_accuracy() {
    let of = |file: &str| compare(&format!("csv:{}", case(file)), "train-size = \"all\"").unwrap();
    let (empty, minus) = (
        of("unlabelled-rows/empty.csv"),
        of("unlabelled-rows/minus100.csv"),
    );
    let rows = empty.rows;
    assert_eq!((rows.train, rows.labelled), (180, 30));
    assert_eq!((rows.validation, rows.test, rows.teacher), (5, 15, 15));
    for (one, other) in empty.methods.iter().zip(&minus.methods) {
        assert_eq!(one.test_accuracy, other.test_accuracy);
    }
    // The teacher supervises all of them: no worse than labels alone, by more than a row or two.
    assert!(empty.methods[1].test_accuracy.mean > 0.8);
}

/// What a run reports is the same from the engine, epoch by epoch, and from the logits.
#[test]
fn accuracies_are_of_rows_with_a_label() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.csv");
    let text = fs::read_to_string(case("predict-unlabelled/check.csv")).unwrap();
    let without_half = |(i, line): (usize, &str)| match i % 2 {
        0 => format!("{line}\n"),
        _ => format!("{},\n", line.rsplit_once(',').unwrap().0),
    };
    let text: String = text.lines().enumerate().map(without_half).collect();
    fs::write(&path, text).unwrap();
    let train = case("predict-unlabelled/train.csv");
    let text = format!(
        "student.epochs = 9\nteacher.epochs = 9\ndata.source = 'csv:{train},{}'",
        path.display()
    );
    let cpu = fused_kd::auto::EngineName::Cpu.resolve().unwrap();
    let run = fused_kd::auto::train(&cpu, &Setting::from_toml(&text).unwrap(), &|_| {}).unwrap();
    assert_eq!((run.result.rows.test, run.test.labelled()), (40, 20));
    let accuracy = run.result.student.test_accuracy;
    assert_eq!(run.curve.test.last(), Some(&accuracy));
    assert!(
        accuracy > 0.55 && (20.0 * accuracy).fract() == 0.0,
        "{accuracy}"
    );
}

#[test]
fn emnist_is_found_by_its_names() {
    let letters = case("emnist-names/letters");
    for place in [letters.clone(), format!("{letters}/emnist-letters")] {
        let dataset = load(&format!("idx:{place}")).unwrap();
        assert_eq!((dataset.classes(), dataset.image()), (10, Some((14, 14))));
        assert_eq!(dataset.class_names().unwrap()[..2], ["1", "2"]);
        assert!(dataset.test_from().is_some());
    }
    let error = load(&format!("idx:{letters}/digits"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("check that it is the right path"), "{error}");
    // Two data sets in one directory.
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&letters).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        fs::copy(&path, directory.path().join(&name)).unwrap();
        fs::copy(
            &path,
            directory.path().join(name.replace("letters", "more")),
        )
        .unwrap();
    }
    let at = directory.path().display();
    let error = load(&format!("idx:{at}")).unwrap_err().to_string();
    assert!(
        error.contains("`emnist-letters-…`, `emnist-more-…`"),
        "{error}"
    );
    assert!(load(&format!("idx:{at}/emnist-more")).is_ok());
}

/// Data of which nothing can be learned, or little.
#[test]
fn odd_data_are_refused_or_warned_about() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().display().to_string();
    let row = |i: usize, class: &str| format!("{},{},{class}\n", i % 7, i * i % 11);
    let table = |name: &str, rows: usize, class: &dyn Fn(usize) -> String| {
        let text: String = (0..rows).map(|i| row(i, &class(i))).collect();
        fs::write(directory.path().join(name), text).unwrap();
    };
    let two = |i: usize| (i % 2).to_string();
    table("train.csv", 60, &two);
    table("copy.csv", 60, &two);
    table("three.csv", 40, &|i| {
        if i < 39 { two(i) } else { "2".into() }
    });
    table("one.csv", 60, &|_| "5".into());
    table("none.csv", 60, &|_| String::new());
    table("many.csv", 60, &|i| (i * 3 / 4).to_string());
    for (files, expected) in [
        (format!("{at}/one.csv"), "every label is `5`"),
        (format!("{at}/none.csv"), "no row has a label"),
        (format!("{at}/train.csv?label=none"), "no row has a label"),
        (
            format!("{at}/train.csv,{at}/copy.csv"),
            "all 60 test rows are training rows too",
        ),
        (
            format!("{at}/train.csv,{at}/none.csv"),
            "no row of the test file has a label",
        ),
    ] {
        let error = compare(&format!("csv:{files}"), "")
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
    for (files, expected) in [
        (
            format!("{at}/many.csv"),
            "45 classes for 60 rows with a label",
        ),
        (
            format!("{at}/train.csv,{at}/three.csv"),
            "class `2` of 3 has no row to train on",
        ),
        (
            format!("{at}/train.csv,{at}/three.csv"),
            "39 of 40 test rows are training rows too",
        ),
        (
            format!("{at}/train.csv?classes=4"),
            "class `2` and 1 others of 4 has no row",
        ),
    ] {
        let warnings = compare(&format!("csv:{files}"), "").unwrap().warnings;
        assert!(
            warnings.iter().any(|w| w.contains(expected)),
            "{expected}: {warnings:?}"
        );
    }
}
