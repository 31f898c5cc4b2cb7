//! Where results come from.

use serde::Serialize;

/// What made the results: enough to make them again, and to judge their times.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Provenance {
    /// The command as it can be pasted into a shell.
    pub command: String,
    /// The version of this crate.
    pub version: &'static str,
    /// When the results were finished, in UTC: `2026-01-31T23:59:59Z`.
    pub date: String,
    /// The processor, its cores, and the system.
    pub machine: String,
    /// How long the work took, in seconds.
    pub seconds: f64,
}

impl Provenance {
    /// Results of this version of the crate, finished so many seconds after 1970 in UTC.
    #[must_use]
    pub fn new(command: String, machine: String, finished: u64, seconds: f64) -> Self {
        Self {
            command,
            version: env!("CARGO_PKG_VERSION"),
            date: utc(finished),
            machine,
            seconds,
        }
    }
}

/// A moment, given in seconds after 1970, as ISO 8601 writes it.
fn utc(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let [year, month, day] = civil(days);
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day after 1970-01-01 (Hinnant, "chrono-compatible low-level date
/// algorithms"): years begin in March, so that the leap day is their last.
fn civil(days: u64) -> [u64; 3] {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let leaps = day_of_era / 1460;
    let year_of_era = (day_of_era - leaps + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    [year, month, day]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_798_761_599, "2026-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds), date);
        }
    }
}
