//! The table, as on the terminal but for the seconds.

use super::part::{minus, part};
use crate::report::table::{COLUMNS, leaves_out_zero, rows};
use crate::train::{Comparison, MethodResult};
use maud::{Markup, html};

pub(super) fn section(comparison: &Comparison) -> Markup {
    // Seconds per method differ from run to run; the whole time is in the headline.
    let kept: Vec<usize> = (0..COLUMNS.len())
        .filter(|&column| COLUMNS[column] != "seconds")
        .collect();
    let methods = comparison.methods.iter().zip(rows(comparison));
    let table = html! {
        div.scroll {
            table.results {
                thead { tr { @for &column in &kept { th scope="col" { (COLUMNS[column]) } } } }
                tbody {
                    @for (method, cells) in methods {
                        tr.clear[is_clear(method)] {
                            th scope="row" { (cells[0]) }
                            @for &column in &kept[1..] { td data-column=(COLUMNS[column]) { (minus(&cells[column])) } }
                        }
                    }
                }
            }
        }
    };
    part(
        "Results",
        "Test accuracy: after the last epoch, mean ± standard deviation over seeds. Gain over kd: in \
         points, paired by seed; bold where the 95 % confidence interval excludes 0. Best epoch: test \
         accuracy of the epoch with the best validation accuracy. Learning rate: the best on \
         validation data, for each method.",
        &["results.json", "results.csv"],
        table,
    )
}

fn is_clear(method: &MethodResult) -> bool {
    method.vs_kd.as_ref().is_some_and(leaves_out_zero)
}
