//! A teacher's rows that are told apart by ids: in any order, and more than there are.

use super::{CLASSES, ROWS, compare, data, here, logits, short};
use crate::support::npy::{array, bytes};
use std::fs;

/// The teacher's rows in another order, with one more among them, and which rows of data they are for.
fn shuffled() -> (Vec<f32>, Vec<i64>) {
    let given = logits();
    // 7 and 150 have no common divisor: each row once.
    let order: Vec<usize> = (0..ROWS).map(|i| i * 7 % ROWS).collect();
    let row = |&row: &usize| given[row * CLASSES..][..CLASSES].to_vec();
    let mut values: Vec<f32> = order.iter().flat_map(row).collect();
    let mut ids: Vec<i64> = order.iter().map(|&row| row as i64).collect();
    values.splice(0..0, [9.0, 0.0, 0.0, 0.0]);
    ids.insert(0, 100_000);
    (values, ids)
}

#[test]
fn ids_undo_another_order() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (values, ids) = shuffled();
    let rows = ids.len() as u64;
    let shape = [rows, CLASSES as u64];
    fs::write(at("t.npy"), array("<f4", &shape, bytes(&values))).unwrap();
    fs::write(at("ids.npy"), array("<i8", &[rows], bytes(&ids))).unwrap();
    // The same ids, a column of them.
    fs::write(at("column.npy"), array("<i8", &[rows, 1], bytes(&ids))).unwrap();
    let accuracy = |more: &str| compare(&short(more)).unwrap().methods[1].test_accuracy.mean;
    let in_order = accuracy(&format!(
        "teacher-logits = \"{}\"",
        here("teacher_train.npy")
    ));
    let given = format!("teacher-logits = \"{}\"", at("t.npy"));
    for ids in ["ids.npy", "column.npy"] {
        let by_id = accuracy(&format!("{given}\nteacher-ids = \"{}\"", at(ids)));
        assert_eq!(by_id, in_order, "{ids}");
    }

    // Ids that the data file has, which are others than the rows' numbers.
    let table = |from: &str, first: usize| {
        let text = fs::read_to_string(here(from)).unwrap();
        let line = |(i, line): (usize, &str)| match i {
            0 => format!("id,{line}\n"),
            i => format!("{},{line}\n", first + 10 * i),
        };
        fs::write(
            at(from),
            text.lines().enumerate().map(line).collect::<String>(),
        )
        .unwrap();
    };
    table("train.csv", 500);
    table("test.csv", 100_000);
    let in_data: Vec<i64> = ids.iter().map(|id| 500 + 10 * (id + 1)).collect();
    fs::write(at("of_data.npy"), array("<i8", &[rows], bytes(&in_data))).unwrap();
    let with_ids = |file: &str| {
        let mut setting = short(&format!("{given}\nteacher-ids = \"{}\"", at(file)));
        let source = data().replace(&here("train.csv"), &at("train.csv"));
        let source = source.replace(&here("test.csv"), &at("test.csv"));
        setting.data.source = source.parse().unwrap();
        compare(&setting)
    };
    let by_id = with_ids("of_data.npy").unwrap();
    assert_eq!(by_id.methods[1].test_accuracy.mean, in_order);
    let error = with_ids("ids.npy").unwrap_err().to_string();
    assert!(
        error.contains("no row for the data row with id 510"),
        "{error}"
    );
}

#[test]
fn ids_that_fit_nothing_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: Vec<u8>| {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let (values, ids) = shuffled();
    let rows = ids.len() as u64;
    let given = write(
        "t.npy",
        array("<f4", &[rows, CLASSES as u64], bytes(&values)),
    );
    let of = |ids: &[i64]| array("<i8", &[ids.len() as u64], bytes(ids));
    let (mut twice, mut absent) = (ids.clone(), ids.clone());
    twice[3] = twice[4];
    absent[1] = 777;
    let floats = vec![0.0f32; ids.len()];
    for (file, expected) in [
        (of(&twice), format!("id {} occurs twice", ids[4])),
        (of(&absent), "no row for the data row with number 0".into()),
        (of(&ids[1..]), "shape [150], but `".into()),
        (array("<f4", &[rows], bytes(&floats)), "not integers".into()),
        (
            array("<u8", &[rows], bytes(&vec![u64::MAX; ids.len()])),
            "beyond the range of i8".into(),
        ),
        (b"none".to_vec(), "ids.npy".into()),
    ] {
        let ids = write("ids.npy", file);
        let setting = short(&format!(
            "teacher-logits = \"{given}\"\nteacher-ids = \"{ids}\""
        ));
        let error = compare(&setting).unwrap_err().to_string();
        assert!(
            error.contains(&expected) && error.contains("ids.npy"),
            "{expected}: {error}"
        );
    }
    // Without ids the number of rows is held against the data's, and ids are the remedy.
    let error = compare(&short(&format!("teacher-logits = \"{given}\"")))
        .unwrap_err()
        .to_string();
    assert!(error.contains("match them with --teacher-ids"), "{error}");
    let alone = fused_kd::train::Setting::from_toml("data.teacher-ids = \"a\"").unwrap_err();
    assert_eq!(alone.key, "data.teacher-ids");
}
