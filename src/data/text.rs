//! Text that somebody else wrote, fit to be printed.

/// Keys that an error lists.
const SHOWN: usize = 8;
/// Characters of a key that an error shows.
const LONGEST_KEY: usize = 40;

/// The beginning of a text, without what moves a cursor or hides the rest.
pub(crate) fn excerpt(text: &str, longest: usize) -> String {
    let mut shown: String = text.chars().take(longest).map(visible).collect();
    if text.chars().nth(longest).is_some() {
        shown.push('…');
    }
    shown
}

fn visible(c: char) -> char {
    // Marks of the direction of writing, and characters of no width.
    let is_hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}');
    match c.is_control() || is_hidden {
        true => char::REPLACEMENT_CHARACTER,
        false => c,
    }
}

/// A key, or the name of a member of an archive.
pub(super) fn name(key: &str) -> String {
    format!("`{}`", excerpt(key, LONGEST_KEY))
}

/// Keys, of which only the first ones are shown.
pub(super) fn list(keys: &[&str]) -> String {
    let shown: Vec<String> = keys.iter().take(SHOWN).map(|key| name(key)).collect();
    let more = keys.len() - shown.len();
    match (keys.len(), more) {
        (0, _) => "none".to_owned(),
        (_, 0) => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_is_replaced_and_long_texts_are_cut() {
        assert_eq!(excerpt("a\u{1b}[2J\u{202e}é", 10), "a\u{fffd}[2J\u{fffd}é");
        assert_eq!(excerpt("abcdef", 3), "abc…");
        assert_eq!(excerpt("abc", 3), "abc");
        assert_eq!(list(&[]), "none");
        assert_eq!(list(&["a", "b"]), "`a`, `b`");
        let ten = list(&["k"; 10]);
        assert!(ten.ends_with("`k` and 2 more"), "{ten}");
    }
}
