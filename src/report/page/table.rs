//! The table, as on the terminal but for the seconds.

use super::minus;
use crate::report::table::{COLUMNS, leaves_out_zero, rows};
use crate::train::{Comparison, MethodResult};
use maud::{Markup, html};

pub(super) fn section(comparison: &Comparison) -> Markup {
    // Seconds differ from run to run, and the page does not.
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
                            @for &column in &kept[1..] { td { (minus(&cells[column])) } }
                        }
                    }
                }
            }
        }
    };
    super::section(
        "Results",
        "Mean test accuracy after the last epoch ± standard deviation over seeds; the difference to \
         kd is paired by seed, and bold where its 95 % interval leaves out 0; “best epoch” is the \
         test accuracy of the epoch that is best on validation data; every method has the learning \
         rate that is best on validation data.",
        &["results.json", "results.csv"],
        table,
    )
}

fn is_clear(method: &MethodResult) -> bool {
    method.vs_kd.as_ref().is_some_and(leaves_out_zero)
}
