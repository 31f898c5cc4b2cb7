//! How alike the halves of the student's features are to the teacher's, as a table.

use super::part::part;
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
                            @for (column, cell) in SIMILARITY_COLUMNS.iter().zip(cells).skip(1) { td data-column=(column) { (cell) } }
                        }
                    }
                }
            }
        }
    };
    part(
        "What do the halves learn?",
        "Values before → after training. CKA: linear centred kernel alignment, on the test rows, between \
         a half of the student's last hidden layer and the teacher's last hidden layer (for mutual \
         learning, the other student's); 1: the same features up to rotation and scale, 0: nothing in \
         common. Distance: mean distance of the feature term on the training rows. Methods without \
         feature terms show how the halves change by themselves. CKA ignores signs: a half that encodes \
         the exact opposite of the teacher's factor has the largest distance, and still a high CKA.",
        &["similarity.csv", "results.json"],
        table,
    )
}
