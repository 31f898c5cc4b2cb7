//! Learning curves as small multiples: one panel per method, with kd behind each.

use super::part::part;
use crate::report::scale::{Scale, extent};
use crate::report::svg::{Point, Svg};
use crate::train::{Curve, MethodResult, Spread};
use maud::{Markup, html};

const SIZE: Point = [250.0, 194.0];
/// Left, top, right and bottom of the plot.
const FRAME: [f64; 4] = [40.0, 38.0, 238.0, 158.0];
/// More points of a curve than these cannot be seen.
const MOST_POINTS: usize = 200;

/// What is drawn over epochs.
struct Quantity {
    name: &'static str,
    /// The title of the axis.
    axis: &'static str,
    of: fn(&Curve) -> Vec<f64>,
    /// Whether methods can be compared in it.
    shared: bool,
    /// After the point.
    digits: usize,
}

const VALIDATION: Quantity = Quantity {
    name: "validation accuracy",
    axis: "validation accuracy, %",
    of: |curve| percent(&curve.validation),
    shared: true,
    digits: 2,
};
const TEST: Quantity = Quantity {
    name: "test accuracy",
    axis: "test accuracy, %",
    of: |curve| percent(&curve.test),
    shared: true,
    digits: 2,
};
const LOSS: Quantity = Quantity {
    name: "loss",
    axis: "training loss",
    of: |curve| curve.loss.iter().map(|&loss| f64::from(loss)).collect(),
    shared: false,
    digits: 3,
};

fn percent(shares: &[f64]) -> Vec<f64> {
    shares.iter().map(|share| 100.0 * share).collect()
}

pub(super) fn section(methods: &[MethodResult]) -> Markup {
    let panels = html! {
        h3 { "Validation accuracy" }
        (panels(methods, &VALIDATION))
        details { summary { "Test accuracy" } (panels(methods, &TEST)) }
        details {
            summary { "Training loss" }
            p.reading { "Each method minimises another loss: compare the shapes, not the values." }
            (panels(methods, &LOSS))
        }
    };
    part(
        "Learning curves",
        "Blue: mean over seeds ± one standard deviation, at the learning rate that the method chose. \
         Grey: kd. The number is the value after the last epoch. All panels have the same scale, which \
         may cut off the first epochs.",
        &["curves.csv", "curves.json"],
        panels,
    )
}

/// Mean and standard deviation over seeds, epoch by epoch.
struct Series(Vec<Spread>);

impl Series {
    fn new(method: &MethodResult, quantity: &Quantity) -> Self {
        let curves: Vec<Vec<f64>> = method.curves.iter().map(quantity.of).collect();
        let epochs = curves.iter().map(Vec::len).min().unwrap_or(0);
        let of = |epoch: usize| Spread::of(curves.iter().map(|curve| curve[epoch]).collect());
        Self((0..epochs).map(of).collect())
    }

    /// From the epoch on by which a curve has left its beginning, which would flatten the rest.
    fn settled(&self) -> impl Iterator<Item = f64> {
        let settled = &self.0[self.0.len() / 4..];
        settled
            .iter()
            .flat_map(|spread| [spread.mean - spread.std, spread.mean + spread.std])
    }

    /// Epochs (from 1) that are drawn: the last one, and others at equal steps from it.
    fn drawn(&self) -> impl Iterator<Item = (f64, &Spread)> {
        let step = self.0.len().div_ceil(MOST_POINTS).max(1);
        let offset = self.0.len().saturating_sub(1) % step;
        let epochs = self.0.iter().enumerate().skip(offset).step_by(step);
        epochs.map(|(epoch, spread)| ((epoch + 1) as f64, spread))
    }
}

fn panels(methods: &[MethodResult], quantity: &Quantity) -> Markup {
    let series = methods.iter().map(|method| Series::new(method, quantity));
    let series: Vec<(&str, Series)> = methods
        .iter()
        .map(|m| m.name.as_str())
        .zip(series)
        .collect();
    let reference = series
        .iter()
        .find(|(name, _)| *name == "kd" && quantity.shared);
    let settled = series.iter().flat_map(|(_, series)| series.settled());
    // A mean and its deviation may lie outside of what there can be.
    let common = extent(settled.map(|value| value.clamp(0.0, 100.0)));
    html! {
        div.panels {
            @for (name, series) in &series {
                @let domain = match quantity.shared {
                    true => common,
                    // From 0, so that a loss that hardly falls looks like it.
                    false => extent(series.settled().chain([0.0])),
                };
                @let reference = reference.filter(|(kd, _)| kd != name);
                (panel(name, series, reference.map(|(_, series)| series), domain, quantity))
            }
        }
    }
}

fn panel(
    name: &str,
    series: &Series,
    reference: Option<&Series>,
    domain: [f64; 2],
    quantity: &Quantity,
) -> Markup {
    let [left, top, right, bottom] = FRAME;
    let size = [right - left, bottom - top];
    let x = Scale::new([1.0, series.0.len() as f64], [0.0, size[0]], 4);
    let y = Scale::round(domain, [size[1], 0.0], 6);
    let last = series.0.last().map_or(f64::NAN, |spread| spread.mean);
    let last_text = match last.is_finite() {
        true => format!("{last:.0$}", quantity.digits),
        false => "diverged".to_owned(),
    };
    let label = format!(
        "{} of {name} over epochs, {last_text} after the last",
        quantity.name
    );
    Svg::draw(SIZE, &label, |svg| {
        svg.text("name", [left, 14.0], name);
        svg.text("value end", [right, 14.0], &last_text);
        axes(svg, &x, &y, quantity.axis);
        svg.inset([left, top], size, size, |svg| {
            if series.0.iter().any(|spread| spread.std > 0.0) {
                let band = series.drawn().map(|(epoch, Spread { mean, std, .. })| {
                    [x.at(epoch), y.at(mean - std), y.at(mean + std)]
                });
                svg.band("band", &band.collect::<Vec<_>>());
            }
            if let Some(reference) = reference {
                svg.curve("reference", &mean(reference, &x, &y));
            }
            svg.curve("curve", &mean(series, &x, &y));
        });
        let end = [left + x.at(series.0.len() as f64), top + y.at(last)];
        if (top..=bottom).contains(&end[1]) {
            svg.dot("end-point", end, 2.5);
        }
    })
}

fn mean(series: &Series, x: &Scale, y: &Scale) -> Vec<Point> {
    let points = series.drawn();
    points
        .map(|(epoch, spread)| [x.at(epoch), y.at(spread.mean)])
        .collect()
}

fn axes(svg: &mut Svg, x: &Scale, y: &Scale, title: &str) {
    let [left, top, right, bottom] = FRAME;
    svg.text("tick", [4.0, top - 9.0], title);
    svg.text("tick end", [right, bottom + 30.0], "epoch");
    for tick in y.ticks() {
        let at = top + y.at(tick);
        svg.line("grid", [left, at], [right, at]);
        svg.text("tick end", [left - 5.0, at + 4.0], &y.label(tick));
    }
    // There are no half epochs.
    for tick in x.ticks().into_iter().filter(|tick| tick.fract() == 0.0) {
        let place = [left + x.at(tick), bottom + 15.0];
        svg.text("tick middle", place, &format!("{tick:.0}"));
    }
}
