//! A comparison as one page that needs nothing beside itself: no script, no font, no request. The same
//! numbers and the same provenance give the same bytes.

mod budget;
mod curves;
mod differences;
mod headline;
mod part;
mod reliability;
mod samples;
mod similarity;
mod table;

use crate::report::provenance::Provenance;
use crate::train::Comparison;
use maud::{DOCTYPE, PreEscaped, html};

/// What the page asks a browser for is nothing; this makes the browser hold it to that.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page.
#[must_use]
pub fn html(comparison: &Comparison, provenance: &Provenance) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "fused-kd compare: " (comparison.dataset) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                main {
                    (headline::section(comparison, provenance))
                    (table::section(comparison))
                    (differences::section(&comparison.methods))
                    (curves::section(&comparison.methods))
                    (reliability::section(comparison))
                    (similarity::section(comparison))
                    (budget::section(&comparison.budget))
                    (samples::section(&comparison.samples))
                }
                footer {
                    "fused-kd " (provenance.version) ". Accuracies are those after the last epoch, "
                    "unless said otherwise. ± is the standard deviation over seeds. CI is the "
                    "confidence interval."
                }
            }
        }
    };
    page.into_string()
}
