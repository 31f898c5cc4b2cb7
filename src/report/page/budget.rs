//! Accuracy against the share of rows that the teacher supervises, one line per score.

use super::part::part;
use crate::report::scale::{Scale, extent};
use crate::report::svg::{Point, Svg};
use crate::report::table::{accuracy, difference, leaves_out_zero};
use crate::train::BudgetPoint;
use maud::{Markup, html};

const SIZE: Point = [540.0, 330.0];
/// Left, top, right and bottom of the plot. Names stand left of it, where lines differ most: with
/// all rows they are one.
const FRAME: [f64; 4] = [146.0, 26.0, 500.0, 282.0];
const CONTROL: &str = "random";
/// Colours of the style sheet.
const COLOURS: usize = 8;
/// Between the names of two lines.
const LINE_HEIGHT: f64 = 15.0;

/// Nothing when no budget was tried.
pub(super) fn section(points: &[BudgetPoint]) -> Markup {
    if points.is_empty() {
        return html! {};
    }
    let methods = distinct(points.iter().map(|point| point.method.as_str()));
    let scores = distinct(points.iter().map(|point| point.score.as_str()));
    let figures = html! {
        div.wide {
            @for method in methods {
                @let points: Vec<_> = points.iter().filter(|point| point.method == method).collect();
                figure {
                    figcaption { b { (method) } ": test accuracy by the share of rows with a teacher" }
                    (plot(method, &points, &scores))
                }
            }
        }
    };
    part(
        "How many rows need a teacher?",
        "Each line ranks the training rows by one score. The teacher supervises the share with the \
         highest ranks; the other rows have only their labels. The grey line ranks at random, ± one \
         standard deviation. Full points differ from random: the 95 % confidence interval of the \
         difference excludes 0.",
        &["budget.csv", "results.json"],
        figures,
    )
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for name in names {
        if !distinct.contains(&name) {
            distinct.push(name);
        }
    }
    distinct
}

fn plot(method: &str, points: &[&BudgetPoint], scores: &[&str]) -> Markup {
    let [left, top, right, bottom] = FRAME;
    let x = extent(points.iter().map(|point| 100.0 * point.fraction));
    let x = Scale::new(x, [left, right], 5);
    let y = Scale::round(
        extent(points.iter().flat_map(|point| reach(point))),
        [bottom, top],
        6,
    );
    let label = format!("Test accuracy of {method} by the share of rows with a teacher");
    Svg::draw(SIZE, &label, |svg| {
        axes(svg, &x, &y);
        let mut starts = Vec::new();
        for (i, score) in scores.iter().enumerate() {
            let mut line: Vec<_> = points
                .iter()
                .filter(|point| point.score == *score)
                .collect();
            line.sort_by(|a, b| a.fraction.total_cmp(&b.fraction));
            let class = match *score {
                CONTROL => "score control".to_owned(),
                _ => format!("score colour{}", i % COLOURS),
            };
            draw(svg, &class, &line, &x, &y);
            let first = line.first();
            let first = first.map(|point| y.at(100.0 * point.test_accuracy.mean));
            starts.extend(first.map(|at| (at, class, *score)));
        }
        for (at, class, score) in apart(starts) {
            svg.text(&format!("{class} name end"), [left - 10.0, at + 4.0], score);
        }
    })
}

/// What the scale has to hold, in percent: the control's band too.
fn reach(point: &BudgetPoint) -> [f64; 2] {
    let std = if point.score == CONTROL {
        point.test_accuracy.std
    } else {
        0.0
    };
    let mean = point.test_accuracy.mean;
    [mean - std, mean + std].map(|share| 100.0 * share.clamp(0.0, 1.0))
}

fn axes(svg: &mut Svg, x: &Scale, y: &Scale) {
    let [left, _, right, bottom] = FRAME;
    for tick in y.ticks() {
        svg.line("grid", [left, y.at(tick)], [right, y.at(tick)]);
        svg.text("tick", [right + 8.0, y.at(tick) + 4.0], &y.label(tick));
    }
    for tick in x.ticks() {
        svg.text(
            "tick middle",
            [x.at(tick), bottom + 17.0],
            &format!("{tick:.0} %"),
        );
    }
    let middle = (left + right) / 2.0;
    svg.text(
        "tick middle",
        [middle, bottom + 38.0],
        "training rows with a teacher",
    );
    svg.text("tick end", [SIZE[0] - 2.0, 12.0], "test accuracy, %");
}

fn draw(svg: &mut Svg, class: &str, line: &[&&BudgetPoint], x: &Scale, y: &Scale) {
    let at = |point: &BudgetPoint| {
        [
            x.at(100.0 * point.fraction),
            y.at(100.0 * point.test_accuracy.mean),
        ]
    };
    svg.group(class, |svg| {
        if class.ends_with("control") {
            let band = line.iter().map(|point| {
                let [low, high] = reach(point);
                [at(point)[0], y.at(low), y.at(high)]
            });
            svg.band("band", &band.collect::<Vec<_>>());
        }
        svg.curve(
            "curve",
            &line.iter().map(|point| at(point)).collect::<Vec<_>>(),
        );
        for point in line {
            let is_clear = point.vs_random.as_ref().is_some_and(leaves_out_zero);
            let class = if is_clear { "point" } else { "hollow" };
            svg.explained(class, &title(point), |svg| svg.dot("", at(point), 3.5));
        }
    });
}

fn title(point: &BudgetPoint) -> String {
    let vs_random = point.vs_random.as_ref();
    format!(
        "{}, {:.0} %: {}{}",
        point.score,
        100.0 * point.fraction,
        accuracy(&point.test_accuracy, &point.diverged),
        vs_random.map_or_else(String::new, |paired| {
            format!("; gain over random {}", difference(paired))
        })
    )
}

/// Names in the order in which their lines begin, moved down so that none stands on another, and up
/// again as a whole where they would leave the plot.
fn apart(mut starts: Vec<(f64, String, &str)>) -> Vec<(f64, String, &str)> {
    starts.retain(|(at, ..)| at.is_finite());
    starts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut least = f64::NEG_INFINITY;
    for (at, ..) in &mut starts {
        *at = at.max(least);
        least = *at + LINE_HEIGHT;
    }
    let mut most = FRAME[3];
    for (at, ..) in starts.iter_mut().rev() {
        *at = at.min(most);
        most = *at - LINE_HEIGHT;
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{Paired, Spread};

    fn point(score: &str, fraction: f64, mean: f64) -> BudgetPoint {
        let accuracy = Spread::of(vec![mean - 0.01, mean, mean + 0.01]);
        let random = Spread::of(vec![0.8, 0.82, 0.81]);
        BudgetPoint {
            method: "lr".to_owned(),
            score: score.to_owned(),
            fraction,
            diverged: Vec::new(),
            vs_random: (score != CONTROL).then(|| Paired::difference(&accuracy, &random)),
            test_accuracy: accuracy,
        }
    }

    #[test]
    fn a_line_per_score_in_the_order_of_fractions() {
        assert_eq!(section(&[]).into_string(), "");
        let points = [
            point(CONTROL, 0.5, 0.81),
            point("el2n <b>", 1.0, 0.9),
            point("el2n <b>", 0.25, 0.85),
            point(CONTROL, 1.0, 0.9),
        ];
        let text = section(&points).into_string();
        let document = roxmltree::Document::parse(&text).unwrap();
        let with = |class: &str| {
            let nodes = document.descendants();
            nodes
                .filter(|node| node.attribute("class") == Some(class))
                .count()
        };
        assert_eq!((with("curve"), with("band")), (2, 1));
        assert_eq!((with("point"), with("hollow")), (2, 2));
        // From the quarter to the end, left to right.
        assert!(text.contains("d=\"M146 "), "{text}");
        assert!(text.contains("el2n &lt;b&gt;"));
        assert!(!text.contains("NaN") && !text.contains("inf\""));
    }

    #[test]
    fn names_keep_apart_and_inside() {
        let bottom = FRAME[3];
        let starts = [bottom, bottom, 20.0, 21.0, f64::NAN].map(|at| (at, String::new(), ""));
        let at: Vec<f64> = apart(starts.to_vec()).iter().map(|start| start.0).collect();
        assert_eq!(at, [20.0, 35.0, bottom - LINE_HEIGHT, bottom]);
    }
}
