//! How alike the halves of the student's features are to the teacher's, as a table.

use crate::report::table::{SIMILARITY_COLUMNS, similarity_rows};
use crate::train::Comparison;
use maud::{Markup, html};

/// Nothing when no method has feature terms.
pub(super) fn section(comparison: &Comparison) -> Markup {
    let rows = similarity_rows(comparison);
    if rows.is_empty() {
        return html! {};
    }
    let table = html! {
        div.scroll {
            table.results {
                thead { tr { @for column in SIMILARITY_COLUMNS { th scope="col" { (column) } } } }
                tbody {
                    @for cells in &rows {
                        tr {
                            th scope="row" { (cells[0]) }
                            @for cell in &cells[1..] { td { (cell) } }
                        }
                    }
                }
            }
        }
    };
    super::section(
        "What do the halves learn?",
        "Linear centred kernel alignment between a half of the student's last hidden layer and the last \
         hidden layer of what supervises it (the teacher's; for mutual learning the other student's), on \
         the test rows: 1 for the same features up to rotation and scale, 0 for nothing in common; and \
         the mean distance of the feature terms on the training rows. \
         Methods without feature terms show what the halves do by themselves. CKA does \
         not see signs: a half from which an encoder can tell the exact opposite of the factor has gone \
         as far as the distance lets it, and is as alike as one that tells the factor itself.",
        &["similarity.csv", "results.json"],
        table,
    )
}
