//! Each method's difference to kd and to ce, with its interval.

use super::part::{minus, part};
use crate::report::scale::{Scale, extent};
use crate::report::svg::Svg;
use crate::report::table::{difference, leaves_out_zero};
use crate::train::{MethodResult, Paired};
use maud::{Markup, html};

/// More dots than these say nothing.
const MOST_SEEDS: usize = 20;
const WIDTH: f64 = 588.0;
const ROW: f64 = 28.0;
const TOP: f64 = 8.0;
const LEFT: f64 = 94.0;
const RIGHT: f64 = 392.0;

type Row<'a> = (&'a str, &'a Paired);

pub(super) fn section(methods: &[MethodResult]) -> Markup {
    let against = |other: &'static str, of: fn(&MethodResult) -> &Option<Paired>| {
        let others = methods.iter().filter(|method| method.name != other);
        let rows = others.filter_map(|method| Some((method.name.as_str(), of(method).as_ref()?)));
        (other, rows.collect::<Vec<Row>>())
    };
    let mut plots = vec![
        against("kd", |method| &method.vs_kd),
        against("ce", |method| &method.vs_ce),
    ];
    plots.retain(|(_, rows)| !rows.is_empty());
    if plots.is_empty() {
        return html! {};
    }
    // One scale, so that both plots can be compared.
    let rows = plots.iter().flat_map(|(_, rows)| rows);
    let domain = extent(rows.flat_map(|(_, paired)| reach(paired)).chain([0.0]));
    let figures = html! {
        div.wide {
            @for (other, rows) in &plots {
                figure { figcaption { (caption(other, rows)) } (plot(other, rows, domain)) }
            }
        }
    };
    part(
        "Gain in test accuracy, paired by seed",
        &reading(&plots[0].1),
        &["differences.csv", "results.json"],
        figures,
    )
}

fn reading(rows: &[Row]) -> String {
    let mut reading = String::from("Points to the right of 0 are better.");
    if rows.iter().any(|(_, paired)| paired.interval.is_some()) {
        reading += " The bar is the 95 % confidence interval of the mean. It is coloured where it \
                    excludes 0, which about one interval in twenty does by chance.";
    }
    if rows.iter().any(|(_, paired)| !seeds(paired).is_empty()) {
        reading += " The small dots are single seeds.";
    }
    reading
}

fn caption(other: &str, rows: &[Row]) -> String {
    let clear = rows.iter().filter(|(_, paired)| leaves_out_zero(paired));
    let clear: Vec<&str> = clear.map(|(name, _)| *name).collect();
    let verdict = match &clear[..] {
        _ if rows.iter().all(|(_, paired)| paired.interval.is_none()) => {
            "one seed gives no intervals".to_owned()
        }
        [] => "no interval excludes 0".to_owned(),
        [one] => format!("the interval of {one} excludes 0"),
        several => format!("the intervals of {} exclude 0", several.join(", ")),
    };
    format!("Gain over {other}: {verdict}")
}

/// All numbers of a row that are drawn, in points.
fn reach(paired: &Paired) -> impl Iterator<Item = f64> {
    let interval = paired.interval.unwrap_or([paired.mean; 2]);
    let seeds = seeds(paired).to_vec();
    interval.into_iter().chain(seeds).map(|share| 100.0 * share)
}

fn seeds(paired: &Paired) -> &[f64] {
    match &paired.per_seed[..] {
        seeds if (2..=MOST_SEEDS).contains(&seeds.len()) => seeds,
        _ => &[],
    }
}

fn plot(other: &str, rows: &[Row], domain: [f64; 2]) -> Markup {
    let x = Scale::round(domain, [LEFT, RIGHT], 7);
    let bottom = TOP + ROW * rows.len() as f64;
    let label = format!("Gain in test accuracy over {other}, in points");
    Svg::draw([WIDTH, bottom + 42.0], &label, |svg| {
        for tick in x.ticks() {
            let class = if tick == 0.0 { "zero" } else { "grid" };
            svg.line(class, [x.at(tick), TOP], [x.at(tick), bottom]);
            let place = [x.at(tick), bottom + 16.0];
            svg.text("tick middle", place, &minus(&x.label(tick)));
        }
        let title = format!("gain over {other}, points of test accuracy");
        svg.text("tick middle", [(LEFT + RIGHT) / 2.0, bottom + 36.0], &title);
        for (i, (name, paired)) in rows.iter().enumerate() {
            let y = TOP + ROW * (i as f64 + 0.5);
            row(svg, &x, y, name, paired);
        }
    })
}

fn row(svg: &mut Svg, x: &Scale, y: f64, name: &str, paired: &Paired) {
    let at = |share: f64| x.at(100.0 * share);
    let class = match leaves_out_zero(paired) {
        true if paired.mean > 0.0 => "difference better",
        true => "difference worse",
        false => "difference",
    };
    let text = minus(&difference(paired));
    svg.text("name end", [LEFT - 10.0, y + 4.0], name);
    svg.explained(class, &format!("{name}: {text}"), |svg| {
        for &seed in seeds(paired) {
            svg.dot("seed", [at(seed), y + 8.0], 1.8);
        }
        if let Some([low, high]) = paired.interval {
            svg.line("interval", [at(low), y], [at(high), y]);
        }
        svg.dot("mean", [at(paired.mean), y], 4.5);
        svg.text("value", [RIGHT + 12.0, y + 4.0], &text);
    });
}
