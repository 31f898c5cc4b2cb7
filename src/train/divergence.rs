//! Runs that diverged: which they are, and which learning rates to try.

use super::record::StudentRun;

/// Seeds that a warning lists.
const SHOWN: usize = 8;

/// The seeds, from the first on, of those runs that diverged.
pub(super) fn seeds(runs: &[StudentRun], first: u64) -> Vec<u64> {
    let numbered = (first..).zip(runs);
    let diverged = numbered.filter(|(_, run)| run.diverged.is_some());
    diverged.map(|(seed, _)| seed).collect()
}

/// Names the methods and seeds that diverged at every learning rate, and lower rates to try; nothing
/// where none diverged.
pub(super) fn warning<'a>(
    methods: impl Iterator<Item = (&'a str, &'a [u64])>,
    rates: &[f32],
) -> Option<String> {
    let mut diverged: Vec<(&str, &[u64])> = methods.collect();
    diverged.retain(|(_, seeds)| !seeds.is_empty());
    // Selections of one method, on its budget curve, follow each other.
    diverged.dedup_by_key(|(name, _)| *name);
    let named = diverged
        .iter()
        .map(|(name, seeds)| format!("{name} ({})", listed(seeds)));
    let named: Vec<String> = named.collect();
    let least = rates.iter().copied().fold(f32::INFINITY, f32::min);
    (!named.is_empty()).then(|| {
        format!(
            "training diverged at every learning rate that was tried: {}; these methods have no \
             accuracy: add learning rates below {} to --lr-grid, such as {}",
            named.join(", "),
            crate::spec::tidy(least),
            crate::spec::tidy(least / 10.0)
        )
    })
}

/// `seed 3`, `seeds 1, 3`.
pub(crate) fn listed(seeds: &[u64]) -> String {
    let shown: Vec<String> = seeds.iter().take(SHOWN).map(u64::to_string).collect();
    let more = match seeds.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let word = if seeds.len() == 1 { "seed" } else { "seeds" };
    format!("{word} {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::record::Curve;

    fn run(loss: &[f32]) -> StudentRun {
        let curve = Curve {
            loss: loss.to_vec(),
            validation: vec![0.5; loss.len()],
            test: vec![0.25; loss.len()],
        };
        StudentRun {
            curve,
            ..StudentRun::default()
        }
    }

    #[test]
    fn a_run_diverges_with_its_loss_or_its_network() {
        let mut well = run(&[2.0, 1.0]);
        well.note_divergence(true);
        assert_eq!((well.diverged, well.last_validation()), (None, 0.5));
        // What comes back from infinity has lost its way all the same.
        let mut lost = run(&[2.0, f32::INFINITY, 1.0]);
        lost.note_divergence(true);
        assert_eq!(lost.diverged, Some(2));
        assert_eq!(lost.curve.test[0], 0.25);
        assert!(lost.curve.test[1].is_nan() && lost.last_validation().is_nan());
        let mut late = run(&[2.0, 1.0]);
        late.note_divergence(false);
        assert_eq!(late.diverged, Some(2));
        assert!(late.curve.validation[0] == 0.5 && late.last_validation().is_nan());
        assert_eq!(seeds(&[lost, well, late], 7), [7, 9]);
    }

    #[test]
    fn who_diverged_is_told_with_what_helps() {
        let well: &[u64] = &[];
        let methods: [(&str, &[u64]); 4] =
            [("ce", well), ("kd", &[1, 3]), ("ds", &[3]), ("ds", &[2])];
        let text = warning(methods.into_iter(), &[0.5, 0.25]).unwrap();
        assert!(
            text.contains("was tried: kd (seeds 1, 3), ds (seed 3); "),
            "{text}"
        );
        assert!(
            text.ends_with("below 0.25 to --lr-grid, such as 0.025"),
            "{text}"
        );
        assert_eq!(warning([("ce", well)].into_iter(), &[0.5]), None);
    }

    #[test]
    fn seeds_are_listed_as_far_as_a_line_goes() {
        assert_eq!(listed(&[3]), "seed 3");
        assert_eq!(listed(&[1, 3]), "seeds 1, 3");
        let many: Vec<u64> = (0..20).collect();
        assert_eq!(listed(&many), "seeds 0, 1, 2, 3, 4, 5, 6, 7 and 12 more");
    }
}
