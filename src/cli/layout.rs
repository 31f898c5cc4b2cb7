//! Lines and tables that fit the terminal.

use comfy_table::{
    ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width, presets,
};
use std::{env, io};

/// The columns of a file or a pipe, unless the variable COLUMNS gives another number.
const PIPE: usize = 100;
/// Longer lines of text are hard to read.
const TEXT: usize = 80;
/// What a column of texts has at least.
const LEAST: usize = 20;
/// Between two columns.
const GAP: usize = 2;

/// A rule under the header, and nothing else.
const PLAIN: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// The columns that a line may have.
fn width() -> usize {
    let terminal = terminal_size::terminal_size_of(io::stdout());
    let width = match terminal {
        Some((width, _)) => usize::from(width.0),
        None => {
            let columns = env::var("COLUMNS").ok();
            columns.and_then(|n| n.parse().ok()).unwrap_or(PIPE)
        }
    };
    width.clamp(40, 140)
}

/// The text in lines that fit.
pub(super) fn wrapped(text: &str) -> String {
    let wrap = |line| wrap(line, width().min(TEXT), 0);
    text.lines().map(wrap).collect::<Vec<_>>().join("\n")
}

/// The same, where a line has to be broken and begins with a word that says what it is about: what
/// continues it is indented.
pub(super) fn facts(text: &str) -> String {
    let wrap = |line| wrap(line, width().min(TEXT), GAP);
    text.lines().map(wrap).collect::<Vec<_>>().join("\n")
}

/// A name in a column of its own, and paragraphs beside it.
pub(super) fn entry(name: &str, column: usize, paragraphs: &[&str]) -> String {
    let mut text = String::new();
    for (i, paragraph) in paragraphs.iter().enumerate() {
        let name = if i == 0 { name } else { "" };
        let line = format!("{name:<column$}{paragraph}\n");
        text += &wrap(&line, width().min(TEXT), column);
    }
    text
}

fn wrap(line: &str, width: usize, indent: usize) -> String {
    let mut wrapped = String::new();
    let mut column = 0;
    for (i, word) in line.split(' ').enumerate() {
        let length = columns(word);
        match i {
            0 => {}
            _ if column + 1 + length > width => {
                wrapped += &format!("\n{}", " ".repeat(indent));
                column = indent;
            }
            _ => {
                wrapped.push(' ');
                column += 1;
            }
        }
        wrapped += word;
        column += length;
    }
    wrapped
}

/// A table in columns that fit: where they do not, headings take two lines, and the last column's
/// texts more.
pub(super) fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let cells = longest(rows);
    let is_wide = |header: &[&str; N]| {
        let full = (0..N).map(|i| cells[i].max(columns(header[i])));
        full.sum::<usize>() + GAP * (N - 1) > width()
    };
    let is_wide = is_wide(&header);
    let header = std::array::from_fn::<String, N, _>(|i| match is_wide {
        true => in_two_lines(header[i], cells[i]),
        false => header[i].to_owned(),
    });
    let mut widths = std::array::from_fn::<usize, N, _>(|i| {
        header[i].lines().map(columns).fold(cells[i], usize::max)
    });
    let others: usize = widths[..N - 1].iter().map(|width| width + GAP).sum();
    widths[N - 1] = widths[N - 1].min(width().saturating_sub(others).max(LEAST));
    let mut table = Table::new();
    table.load_style(PLAIN).set_header(header).add_rows(rows);
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::MAX);
    for (i, column) in table.column_iter_mut().enumerate() {
        // A style without vertical lines has a blank in their place.
        let padding = if i + 1 < N { GAP - 1 } else { 0 };
        column.set_padding((0, padding as u16));
        let width = Width::Fixed((widths[i] + padding).try_into().unwrap_or(u16::MAX));
        column.set_constraint(ColumnConstraint::Absolute(width));
    }
    table.trim_fmt()
}

/// The same in Markdown where that fits, to be pasted into a document as it is.
pub(super) fn document_table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let mut document = Table::new();
    document
        .load_style(presets::ASCII_MARKDOWN)
        .set_header(header);
    document.add_rows(rows);
    let text = document.trim_fmt();
    let is_terminal = terminal_size::terminal_size_of(io::stdout()).is_some();
    match is_terminal && columns(text.lines().next().unwrap_or("")) > width() {
        true => table(header, rows),
        false => text,
    }
}

/// The longest cell of each column.
fn longest<const N: usize>(rows: &[[String; N]]) -> [usize; N] {
    std::array::from_fn(|i| rows.iter().map(|row| columns(&row[i])).max().unwrap_or(0))
}

fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A heading of more than `least` columns, broken at the blank that leaves the shortest lines.
fn in_two_lines(heading: &str, least: usize) -> String {
    let longest = |at: usize| columns(&heading[..at]).max(columns(&heading[at + 1..]));
    let blanks = heading.match_indices(' ').map(|(at, _)| at);
    match blanks.min_by_key(|&at| longest(at)) {
        Some(at) if columns(heading) > least => {
            format!("{}\n{}", &heading[..at], &heading[at + 1..])
        }
        _ => heading.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks() {
        assert_eq!(wrap("  one two three", 10, 4), "  one two\n    three");
        assert_eq!(wrap("unbreakable", 4, 0), "unbreakable");
        assert_eq!(wrap("", 4, 0), "");
        let text = wrap(&"word ".repeat(60), 80, 2);
        assert!(text.lines().all(|line| columns(line) <= 80));
    }

    #[test]
    fn headings_are_broken_in_the_middle() {
        assert_eq!(in_two_lines("test accuracy %", 12), "test\naccuracy %");
        assert_eq!(
            in_two_lines("gain over kd [95 % CI]", 20),
            "gain over\nkd [95 % CI]"
        );
        assert_eq!(in_two_lines("best epoch %", 12), "best epoch %");
        assert_eq!(in_two_lines("seconds", 3), "seconds");
    }
}
