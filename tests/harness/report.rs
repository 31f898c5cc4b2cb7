//! `report.html` and the files beside it: whole, true to the numbers, and in need of nothing.

use assert_cmd::Command;
use roxmltree::{Document, Node};
use serde_json::Value;
use std::fs;
use std::path::Path;

const SHORT: [&str; 5] = ["compare", "--teacher-epochs", "3", "--out", "out"];

/// What a run leaves in its directory.
struct Results(tempfile::TempDir);

impl Results {
    fn of(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::at(directory, arguments)
    }

    fn at(directory: tempfile::TempDir, arguments: &[&str]) -> Self {
        let mut command = Command::cargo_bin("fused-kd").unwrap();
        let run = command.args(SHORT).args(arguments);
        if !arguments.contains(&"--epochs") {
            run.args(["--epochs", "3"]);
        }
        run.current_dir(&directory).assert().success();
        Self(directory)
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join("out").join(file)).unwrap()
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_str(&self.text(file)).unwrap()
    }

    /// The page as XML, which it is but for the elements that HTML never closes.
    fn page(&self) -> String {
        let html = self.text("report.html");
        let html = html.strip_prefix("<!DOCTYPE html>").unwrap();
        let mut page = String::new();
        for (i, part) in html.replace("<br>", "<br/>").split("<meta ").enumerate() {
            let rest = if i == 0 {
                part
            } else {
                part.split_once('>').unwrap().1
            };
            page += rest;
        }
        page
    }
}

fn with_class<'a>(page: &'a Document, class: &'a str) -> Vec<Node<'a, 'a>> {
    let nodes = page.descendants();
    nodes
        .filter(|node| node.attribute("class") == Some(class))
        .collect()
}

fn headings<'a>(page: &'a Document) -> Vec<&'a str> {
    let nodes = page.descendants();
    nodes
        .filter(|node| node.has_tag_name("h2"))
        .filter_map(|node| node.text())
        .collect()
}

/// Parses, asks for nothing from elsewhere, and places nothing at a number that is none.
fn check(results: &Results) {
    let html = results.text("report.html");
    for word in [
        "http://", "https://", "src=", "href=", "@import", "url(", "<script", "<link", "<iframe",
        "<object", "<img", "NaN",
    ] {
        assert!(!html.contains(word), "{word}");
    }
    let page = results.page();
    let page = Document::parse(&page).unwrap();
    for node in page.descendants().filter(Node::is_element) {
        for attribute in node.attributes() {
            let number = attribute.value().parse::<f64>();
            assert!(number.is_ok_and(f64::is_finite) || !is_geometry(attribute.name()));
        }
        if let Some(d) = node.attribute("d") {
            let letters = d.chars().all(|c| "MLhvz0123456789.- ".contains(c));
            assert!(letters && d.starts_with('M'), "{d}");
        }
    }
}

fn is_geometry(name: &str) -> bool {
    let names = [
        "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "width", "height",
    ];
    names.contains(&name)
}

#[test]
fn the_table_has_the_numbers_of_the_json() {
    let results = Results::of(&["--methods", "ce,kd,lr", "--seeds", "3"]);
    check(&results);
    let json = results.json("results.json");
    let page = results.page();
    let page = Document::parse(&page).unwrap();
    let table = with_class(&page, "results")[0];
    let body = table
        .children()
        .find(|node| node.has_tag_name("tbody"))
        .unwrap();
    let read: Vec<Vec<String>> = body
        .children()
        .map(|row| {
            row.children()
                .map(|cell| cell.text().unwrap_or("").to_owned())
                .collect()
        })
        .collect();
    let methods = json["methods"].as_array().unwrap();
    let expected: Vec<Vec<String>> = methods.iter().map(cells).collect();
    assert_eq!(read, expected);
    // The teacher's reliability, in the headline and again beside the diagram.
    let teacher = &json["teacher"];
    let text = results.text("report.html");
    for share in ["wrong_train_labels", "test_calibration_error"] {
        assert!(text.contains(&format!(
            ">{:.1} %<",
            100.0 * teacher[share].as_f64().unwrap()
        )));
    }
    assert!(text.contains(&spread(&teacher["test_accuracy_over_seeds"])));
}

/// The cells of a method, from the JSON alone.
fn cells(method: &Value) -> Vec<String> {
    let percent = |value: &Value| format!("{:.2}", 100.0 * value.as_f64().unwrap());
    let signed = |value: &Value| format!("{:+.2}", 100.0 * value.as_f64().unwrap());
    let name = method["name"].as_str().unwrap();
    let paired = &method["vs_kd"];
    let [low, high] = [0, 1].map(|end| signed(&paired["interval"][end]));
    let difference = match name {
        "kd" => String::new(),
        _ => format!("{} [{low}, {high}]", signed(&paired["mean"])).replace('-', "−"),
    };
    vec![
        name.to_owned(),
        spread(&method["test_accuracy"]),
        difference,
        percent(&method["best_validation_test_accuracy"]["mean"]),
        method["learning_rate"].to_string(),
    ]
}

fn spread(value: &Value) -> String {
    let percent = |key: &str| 100.0 * value[key].as_f64().unwrap();
    format!("{:.2} ± {:.2}", percent("mean"), percent("std"))
}

#[test]
fn the_same_run_writes_the_same_bytes() {
    let arguments = ["--methods", "kd,lr", "--seeds", "2", "--lr-grid", "0.05"];
    let runs = [(); 2].map(|()| Results::of(&arguments));
    for file in [
        "report.html",
        "results.csv",
        "differences.csv",
        "curves.json",
        "curves.csv",
        "reliability.csv",
        "budget.csv",
        "samples.json",
        "samples.csv",
    ] {
        let texts = [0, 1].map(|run| without_provenance(&runs[run].text(file)));
        assert_eq!(texts[0], texts[1], "{file}");
    }
}

/// A page without the command, the time and the machine.
fn without_provenance(page: &str) -> String {
    match page.split_once("<dl class=\"facts run\">") {
        None => page.to_owned(),
        Some((before, after)) => before.to_owned() + after.split_once("</dl>").unwrap().1,
    }
}

#[test]
fn the_page_says_where_it_comes_from() {
    let results = Results::of(&["--methods", "kd", "--seeds", "1", "--lr-grid", "0.05"]);
    let page = results.page();
    let page = Document::parse(&page).unwrap();
    let facts = with_class(&page, "facts run")[0];
    let facts: Vec<&str> = facts.descendants().filter_map(|node| node.text()).collect();
    let facts = facts.join("\n");
    for words in [
        "fused-kd compare --teacher-epochs 3 --out out --methods kd",
        concat!(" UTC, fused-kd ", env!("CARGO_PKG_VERSION")),
        " core",
        "; engine cpu",
        " seconds",
    ] {
        assert!(facts.contains(words), "{words}: {facts}");
    }
    // Settings in full, each as a value: no JSON.
    let settings = with_class(&page, "settings")[0];
    let values = settings.descendants().filter_map(|node| node.text());
    let values: Vec<&str> = values.collect();
    assert!(values.contains(&"student.optimiser.kind"), "{values:?}");
    assert!(!values.iter().any(|text| text.contains('{')), "{values:?}");
}

/// Every chart says what its axes are.
#[test]
fn axes_have_titles() {
    let arguments = ["--methods", "kd,lr-ds", "--seeds", "2", "--lr-grid", "0.05"];
    let budget = ["--fractions", "0.5,1", "--scores", "el2n,random"];
    let results = Results::of(&[&arguments[..], &budget].concat());
    let page = results.page();
    let page = Document::parse(&page).unwrap();
    let texts: Vec<&str> = page
        .descendants()
        .filter(|node| node.has_tag_name("text"))
        .filter_map(|node| node.text())
        .collect();
    for title in [
        "gain over kd, points of test accuracy",
        "epoch",
        "validation accuracy, %",
        "test accuracy, %",
        "training loss",
        "accuracy",
        "number of rows",
        "teacher’s confidence",
        "training rows with a teacher",
        "class",
        "probability",
    ] {
        assert!(texts.contains(&title), "{title}");
    }
}

#[test]
fn everything_that_is_drawn_is_in_the_files() {
    let results = Results::of(&["--methods", "ce,kd,lr", "--seeds", "2", "--lr-grid", "0.05"]);
    let json = results.json("results.json");
    let lines = |file: &str| results.text(file).lines().count() - 1;
    for file in [
        "results.csv",
        "differences.csv",
        "curves.csv",
        "reliability.csv",
        "samples.csv",
    ] {
        let text = results.text(file);
        let columns = |line: &str| line.split(',').count();
        let heading = columns(text.lines().next().unwrap());
        assert!(text.lines().all(|line| columns(line) == heading), "{file}");
    }
    assert_eq!(lines("differences.csv"), 2 + 2 + 2);
    assert_eq!(lines("similarity.csv"), 0);
    assert_eq!(lines("curves.csv"), 3 * 2 * 3);
    let curves = results.json("curves.json");
    assert_eq!(curves["lr"][1]["validation"].as_array().unwrap().len(), 3);
    assert_eq!(lines("budget.csv"), 0);

    let bins = json["reliability"].as_array().unwrap();
    assert_eq!(bins.len(), lines("reliability.csv"));
    let rows: u64 = bins.iter().map(|bin| bin["rows"].as_u64().unwrap()).sum();
    assert_eq!(rows, 2 * json["rows"]["test"].as_u64().unwrap());

    let samples = results.json("samples.json");
    let samples = samples.as_array().unwrap();
    assert_eq!(lines("samples.csv"), 10 * samples.len());
    let page = results.page();
    let page = Document::parse(&page).unwrap();
    assert_eq!(with_class(&page, "bin").len(), bins.len());
    assert_eq!(with_class(&page, "paper").len(), samples.len());
    assert_eq!(with_class(&page, "at-label").len(), 4 * samples.len());
    let titles = headings(&page);
    assert_eq!(titles.len(), 5, "{titles:?}");
}

/// Where a method has feature terms, all methods tell what their halves are like.
#[test]
fn similarities_are_told() {
    let results = Results::of(&["--methods", "kd,ie-kd", "--seeds", "2", "--lr-grid", "0.05"]);
    let json = results.json("results.json");
    assert!(json["teacher"]["reconstruction_error"].as_f64().unwrap() > 0.0);
    let text = results.text("similarity.csv");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 2 * 2);
    for (method, lines) in json["methods"]
        .as_array()
        .unwrap()
        .iter()
        .zip(lines[1..].chunks(2))
    {
        for (seed, line) in lines.iter().enumerate() {
            let parts = [
                "inherit_before",
                "inherit_after",
                "explore_before",
                "explore_after",
            ];
            let values = parts.map(|part| {
                let value = method["similarity"][part]["per_seed"][seed]
                    .as_f64()
                    .unwrap();
                assert!((0.0..=1.0).contains(&value), "{value}");
                value.to_string()
            });
            let name = method["name"].as_str().unwrap();
            let start = format!("{name},{seed},{},", values.join(","));
            assert!(line.starts_with(&start), "{line}");
            let distances: Vec<&str> = line[start.len()..].split(',').collect();
            let are_numbers = |d: &&str| d.parse::<f64>().is_ok() == (name == "ie-kd");
            assert!(
                distances.len() == 4 && distances.iter().all(are_numbers),
                "{line}"
            );
        }
    }
    let page = results.page();
    let page = Document::parse(&page).unwrap();
    assert_eq!(with_class(&page, "results").len(), 2);
    let titles = headings(&page);
    assert!(titles.contains(&"What do the halves learn?"), "{titles:?}");
}

#[test]
fn scenarios_and_budgets_are_told() {
    let scenario = [
        "--scenario",
        "scarce-labels",
        "--data",
        "synthetic:rows=600",
    ];
    let budget = ["--fractions", "0.25,1", "--scores", "el2n,random"];
    let short = ["--methods", "ce,lr-ds", "--seeds", "2", "--lr-grid", "0.05"];
    let results = Results::of(&[&scenario[..], &budget, &short].concat());
    check(&results);
    let page = results.page();
    let page = Document::parse(&page).unwrap();
    assert!(headings(&page).contains(&"How many rows need a teacher?"));
    let points = results.text("budget.csv").lines().count() - 1;
    assert_eq!(
        with_class(&page, "point").len() + with_class(&page, "hollow").len(),
        points + results.text("reliability.csv").lines().count() - 1
    );
    let facts = with_class(&page, "facts")[0];
    let facts: Vec<&str> = facts.descendants().filter_map(|node| node.text()).collect();
    for words in [
        "scarce-labels: ",
        "no classifier can exceed",
        "100 of them labelled",
    ] {
        assert!(facts.iter().any(|fact| fact.contains(words)), "{facts:?}");
    }
}

#[test]
fn a_page_of_little_is_a_page() {
    let one = Results::of(&["--methods", "kd", "--seeds", "1", "--lr-grid", "0.05"]);
    check(&one);
    let page = one.page();
    let page = Document::parse(&page).unwrap();
    assert!(!headings(&page).iter().any(|title| title.contains("Gain")));
    assert!(with_class(&page, "band").is_empty(), "a band of one seed");

    let without_kd = Results::of(&["--methods", "ce,lr", "--seeds", "2", "--epochs", "1"]);
    check(&without_kd);
    let page = without_kd.page();
    let page = Document::parse(&page).unwrap();
    assert!(with_class(&page, "reference").is_empty());
    assert!(headings(&page).iter().any(|title| title.contains("Gain")));
}

#[test]
fn runs_that_diverge_are_drawn_as_far_as_they_go() {
    check(&Results::of(&[
        "--methods",
        "kd,lr-mse",
        "--seeds",
        "2",
        "--lr-grid",
        "1e9",
    ]));
}

#[test]
fn rows_that_are_no_pictures_have_bars_alone() {
    let directory = tempfile::tempdir().unwrap();
    write_table(&directory.path().join("a&b.csv"));
    let arguments = [
        "--data",
        "csv:a&b.csv",
        "--seeds",
        "2",
        "--methods",
        "kd,lr",
    ];
    let noise = ["--label-noise", "0.3", "--lr-grid", "0.05"];
    let results = Results::at(directory, &[&arguments[..], &noise].concat());
    check(&results);
    let page = results.page();
    let page = Document::parse(&page).unwrap();
    assert!(with_class(&page, "paper").is_empty());
    assert!(!with_class(&page, "at-label").is_empty());
    let samples = results.json("samples.json");
    let samples = samples.as_array().unwrap();
    let replaced = samples
        .iter()
        .filter(|sample| sample["label"] != sample["label_in_data"]);
    assert!(replaced.count() > 0);
}

/// Three classes side by side on a line, with a feature that says nothing.
fn write_table(path: &Path) {
    let line = |i: usize| format!("{},{},{}\n", i % 3 * 10 + i % 7, i % 5, i % 3);
    fs::write(path, (0..150).map(line).collect::<String>()).unwrap();
}
