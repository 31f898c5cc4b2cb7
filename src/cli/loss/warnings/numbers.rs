//! Numbers as people write them.

/// `1 row`, `2 rows`.
pub(super) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A share in per cent, with a digit more where it is small.
pub(super) fn percent(part: usize, whole: usize) -> String {
    match 100.0 * part as f64 / whole as f64 {
        share if share >= 9.95 => format!("{share:.0} %"),
        share if share >= 0.1 => format!("{share:.1} %"),
        _ => "less than 0.1 %".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_shares_as_people_write_them() {
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(counted(0, "row", "rows"), "0 rows");
        assert_eq!(percent(2, 7), "29 %");
        assert_eq!(percent(1, 200), "0.5 %");
        assert_eq!(percent(1, 5000), "less than 0.1 %");
    }
}
