//! Rows that the teacher gets wrong: the picture, and what each revision makes of the target.

use super::part::part;
use crate::report::svg::Svg;
use crate::train::{Picture, RevisedSample};
use maud::{Markup, html};
use std::fmt::Write;

const WIDTH: f64 = 250.0;
const HEAD: f64 = 68.0;
const PICTURE: f64 = 72.0;
/// Left and right of the bars.
const BARS: [f64; 2] = [38.0, 212.0];
/// From one row of bars to the next, and the height of a bar of probability 1.
const ROW: f64 = 44.0;
const FULL: f64 = 38.0;
/// Classes that are drawn at most, those that matter first.
const MOST_CLASSES: usize = 10;
/// Larger pictures than these are too many pixels to draw as shapes.
const MOST_PIXELS: usize = 64 * 64;
/// Levels that the style sheet has a shade for, besides none.
const GREYS: usize = 8;

const READING: &str = "The first training rows of seed 0 that the teacher misclassifies, and the target that each \
         revision gives the student at τ = 4. Bars are probabilities by class: blue the label, orange \
         the class that the teacher predicts. The number at the right is the label’s probability. Top \
         to bottom: the teacher’s own p, label revision (LR, η = 0.8), probability shift (PS), label \
         smoothing (LSR, ε = 0.1).";

/// Nothing when the teacher makes no mistake.
pub(super) fn section(samples: &[RevisedSample]) -> Markup {
    if samples.is_empty() {
        return html! {};
    }
    let cards = html! {
        div.panels { @for sample in samples { (card(sample)) } }
    };
    let reading = READING.to_owned()
        + match samples
            .iter()
            .any(|sample| sample.target.len() > MOST_CLASSES)
        {
            true => " Only the most probable classes are drawn.",
            false => "",
        };
    part(
        "How each revision changes the target",
        &reading,
        &["samples.csv", "samples.json"],
        cards,
    )
}

fn card(sample: &RevisedSample) -> Markup {
    let targets = [
        ("p", &sample.target),
        ("LR", &sample.label_revision),
        ("PS", &sample.probability_shift),
        ("LSR", &sample.label_smoothing),
    ];
    let classes = drawn_classes(sample);
    let picture = sample.picture.as_ref();
    let picture = picture.filter(|picture| picture.pixels.len() <= MOST_PIXELS);
    let head = if picture.is_some() { HEAD } else { HEAD - 14.0 };
    let height = head + ROW * targets.len() as f64 + 32.0;
    let label = format!(
        "Row {}: the teacher says {}, the label is {}",
        sample.row, sample.teacher_top, sample.label
    );
    Svg::draw([WIDTH, height], &label, |svg| {
        if let Some(picture) = picture {
            thumbnail(svg, picture);
        }
        words(
            svg,
            sample,
            if picture.is_some() {
                PICTURE + 14.0
            } else {
                4.0
            },
        );
        for (i, (name, target)) in targets.into_iter().enumerate() {
            let base = head + ROW * (i + 1) as f64;
            svg.text("name end", [BARS[0] - 8.0, base - 1.0], name);
            bars(svg, sample, &classes, target, base);
        }
        let bottom = head + ROW * targets.len() as f64;
        axis(svg, &classes, bottom + 13.0);
        svg.text(
            "small middle",
            [(BARS[0] + BARS[1]) / 2.0, bottom + 27.0],
            "class",
        );
        svg.text("small end", [WIDTH, head + 8.0], "probability");
    })
}

/// The numbers of the classes, unless they would stand on each other.
fn axis(svg: &mut Svg, classes: &[usize], y: f64) {
    for (i, class) in classes.iter().enumerate() {
        if classes.iter().all(|&class| class < 100) {
            let middle = slot(i, classes.len()) + width(classes.len()) / 2.0;
            svg.text("small middle", [middle, y], &class.to_string());
        }
    }
}

fn words(svg: &mut Svg, sample: &RevisedSample, x: f64) {
    let sure = 100.0 * sample.target.get(sample.teacher_top).unwrap_or(&f64::NAN);
    svg.text("small", [x, 14.0], &format!("row {}", sample.row));
    svg.text(
        "wrong",
        [x, 32.0],
        &format!("teacher: {} ({sure:.0} %)", sample.teacher_top),
    );
    svg.text("right", [x, 50.0], &format!("label: {}", sample.label));
    if sample.label_in_data != sample.label {
        let truth = format!("before noise: {}", sample.label_in_data);
        svg.text("small", [x, 66.0], &truth);
    }
}

/// The classes in their order; of many those with the largest targets, and always the label and
/// the teacher's answer.
fn drawn_classes(sample: &RevisedSample) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..sample.target.len()).collect();
    if classes.len() > MOST_CLASSES {
        let matters =
            |class: &usize| *class == sample.label as usize || *class == sample.teacher_top;
        let rank = |class: &usize| (matters(class), sample.target[*class]);
        classes.sort_by(|a, b| {
            let ((a, p), (b, q)) = (rank(a), rank(b));
            b.cmp(&a).then(q.total_cmp(&p))
        });
        classes.truncate(MOST_CLASSES);
        classes.sort_unstable();
    }
    classes
}

fn width(classes: usize) -> f64 {
    ((BARS[1] - BARS[0]) / classes as f64 - 2.0).min(24.0)
}

/// Where the bar of the class in place `i` begins.
fn slot(i: usize, classes: usize) -> f64 {
    BARS[0] + (width(classes) + 2.0) * i as f64
}

fn bars(svg: &mut Svg, sample: &RevisedSample, classes: &[usize], target: &[f64], base: f64) {
    svg.line("axis", [BARS[0], base], [BARS[1], base]);
    for (i, &class) in classes.iter().enumerate() {
        let look = match class {
            class if class == sample.label as usize => "at-label",
            class if class == sample.teacher_top => "at-error",
            _ => "elsewhere",
        };
        let height = FULL * target[class];
        let corner = [slot(i, classes.len()), base - height];
        svg.rect(look, corner, [width(classes.len()), height]);
    }
    let at_label = target.get(sample.label as usize).unwrap_or(&f64::NAN);
    svg.text(
        "value",
        [BARS[1] + 6.0, base - 1.0],
        &format!("{at_label:.2}"),
    );
}

/// One path per level of grey, of runs of equal pixels: small, and sharp at any size.
fn thumbnail(svg: &mut Svg, picture: &Picture) {
    let units = [picture.width as f64, picture.height as f64];
    let side = PICTURE / units[0].max(units[1]);
    let size = units.map(|pixels| pixels * side);
    svg.inset([0.0, 4.0], size, units, |svg| {
        svg.rect("paper", [0.0, 0.0], units);
        for (grey, d) in shades(picture).iter().enumerate() {
            svg.path(&format!("ink{}", grey + 1), d);
        }
    });
}

fn shades(picture: &Picture) -> [String; GREYS] {
    let level = levels(&picture.pixels);
    let mut shades = [const { String::new() }; GREYS];
    for (y, row) in picture.pixels.chunks_exact(picture.width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|&a, &b| level(a) == level(b)) {
            if let Some(grey) = level(run[0]).checked_sub(1) {
                let n = run.len();
                let _ = write!(shades[grey], "M{x} {y}h{n}v1h-{n}z");
            }
            x += run.len();
        }
    }
    shades
}

/// 0 for the picture's lowest value to [`GREYS`] for its highest.
fn levels(pixels: &[f32]) -> impl Fn(f32) -> usize {
    let low = pixels.iter().copied().fold(f32::INFINITY, f32::min);
    let high = pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    // Halved, so that the largest range there is stays finite.
    let range = (high / 2.0 - low / 2.0).max(f32::MIN_POSITIVE);
    move |value| ((value / 2.0 - low / 2.0) / range * GREYS as f32).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(classes: usize) -> RevisedSample {
        let mut target = vec![0.5 / (classes - 1) as f64; classes];
        target[1] = 0.5;
        RevisedSample {
            row: 7,
            label: 0,
            label_in_data: 2,
            teacher_top: 1,
            temperature: 4.0,
            label_revision: target.clone(),
            probability_shift: target.clone(),
            label_smoothing: target.clone(),
            target,
            picture: None,
        }
    }

    #[test]
    fn a_row_without_a_picture_has_bars_alone() {
        assert_eq!(section(&[]).into_string(), "");
        let text = card(&sample(3)).into_string();
        let document = roxmltree::Document::parse(&text).unwrap();
        let with = |class: &str| {
            let nodes = document.descendants();
            nodes
                .filter(|node| node.attribute("class") == Some(class))
                .count()
        };
        let bars = ["at-label", "at-error", "elsewhere", "paper"].map(with);
        assert_eq!(bars, [4, 4, 4, 0]);
        assert!(text.contains("teacher: 1 (50 %)") && text.contains("before noise: 2"));
    }

    #[test]
    fn of_many_classes_those_that_matter_are_drawn() {
        let mut sample = sample(1000);
        sample.label = 999;
        sample.target[500] = 0.1;
        let classes = drawn_classes(&sample);
        assert_eq!(classes.len(), MOST_CLASSES);
        assert!([1, 500, 999].iter().all(|class| classes.contains(class)));
        assert!(classes.is_sorted());
    }

    #[test]
    fn pixels_become_runs_of_shades() {
        let picture = |pixels: &[f32]| Picture {
            height: 2,
            width: pixels.len() / 2,
            pixels: pixels.to_vec(),
        };
        let drawn = shades(&picture(&[-4.0, 4.0, 4.0, 0.0, -4.0, -4.0]));
        assert_eq!(drawn[GREYS - 1], "M1 0h2v1h-2z");
        assert_eq!(drawn[GREYS / 2 - 1], "M0 1h1v1h-1z");
        assert_eq!(drawn.concat().matches('M').count(), 2);
        // One level throughout, and the widest range that there is.
        assert_eq!(shades(&picture(&[5.0; 4])).concat(), "");
        let wide = shades(&picture(&[f32::MIN, f32::MAX, 0.0, 0.0]));
        assert_eq!(wide[GREYS - 1], "M1 0h1v1h-1z");
    }
}
