//! Data sets from files: real ones, and every way in which a file can be wrong.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use fused_kd::data::{DataError, Dataset, Scaling, ScalingRule, Source, Split, corrupt_labels};
use proptest::prelude::*;
use tempfile::TempDir;

fn load(source: &str) -> Result<Dataset, DataError> {
    source.parse::<Source>()?.load()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A directory with these files.
fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    directory
}

/// Loads `a.csv` with these bytes.
fn load_csv(bytes: &[u8], options: &str) -> Result<Dataset, DataError> {
    let directory = directory(&[("a.csv", bytes)]);
    load(&format!(
        "csv:{}/a.csv{options}",
        directory.path().display()
    ))
}

#[track_caller]
fn assert_message(result: Result<Dataset, DataError>, expected: &str) {
    let message = result.expect_err(expected).to_string();
    assert!(message.contains(expected), "`{message}` lacks `{expected}`");
}

#[test]
fn digits_are_the_test_set_of_the_repository() {
    let digits = load("digits").unwrap();
    assert_eq!(
        (digits.len(), digits.dim(), digits.classes()),
        (1_797, 64, 10)
    );
    assert_eq!((digits.image(), digits.test_from()), (Some((8, 8)), None));
    assert!(
        digits
            .features()
            .iter()
            .all(|value| (0.0..=16.0).contains(value))
    );
    let Some(original) = crate::support::data("optdigits/optdigits.tes") else {
        return;
    };
    let original = load(&format!("csv:{}", original.display())).unwrap();
    assert_eq!(original.features(), digits.features());
    assert_eq!(original.labels(), digits.labels());
}

#[test]
fn optdigits_has_a_test_set_of_its_own() {
    let Some(directory) = crate::support::data("optdigits") else {
        return;
    };
    let at = directory.display();
    let dataset = load(&format!("csv:{at}/optdigits.tra,{at}/optdigits.tes")).unwrap();
    assert_eq!(dataset.name(), "optdigits");
    assert_eq!(
        (dataset.len(), dataset.test_from()),
        (3_823 + 1_797, Some(3_823))
    );
    let split = Split::new(&dataset, 1).unwrap();
    assert_eq!((split.train.len(), split.validation.len()), (3_441, 382));
    assert!(split.test.into_iter().eq(3_823..5_620));
}

#[test]
fn mnist_test_images_alone_are_split_by_the_seed() {
    let Some(directory) = crate::support::data("mnist-t10k") else {
        return;
    };
    let mnist = load(&format!("idx:{}", directory.display())).unwrap();
    assert_eq!(
        (mnist.len(), mnist.dim(), mnist.classes()),
        (10_000, 784, 10)
    );
    assert_eq!((mnist.image(), mnist.test_from()), (Some((28, 28)), None));
    assert_eq!(mnist.labels()[..5], [7, 2, 1, 0, 4]);
    assert_eq!(mnist.features().iter().copied().fold(0.0, f32::max), 255.0);
    let split = Split::new(&mnist, 1).unwrap();
    let sizes = (split.train.len(), split.validation.len(), split.test.len());
    assert_eq!(sizes, (8_000, 1_000, 1_000));
    let scaled = Scaling::fit(&mnist, &split.train, ScalingRule::Auto)
        .unwrap()
        .apply(&mnist)
        .unwrap();
    let trained = split
        .train
        .iter()
        .flat_map(|&row| &scaled[row as usize * 784..][..784]);
    let square: f64 = trained.map(|&value| f64::from(value).powi(2)).sum();
    assert!((square / (8_000.0 * 784.0) - 1.0).abs() < 1e-5);
}

/// Changing the split of a seed would break every comparison with an earlier report.
#[test]
fn the_split_of_a_seed_is_fixed() {
    let digits = load("digits").unwrap();
    let split = Split::new(&digits, 42).unwrap();
    assert_eq!(split.train[..4], [1287, 41, 1422, 993]);
    let mut labels = digits.labels().to_vec();
    corrupt_labels(&mut labels, digits.classes(), 0.4, 42).unwrap();
    assert_eq!(labels[..8], [5, 1, 2, 3, 4, 5, 9, 0]);
}

/// Each row's class centre: the same data, but with almost no spread.
fn centres(options: &str) -> Dataset {
    load(&format!("synthetic:{options},spread=1e-6")).unwrap()
}

fn square_distance(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum()
}

/// Changing the data of a seed would break every comparison with an earlier report.
#[test]
fn synthetic_data_are_fixed() {
    let data = load("synthetic").unwrap();
    assert_eq!(data, load("synthetic:seed=0,rows=4000").unwrap());
    assert_eq!((data.len(), data.dim(), data.classes()), (4_000, 32, 20));
    assert_eq!(
        (data.name(), data.image(), data.test_from()),
        ("synthetic", None, None)
    );
    assert_eq!(data.labels()[..8], [9, 11, 10, 10, 8, 0, 9, 14]);
    // The last bit of a logarithm may differ between platforms.
    let expected = [1.1082655, 2.6246123, 0.6299719, -1.6541689];
    let close = |(value, expected): (&f32, f32)| (value - expected).abs() < 1e-5;
    assert!(
        data.features().iter().zip(expected).all(close),
        "{:?}",
        &data.features()[..4]
    );
    let other = load("synthetic:seed=1").unwrap();
    assert_eq!(other.name(), "synthetic:seed=1");
    assert_ne!(other.labels(), data.labels());
    assert_ne!(other.features()[0], data.features()[0]);
}

#[test]
fn synthetic_classes_are_balanced() {
    let data = load("synthetic:rows=1003,dim=2").unwrap();
    let mut counts = [0; 20];
    data.labels()
        .iter()
        .for_each(|&label| counts[label as usize] += 1);
    assert!(
        counts.iter().all(|count| [50, 51].contains(count)),
        "{counts:?}"
    );
    // In a random order: the first half holds about half of each class, within six standard
    // deviations of a hypergeometric count, 6 · √(50/4).
    let first = data.labels()[..501]
        .iter()
        .filter(|&&label| label == 0)
        .count();
    assert!(first.abs_diff(25) < 22, "{first}");
}

#[test]
fn synthetic_rows_lie_around_their_centres() {
    let options = "classes=7,seed=3";
    let (data, centres) = (
        load(&format!("synthetic:{options},spread=2.5")).unwrap(),
        centres(options),
    );
    assert_eq!(data.labels(), centres.labels());
    let pairs = data.features().iter().zip(centres.features());
    let noise: Vec<f64> = pairs.map(|(x, c)| f64::from(x - c) / 2.5).collect();
    let moment = |power| noise.iter().map(|z| z.powi(power)).sum::<f64>() / 128_000.0;
    // Six standard errors: √1, √2, √15 and √96 over √128,000.
    assert!(moment(1).abs() < 0.017);
    assert!((moment(2) - 1.0).abs() < 0.024);
    assert!(moment(3).abs() < 0.065);
    assert!((moment(4) - 3.0).abs() < 0.165);
}

/// Mean squares of distances: 2 · 2.5² within a group and 2 · (5² + 2.5²) across, whatever the
/// number of features.
#[test]
fn classes_of_a_group_are_closer_than_strangers() {
    for dim in [4, 64] {
        let (classes, groups) = (1_200, 400);
        let data = centres(&format!(
            "rows={classes},classes={classes},groups={groups},dim={dim}"
        ));
        let mut centre = vec![&[][..]; classes];
        for (row, &label) in data.labels().iter().enumerate() {
            centre[label as usize] = data.row(row).unwrap();
        }
        let mean = |step: usize| {
            let pairs =
                (0..groups).map(|class| square_distance(centre[class], centre[class + step]));
            pairs.sum::<f64>() / groups as f64
        };
        // Six standard errors: ‖δ‖² of D features has a relative deviation of √(2/D); strangers that
        // share a class with other pairs count for half.
        let tolerance = 6.0 * (2.0 / dim as f64 / groups as f64).sqrt();
        let relative = |step, expected: f64| (mean(step) / expected - 1.0).abs();
        assert!(relative(groups, 12.5) < tolerance);
        assert!(relative(1, 62.5) < 1.5 * tolerance);
        assert!(relative(groups + 1, 62.5) < 1.5 * tolerance);
    }
}

/// The nearest centre, found from outside, gets as many rows right as is stated.
#[test]
fn the_bayes_accuracy_is_that_of_the_nearest_centre() {
    for (options, spread) in [
        ("rows=8000", 1.0),
        ("rows=8000,classes=50,groups=50,dim=5,seed=1", 1.0),
        ("rows=8000,classes=3,groups=1,dim=1,seed=2", 2.0),
        ("rows=8000,classes=11,groups=2,dim=100,seed=3", 3.0),
    ] {
        let data = load(&format!("synthetic:{options},spread={spread}")).unwrap();
        let centres = centres(options);
        let of_class: Vec<&[f32]> = (0..data.classes() as i32)
            .map(|class| {
                let row = centres.labels().iter().position(|&label| label == class);
                centres.row(row.unwrap()).unwrap()
            })
            .collect();
        let hits = data.labels().iter().zip(data.features().chunks(data.dim()));
        let hits = hits.filter(|(label, row)| {
            let distances = of_class.iter().map(|centre| square_distance(row, centre));
            let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            nearest.unwrap().0 == **label as usize
        });
        let (share, rows) = (hits.count() as f64 / data.len() as f64, data.len() as f64);
        let bayes = data.bayes_accuracy().unwrap();
        let error = (share * (1.0 - share) / rows + bayes.standard_error.powi(2)).sqrt();
        assert!(
            (share - bayes.accuracy).abs() < 5.0 * error,
            "{options}: {share}, {bayes:?}"
        );
        assert_eq!(data.bayes_accuracy(), Some(bayes));
    }
    assert_eq!(load("digits").unwrap().bayes_accuracy(), None);
}

#[test]
fn a_larger_spread_is_harder() {
    let accuracies = [0.01, 0.5, 1.0, 2.0, 1e6].map(|spread| {
        let data = load(&format!("synthetic:rows=20,spread={spread}")).unwrap();
        data.bayes_accuracy().unwrap().accuracy
    });
    assert!(
        accuracies.is_sorted_by(|easier, harder| easier > harder),
        "{accuracies:?}"
    );
    assert!((accuracies[0] - 1.0).abs() < 1e-9);
    assert!((0.85..0.95).contains(&accuracies[2]), "{accuracies:?}");
    assert!((accuracies[4] - 1.0 / 20.0).abs() < 1e-4);
}

#[test]
fn synthetic_data_that_cannot_be_drawn() {
    assert_message(
        load("synthetic:rows=10"),
        "`synthetic:rows=10` is not a data source: classes=20 with rows=10, but every class needs a \
         row; write `digits`",
    );
    assert_message(
        load("synthetic:colour=red"),
        "`synthetic:rows=4000,classes=20,dim=32,",
    );
    assert_message(load("synthetic:dim=99999999"), "may be 268435456 at most");
}

proptest! {
    /// Any keys are either a source that is written as it was read, or an error.
    #[test]
    fn any_keys_are_survived(text in "(rows|dim|groups|spread|seed|,|=|[0-9.e-]{1,3}){0,12}") {
        if let Ok(source) = format!("synthetic:{text}").parse::<Source>() {
            prop_assert_eq!(source.to_string().parse::<Source>().unwrap(), source);
        }
    }
}

#[test]
fn layouts_of_a_table() {
    let expected = ([1.0, -2.5, 3.0, 4e3], [0, 1]);
    for (text, options) in [
        ("1,-2.5,0\n3,4e3,2\n", ""),
        ("1,-2.5,0\r\n3,4e3,2", ""),
        ("\n 1 , -2.5,0.0\n\n3,4e3 ,2.0\n\n", "?header=no"),
        ("\u{feff}\"1\",-2.5,0\n3,\"4e3\",2\n", "?header=no"),
        ("a,b,label\n1,-2.5,0\n3,4e3,2\n", ""),
        ("0,1,2\n1,-2.5,0\n3,4e3,2\n", "?header=yes"),
        ("0,1,-2.5\n2,3,4e3\n", "?label=first"),
        ("label,a,b\n0,1,-2.5\n2,3,4e3\n", "?label=first&header=yes"),
    ] {
        for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
            let dataset = load_csv(&bytes, options).unwrap();
            assert_eq!(dataset.features(), expected.0, "{text}");
            assert_eq!(dataset.labels(), expected.1, "{text}");
            assert_eq!((dataset.classes(), dataset.image()), (2, None));
            assert_eq!(dataset.class_names().unwrap(), ["0", "2"]);
        }
    }
}

#[test]
fn square_rows_of_a_table_are_taken_for_pictures() {
    for (dim, image) in [
        (9, None),
        (15, None),
        (16, Some((4, 4))),
        (64, Some((8, 8))),
    ] {
        let row = "1,".repeat(dim) + "0\n";
        assert_eq!(load_csv(row.as_bytes(), "").unwrap().image(), image);
    }
}

#[test]
fn malformed_tables() {
    let long = format!("1,{},0\n", "x".repeat(1_000_000));
    let cases: &[(&[u8], &str, &str)] = &[
        (b"", "", "a.csv` holds no rows"),
        (b"\n\n", "", "holds no rows"),
        (b"a,b\n", "", "holds no rows"),
        (b"1,2\n", "?header=yes", "holds no rows"),
        (b"1\n2\n", "", "line 1: 1 column: a row is"),
        (
            b"1;2;0\n3;4;1\n",
            "?separator=comma",
            "line 1: 1 column: a row is",
        ),
        (
            b"1,2,0\n1,0\n",
            "",
            "a.csv`, line 2: 2 columns, but the first row of `",
        ),
        (b"a,b\n1,2,0\n", "", "line 2: 3 columns"),
        (b"1,2,0\r\n3,4,1\r\n1,0\r\n", "", "line 3: 2 columns"),
        (b"1,2,0\n\n\n1,0\n", "", "line 4: 2 columns"),
        (b"1,2,0\r\n\r\n1,0\r\n", "", "line 3: 2 columns"),
        (b"\n\n1,x,2", "?header=no", "line 3, column 2"),
        (b"\r\n \r\n1,x,2\r\n", "?header=no", "line 3, column 2: `x`"),
        (
            b"1,2,0\n1,x,0\n",
            "",
            "a.csv`, line 2, column 2: `x` is not a number",
        ),
        (
            b"1,2,0\n1,,0\n",
            "",
            "line 2, column 2: `` is missing (`missing=mean`",
        ),
        (
            b"a,b,c\n",
            "?header=no",
            "line 1, column 1: `a` is not a number (a heading needs",
        ),
        (b"1,NaN,0\n", "", "line 1, column 2: `NaN` is missing"),
        (b"1,-inf,0\n", "", "column 2: `-inf` is not finite"),
        (b"1,1e39,0\n", "", "column 2: `1e39` is not finite"),
        (
            b"1,\xff\n1,\xff\n",
            "",
            "line 1, column 2: `�` is not a label: it is not UTF-8",
        ),
        (
            b"1,2,0.5\n",
            "",
            "`0.5` is not a label: labels are whole numbers or names",
        ),
        (b"1,2,1e300\n", "", "`1e300` is not a label"),
        (
            b"0.5,2,0\n",
            "?label=first",
            "column 1: `0.5` is not a label",
        ),
        (
            b"1,\"2,0\n1,2,0\n",
            "?header=no",
            "line 3, column 2: `2,0\\n1,2,0` is not a label",
        ),
        (long.as_bytes(), "?header=no", "xxxxxxxx…` is not a number"),
    ];
    for (bytes, options, expected) in cases {
        assert_message(load_csv(bytes, options), expected);
    }
}

#[test]
fn a_test_table_has_the_columns_of_the_train_table() {
    let directory = directory(&[
        ("train.csv", b"1,2,0\n3,4,1\n"),
        ("test.csv", b"a,b,label\n5,6,2\n"),
        ("wide.csv", b"1,2,3,0\n"),
        ("empty.csv", b""),
    ]);
    let at = directory.path().display();
    let dataset = load(&format!("csv:{at}/train.csv,{at}/test.csv")).unwrap();
    assert_eq!((dataset.test_from(), dataset.classes()), (Some(2), 3));
    let wide = load(&format!("csv:{at}/train.csv,{at}/wide.csv"));
    assert_message(wide, "wide.csv`, line 1: 3 columns of features, but `");
    let empty = load(&format!("csv:{at}/train.csv,{at}/empty.csv"));
    assert_message(empty, "empty.csv` holds no rows");
}

#[test]
fn files_that_cannot_be_read() {
    let whole = gzip(b"1,2,0\n3,4,1\n");
    let mut corrupt = whole.clone();
    let checksum = corrupt.len() - 8;
    corrupt[checksum] ^= 1;
    let trailing = [&whole[..], b"more"].concat();
    let cases: [(&[u8], &str); 4] = [
        (&whole[..whole.len() - 9], "cannot read `"),
        (&corrupt, "cannot read `"),
        (&trailing, "cannot read `"),
        (&whole[..2], "cannot read `"),
    ];
    for (bytes, expected) in cases {
        assert_message(load_csv(bytes, ""), expected);
    }
    let directory = directory(&[]);
    let at = directory.path().display();
    assert_message(load(&format!("csv:{at}")), "cannot read `");
    assert_message(
        load(&format!("csv:{at}/absent")),
        "/absent`: check that it is the right path",
    );
    assert_message(
        load(&format!("idx:{at}/absent")),
        "/absent`: check that it is the right path",
    );
    let error = load(&format!("csv:{at}/absent")).unwrap_err();
    assert!(std::error::Error::source(&error).is_some());
}

/// 200 MiB of one byte pack into less than 1 MiB, for which 192 MiB at most are accepted.
#[test]
fn a_gzip_bomb_is_bounded() {
    let bomb = {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let zeros = vec![0; 1 << 20];
        (0..200).for_each(|_| encoder.write_all(&zeros).unwrap());
        encoder.finish().unwrap()
    };
    let error = load_csv(&bomb, "").unwrap_err();
    assert!(
        matches!(error, DataError::TooLarge { limit, .. } if limit < 192 << 20),
        "{error}"
    );
    assert_message(
        load_idx(&[(IMAGES, &bomb), (LABELS, &labels(&[1]))]),
        "holds more than",
    );
}

const IMAGES: &str = "t10k-images-idx3-ubyte";
const LABELS: &str = "t10k-labels-idx1-ubyte";

fn idx(header: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.extend(values);
    bytes
}

/// Pictures of 1×2.
fn images(pixels: &[u8]) -> Vec<u8> {
    idx(&[0x803, pixels.len() as u32 / 2, 1, 2], pixels)
}

fn labels(labels: &[u8]) -> Vec<u8> {
    idx(&[0x801, labels.len() as u32], labels)
}

fn load_idx(files: &[(&str, &[u8])]) -> Result<Dataset, DataError> {
    let directory = directory(files);
    load(&format!("idx:{}", directory.path().display()))
}

#[test]
fn spellings_and_parts_of_idx() {
    let (images, labels) = (images(&[0, 255, 3, 4]), labels(&[0, 4]));
    for (image_name, label_name) in [
        (IMAGES, LABELS),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels.idx1-ubyte.gz"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
    ] {
        // The name does not decide whether a file is packed: the first bytes do.
        let dataset = load_idx(&[(image_name, &gzip(&images)), (label_name, &labels)]).unwrap();
        assert_eq!(dataset.features(), [0.0, 255.0, 3.0, 4.0]);
        assert_eq!(dataset.labels(), [0, 1]);
        assert_eq!((dataset.classes(), dataset.image()), (2, Some((1, 2))));
        assert_eq!(dataset.class_name(1), "4");
        assert_eq!(dataset.test_from(), None);
    }
    let both = load_idx(&[
        ("train-images-idx3-ubyte", &images),
        ("train-labels-idx1-ubyte", &labels),
        (IMAGES, &images),
        (LABELS, &labels),
    ])
    .unwrap();
    assert_eq!((both.len(), both.test_from()), (4, Some(2)));
}

#[test]
fn malformed_idx() {
    let (two_images, two_labels) = (images(&[1, 2, 3, 4]), labels(&[0, 1]));
    let claims = |sizes: [u32; 3]| idx(&[0x803, sizes[0], sizes[1], sizes[2]], &[1, 2, 3, 4]);
    let with_images = |bytes: &[u8]| load_idx(&[(IMAGES, bytes), (LABELS, &two_labels)]);
    let with_labels = |bytes: &[u8]| load_idx(&[(IMAGES, &two_images), (LABELS, bytes)]);
    let huge = u32::MAX;
    let cases = [
        (
            with_images(b""),
            "images-idx3-ubyte`, byte 0: the file ends within its header",
        ),
        (
            with_images(&two_images[..3]),
            "byte 3: the file ends within",
        ),
        (
            with_images(&two_images[..15]),
            "byte 15: the file ends within",
        ),
        (
            with_images(&two_labels),
            "byte 0: magic number 0x00000801 where",
        ),
        (
            with_images(&idx(&[0xd03, 2, 1, 2], &[0; 16])),
            "magic number 0x00000d03",
        ),
        (
            with_images(&two_images[..19]),
            "byte 19: the file ends after 3 of the 4 values",
        ),
        (
            with_images(&[&two_images[..], &[0]].concat()),
            "byte 20: more than the 4 values",
        ),
        (
            with_images(&claims([1 << 31, 1, 2])),
            "byte 20: the file ends after 4 of the 4294967296",
        ),
        (
            with_images(&claims([1 << 31, 28, 28])),
            "4 of the 1683627180032 values",
        ),
        (
            with_images(&claims([huge; 3])),
            "4 of the 79228162458924105385300197375 values",
        ),
        (
            with_images(&claims([0, 1, 2])),
            "byte 4: a dimension of size 0",
        ),
        (
            with_images(&claims([2, 0, huge])),
            "byte 8: a dimension of size 0",
        ),
        (
            with_images(&claims([2, 2, 0])),
            "byte 12: a dimension of size 0",
        ),
        (
            with_labels(&two_images),
            "labels-idx1-ubyte`, byte 0: magic number 0x00000803",
        ),
        (
            with_labels(&idx(&[0x801, huge], &[])),
            "byte 8: the file ends after 0 of",
        ),
        (
            with_labels(&labels(&[1, 2, 3])),
            "byte 4: 3 labels for the 2 images of `",
        ),
        (load_idx(&[]), "lacks `train-images-idx3-ubyte` with"),
        (
            load_idx(&[(IMAGES, &two_images)]),
            "lacks `t10k-labels-idx1-ubyte`",
        ),
        (
            load_idx(&[(LABELS, &two_labels)]),
            "lacks `t10k-images-idx3-ubyte`",
        ),
    ];
    for (result, expected) in cases {
        assert_message(result, expected);
    }
}

#[test]
fn train_and_test_images_have_one_size() {
    let result = load_idx(&[
        ("train-images-idx3-ubyte", &images(&[1, 2])),
        ("train-labels-idx1-ubyte", &labels(&[0])),
        (IMAGES, &idx(&[0x803, 1, 2, 1], &[1, 2])),
        (LABELS, &labels(&[0])),
    ]);
    assert_message(
        result,
        "t10k-images-idx3-ubyte`, byte 8: images of 2×1, but `",
    );
}

#[cfg(unix)]
#[test]
fn devices_are_not_read() {
    assert!(Path::new("/dev/zero").exists());
    let error = load("csv:/dev/zero").unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "not a regular file");
}

proptest! {
    /// Any bytes are either a data set or an error.
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, text in "[0-9a.,;|\t\"\\r\\n -]{0,60}") {
        let _ = load_csv(&bytes, "?header=no");
        let _ = load_csv(text.as_bytes(), "");
        let _ = load_csv(&[&[0x1f, 0x8b, 8, 0][..], &bytes].concat(), "");
        let _ = load_idx(&[(IMAGES, &idx(&[0x803], &bytes)), (LABELS, &labels(&[1]))]);
        let _ = load_idx(&[(IMAGES, &images(&[1, 2])), (LABELS, &bytes)]);
    }

    /// What is written as a table is read back exactly.
    #[test]
    fn a_table_is_read_as_it_was_written(
        rows in prop::collection::vec((prop::array::uniform3(prop::num::f32::ANY), 0..50i32), 1..20)
    ) {
        let finite = rows.iter().flat_map(|(row, _)| row).all(|value| value.is_finite());
        let text: String = rows
            .iter()
            .map(|([a, b, c], label)| format!("{a},{b},{c:e},{label}\n"))
            .collect();
        let dataset = load_csv(text.as_bytes(), "?classes=50");
        prop_assert_eq!(dataset.is_ok(), finite);
        if let Ok(dataset) = dataset {
            let features: Vec<f32> = rows.iter().flat_map(|(row, _)| *row).collect();
            let labels: Vec<i32> = rows.iter().map(|(_, label)| *label).collect();
            prop_assert_eq!(dataset.features(), features);
            prop_assert_eq!(dataset.labels(), labels);
        }
    }
}
