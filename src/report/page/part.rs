//! A part of the page, and the numbers in it.

use maud::{Markup, html};

/// A part of the page: what it is, how it is read, where its numbers are.
pub(super) fn part(title: &str, reading: &str, files: &[&str], content: Markup) -> Markup {
    html! {
        section {
            h2 { (title) }
            p.reading { (reading) }
            (content)
            p.files {
                "Numbers: "
                @for (i, file) in files.iter().enumerate() {
                    @if i > 0 { ", " }
                    code { (file) }
                }
            }
        }
    }
}

/// The true minus sign, for numbers that are read and not parsed.
pub(super) fn minus(number: &str) -> String {
    number.replace('-', "−")
}
