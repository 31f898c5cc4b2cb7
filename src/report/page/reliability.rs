//! The teachers' reliability diagram, and how many rows are behind each bin.

use super::part::part;
use crate::report::scale::{Scale, extent};
use crate::report::svg::{Point, Svg};
use crate::train::{Comparison, ReliabilityBin};
use maud::{Markup, html};

const SIZE: Point = [560.0, 430.0];
const LEFT: f64 = 46.0;
const RIGHT: f64 = 536.0;
/// Top and bottom of the diagram, then of the bars.
const DIAGRAM: [f64; 2] = [8.0, 288.0];
const BARS: [f64; 2] = [326.0, 392.0];
/// Fewer rows than these make a weak mean.
const FEW: usize = 20;

pub(super) fn section(comparison: &Comparison) -> Markup {
    let bins = &comparison.reliability;
    let rows: usize = bins.iter().map(|bin| bin.rows).sum();
    let Some(error) = comparison
        .teacher
        .test_calibration_error
        .filter(|_| rows > 0)
    else {
        return html! {};
    };
    let mean = |of: fn(&ReliabilityBin) -> f64| {
        let sum: f64 = bins.iter().map(|bin| of(bin) * bin.rows as f64).sum();
        100.0 * sum / rows as f64
    };
    let error = 100.0 * error;
    let beside = html! {
        div.aside {
            figure { (diagram(bins)) }
            dl.facts {
                dt { (format!("{error:.1} %")) }
                dd { "calibration error: mean gap between confidence and accuracy, averaged over seeds" }
                dt { (format!("{:.1} %", mean(|bin| (bin.confidence - bin.accuracy).abs()))) }
                dd { "calibration error of all seeds pooled, as drawn; single seeds have fewer rows per bin and more noise" }
                dt { (format!("{:.1} %", mean(|bin| bin.confidence))) }
                dd { "mean confidence" }
                dt { (format!("{:.1} %", mean(|bin| bin.accuracy))) }
                dd { "accuracy" }
            }
        }
    };
    part(
        "Calibration of the teacher",
        "Test rows of all seeds, in 15 bins of the teacher’s confidence. On the dashed line its \
         accuracy equals its confidence; below the line it is overconfident, above underconfident. \
         Hollow points stand for fewer than 20 rows.",
        &["reliability.csv", "results.json"],
        beside,
    )
}

fn diagram(bins: &[ReliabilityBin]) -> Markup {
    let x = Scale::new([0.0, 1.0], [LEFT, RIGHT], 5);
    let y = Scale::new([0.0, 1.0], [DIAGRAM[1], DIAGRAM[0]], 5);
    Svg::draw(SIZE, "Accuracy of the teacher by its confidence", |svg| {
        for tick in y.ticks() {
            let text = format!("{:.0} %", 100.0 * tick);
            svg.line("grid", [LEFT, y.at(tick)], [RIGHT, y.at(tick)]);
            svg.text("tick end", [LEFT - 6.0, y.at(tick) + 4.0], &text);
            svg.text("tick middle", [x.at(tick), BARS[1] + 16.0], &text);
        }
        svg.text("tick", [LEFT + 4.0, DIAGRAM[0] + 12.0], "accuracy");
        svg.text("tick", [LEFT + 4.0, BARS[0] - 14.0], "number of rows");
        svg.text("tick end", [RIGHT, BARS[1] + 34.0], "teacher’s confidence");
        svg.line("diagonal", [x.at(0.0), y.at(0.0)], [x.at(1.0), y.at(1.0)]);
        let most = extent(bins.iter().map(|bin| bin.rows as f64))[1];
        let height = Scale::new([0.0, most], [0.0, BARS[1] - BARS[0]], 2);
        svg.line("axis", [LEFT, BARS[1]], [RIGHT, BARS[1]]);
        for bin in bins {
            draw(svg, bin, &x, &y, height.at(bin.rows as f64));
        }
    })
}

fn draw(svg: &mut Svg, bin: &ReliabilityBin, x: &Scale, y: &Scale, height: f64) {
    let title = format!(
        "{} rows: confidence {:.1} %, accuracy {:.1} %",
        bin.rows,
        100.0 * bin.confidence,
        100.0 * bin.accuracy
    );
    let (from, to) = (x.at(bin.from) + 1.0, x.at(bin.to) - 1.0);
    let (here, middle) = (x.at(bin.confidence), (from + to) / 2.0);
    svg.explained("bin", &title, |svg| {
        svg.rect(
            "bar",
            [from, y.at(bin.accuracy)],
            [to - from, y.at(0.0) - y.at(bin.accuracy)],
        );
        svg.line(
            "gap",
            [here, y.at(bin.confidence)],
            [here, y.at(bin.accuracy)],
        );
        let class = if bin.rows < FEW { "hollow" } else { "point" };
        svg.dot(class, [here, y.at(bin.accuracy)], 4.0);
        svg.rect("count", [from, BARS[1] - height], [to - from, height]);
        let place = [middle, BARS[1] - height - 4.0];
        svg.text("small middle", place, &bin.rows.to_string());
    });
}
