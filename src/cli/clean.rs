//! Text that somebody else wrote (names of classes, headings, paths, parts of files), before it reaches
//! a terminal: a terminal obeys escape sequences, and shows text that runs backwards as another one.

use miette::{Diagnostic, LabeledSpan, Report, SourceCode};
use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Debug, Display};

/// Control characters but for those of lines and columns, and marks that turn the direction of writing.
fn is_hostile(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}');
    turns || is_control(c)
}

fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
}

/// The text with a � in place of each.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    match text.contains(is_hostile) {
        true => text.replace(is_hostile, "\u{fffd}").into(),
        false => text.into(),
    }
}

/// Data for programs, in which marks of direction may belong to a name: control characters do not.
pub(super) fn data(text: &str) -> Cow<'_, str> {
    match text.contains(is_control) {
        true => text.replace(is_control, "\u{fffd}").into(),
        false => text.into(),
    }
}

/// The text with as many question marks as each has bytes: places in it stay where they are.
pub(super) fn in_place(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    // Lines of other systems end well.
    for c in text.replace("\r\n", " \n").chars() {
        match is_hostile(c) {
            true => clean.extend(std::iter::repeat_n('?', c.len_utf8())),
            false => clean.push(c),
        }
    }
    clean
}

/// JSON that says the same: such characters stand within texts alone, where each has an escape.
pub(super) fn json(text: String) -> String {
    if !text.contains(is_hostile) {
        return text;
    }
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hostile(c) {
            true => clean += &format!("\\u{:04x}", u32::from(c)),
            false => clean.push(c),
        }
    }
    clean
}

/// An error with its causes and its remedy. What it quotes of a file, its maker has cleaned with
/// [`in_place`].
pub(super) fn report(report: Report) -> Report {
    let message = |error: &dyn Display| text(&error.to_string()).into_owned();
    let causes: Vec<String> = report
        .chain()
        .skip(1)
        .map(|cause| message(&cause))
        .collect();
    let cause = causes.into_iter().rev().fold(None, |cause, message| {
        Some(Box::new(Cause { message, cause }))
    });
    Report::new(Clean {
        message: message(&report),
        help: report.help().map(|help| message(&help)),
        cause,
        report,
    })
}

#[derive(Debug)]
struct Clean {
    message: String,
    help: Option<String>,
    cause: Option<Box<Cause>>,
    /// As it came, for the places that it marks.
    report: Report,
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Cause {
    message: String,
    #[source]
    cause: Option<Box<Cause>>,
}

impl Display for Clean {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Clean {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

impl Diagnostic for Clean {
    fn help(&self) -> Option<Box<dyn Display + '_>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.report.source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.report.labels()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::failure::failed;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\u{202e}b\tc\n\r";

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        assert_eq!(text("plain — ünï\tc\n"), "plain — ünï\tc\n");
        assert_eq!(
            text(HOSTILE),
            "a\u{fffd}[2J\u{fffd}31m\u{fffd}b\tc\n\u{fffd}"
        );
        assert_eq!(data("\u{202e}\u{1b}é\t"), "\u{202e}\u{fffd}é\t");
        let in_place = in_place(&format!("{HOSTILE}\r\nx"));
        assert_eq!(in_place, "a?[2J??31m???b\tc\n? \nx");
        assert_eq!(in_place.len(), HOSTILE.len() + 3);
    }

    #[test]
    fn json_stays_json() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, 1] });
        let clean = json(serde_json::to_string_pretty(&value).unwrap());
        assert!(!clean.contains(is_hostile), "{clean:?}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&clean).unwrap(),
            value
        );
    }

    #[test]
    fn errors_are_clean_down_to_their_causes() {
        let error = failed(HOSTILE, HOSTILE)
            .wrap_err(HOSTILE)
            .wrap_err("outside");
        let clean = report(error);
        let texts: Vec<String> = clean.chain().map(ToString::to_string).collect();
        assert_eq!(texts, ["outside", &text(HOSTILE), &text(HOSTILE)]);
        assert_eq!(clean.help().unwrap().to_string(), text(HOSTILE));
    }
}
