//! A small writer of SVG: the same calls give the same bytes. Looks are left to the page's style
//! sheet, so that a picture follows the reader's light or dark theme.

use maud::{Markup, PreEscaped};
use std::fmt::Write;

/// A place, or a size: across, down.
pub(super) type Point = [f64; 2];

/// A picture in the making. What is not finite is not drawn.
#[derive(Default)]
pub(super) struct Svg {
    text: String,
}

impl Svg {
    /// A picture of `size` in its own units, as wide as the page lets it be; `label` says what it
    /// shows to those who cannot see it.
    pub(super) fn draw(size: Point, label: &str, content: impl FnOnce(&mut Self)) -> Markup {
        let mut svg = Self::default();
        let view = view_box(size);
        let attributes = [
            ("viewBox", view.as_str()),
            ("role", "img"),
            ("aria-label", label),
        ];
        svg.around("svg", &attributes, content);
        PreEscaped(svg.text)
    }

    /// Elements that share a class.
    pub(super) fn group(&mut self, class: &str, content: impl FnOnce(&mut Self)) {
        self.around("g", &[("class", class)], content);
    }

    /// The same with an explanation, which browsers show under the pointer.
    pub(super) fn explained(&mut self, class: &str, title: &str, content: impl FnOnce(&mut Self)) {
        self.group(class, |svg| {
            svg.around("title", &[], |svg| svg.text += &escape(title));
            content(svg);
        });
    }

    /// A part of `size` at `corner` with an origin and `units` of its own; what would stick out of
    /// it is cut off.
    pub(super) fn inset(
        &mut self,
        corner: Point,
        size: Point,
        units: Point,
        content: impl FnOnce(&mut Self),
    ) {
        let [x, y, width, height] = [corner[0], corner[1], size[0], size[1]].map(number);
        let view = view_box(units);
        let attributes = [
            ("x", x),
            ("y", y),
            ("width", width),
            ("height", height),
            ("viewBox", view),
        ];
        let attributes = attributes
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        self.around("svg", &attributes, content);
    }

    pub(super) fn rect(&mut self, class: &str, [x, y]: Point, [width, height]: Point) {
        let numbers = [("x", x), ("y", y), ("width", width), ("height", height)];
        self.shape("rect", class, &numbers);
    }

    pub(super) fn line(&mut self, class: &str, [x1, y1]: Point, [x2, y2]: Point) {
        self.shape(
            "line",
            class,
            &[("x1", x1), ("y1", y1), ("x2", x2), ("y2", y2)],
        );
    }

    pub(super) fn dot(&mut self, class: &str, [cx, cy]: Point, r: f64) {
        self.shape("circle", class, &[("cx", cx), ("cy", cy), ("r", r)]);
    }

    pub(super) fn text(&mut self, class: &str, [x, y]: Point, text: &str) {
        if !(x.is_finite() && y.is_finite()) {
            return;
        }
        let [x, y] = [x, y].map(number);
        let attributes = [("class", class), ("x", x.as_str()), ("y", y.as_str())];
        self.around("text", &attributes, |svg| svg.text += &escape(text));
    }

    /// A line through points, broken at those that are not finite.
    pub(super) fn curve(&mut self, class: &str, points: &[Point]) {
        let runs = points.split(|point| !is_finite(point));
        self.path(class, &runs.map(through).collect::<String>());
    }

    /// The area between two lines over the same x, given as x, low, high.
    pub(super) fn band(&mut self, class: &str, points: &[[f64; 3]]) {
        let runs = points.split(|point| !is_finite(point));
        let areas = runs.filter(|run| !run.is_empty()).map(|run| {
            let low = run.iter().map(|&[x, low, _]| [x, low]);
            let back = run.iter().rev().map(|&[x, _, high]| [x, high]);
            through(&low.chain(back).collect::<Vec<_>>()) + "z"
        });
        self.path(class, &areas.collect::<String>());
    }

    /// A path in SVG's own letters.
    pub(super) fn path(&mut self, class: &str, d: &str) {
        if !d.is_empty() {
            self.around("path", &[("class", class), ("d", d)], |_| {});
        }
    }

    fn shape(&mut self, name: &str, class: &str, numbers: &[(&str, f64)]) {
        if numbers.iter().all(|(_, value)| value.is_finite()) {
            let _ = write!(self.text, "<{name} class=\"{}\"", escape(class));
            for (key, value) in numbers {
                let _ = write!(self.text, " {key}=\"{}\"", number(*value));
            }
            self.text += "/>";
        }
    }

    fn around(&mut self, name: &str, attributes: &[(&str, &str)], content: impl FnOnce(&mut Self)) {
        let _ = write!(self.text, "<{name}");
        for (key, value) in attributes {
            let _ = write!(self.text, " {key}=\"{}\"", escape(value));
        }
        self.text.push('>');
        content(self);
        let _ = write!(self.text, "</{name}>");
    }
}

fn view_box(size: Point) -> String {
    let [width, height] = size.map(number);
    format!("0 0 {width} {height}")
}

fn is_finite(numbers: &impl AsRef<[f64]>) -> bool {
    numbers.as_ref().iter().all(|number| number.is_finite())
}

fn through(points: &[Point]) -> String {
    let mut d = String::new();
    for (i, point) in points.iter().enumerate() {
        let [x, y] = point.map(number);
        let _ = write!(d, "{}{x} {y}", if i == 0 { 'M' } else { 'L' });
    }
    d
}

/// Two digits after the point, as far as they are needed. Pictures are some hundred units wide:
/// what lies far outside need not be exact.
fn number(value: f64) -> String {
    let text = format!("{:.2}", value.clamp(-1e5, 1e5));
    match text.trim_end_matches('0').trim_end_matches('.') {
        "-0" => "0".to_owned(),
        text => text.to_owned(),
    }
}

/// Text that means nothing to a parser; characters that XML forbids are replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\t' | '\n' => escaped.push(character),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(content: impl FnOnce(&mut Svg)) -> String {
        Svg::draw([10.0, 20.0], "a label", content).into_string()
    }

    #[test]
    fn numbers_are_short_and_fixed() {
        let texts = [0.0, -0.001, 1.0, 100.0, 1.5, 2.0 / 3.0, -7.25, 1e300].map(number);
        assert_eq!(
            texts,
            ["0", "0", "1", "100", "1.5", "0.67", "-7.25", "100000"]
        );
    }

    #[test]
    fn a_picture_parses_and_keeps_hostile_text() {
        let hostile = "</text><script x=\"&amp;\">\0'";
        let text = Svg::draw([1.0, 1.0], hostile, |svg| {
            svg.text(hostile, [0.0, 1.0], hostile);
            svg.explained(hostile, hostile, |svg| {
                svg.rect(hostile, [0.0, 0.0], [1.0, 1.0])
            });
        })
        .into_string();
        let document = roxmltree::Document::parse(&text).unwrap();
        let read = hostile.replace('\0', "\u{fffd}");
        assert_eq!(
            document.root_element().attribute("aria-label"),
            Some(&*read)
        );
        for name in ["text", "title"] {
            let node = document.descendants().find(|node| node.has_tag_name(name));
            assert_eq!(node.unwrap().text(), Some(&*read));
        }
    }

    #[test]
    fn what_is_not_finite_is_not_drawn() {
        let empty = draw(|_| {});
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let drawn = draw(|svg| {
                svg.rect("", [bad, 0.0], [1.0, 1.0]);
                svg.line("", [0.0, 0.0], [0.0, bad]);
                svg.dot("", [0.0, 0.0], bad);
                svg.text("", [0.0, bad], "text");
                svg.curve("", &[[0.0, bad]]);
                svg.band("", &[[0.0, 1.0, bad]]);
            });
            assert_eq!(drawn, empty);
        }
    }

    #[test]
    fn curves_and_bands_break_where_a_number_is_missing() {
        let points = [[0.0, 1.0], [1.0, 2.0], [2.0, f64::NAN], [3.0, 4.0]];
        let curve = draw(|svg| svg.curve("c", &points));
        assert!(
            curve.contains("<path class=\"c\" d=\"M0 1L1 2M3 4\"></path>"),
            "{curve}"
        );
        let points = [[0.0, 1.0, 3.0], [1.0, 2.0, 4.0], [2.0, f64::NAN, 0.0]];
        let band = draw(|svg| svg.band("b", &points));
        assert!(band.contains("d=\"M0 1L1 2L1 4L0 3z\""), "{band}");
    }
}
