//! Medians, ranges and ratios. No measuring: numbers come in, numbers go out.

/// The middle of some numbers, and how far they reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// Half of the numbers are at most this.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) least: f64,
    /// The greatest.
    pub(crate) most: f64,
}

impl Spread {
    /// The spread of `numbers`, in any order.
    ///
    /// # Panics
    ///
    /// If there is none: nothing was measured, and no number may stand for that.
    pub(crate) fn of(numbers: &[f64]) -> Self {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else {
            panic!("a spread is of at least one number")
        };
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Self { median, least, most }
    }

    /// The spread of the quotients of numbers that were measured in pairs.
    ///
    /// A machine that others use too is slow for seconds at a time. Both numbers of a pair were taken then, so their
    /// quotient moves less than either.
    pub(crate) fn of_ratios(ours: &[f64], theirs: &[f64]) -> Self {
        assert_eq!(ours.len(), theirs.len(), "a pair has two sides");
        let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        Self::of(&ratios)
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_of_an_odd_count_is_its_middle() {
        assert_eq!(Spread::of(&[9.0, 1.0, 3.0]), Spread { median: 3.0, least: 1.0, most: 9.0 });
    }

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 100.0]), Spread { median: 3.0, least: 1.0, most: 100.0 });
    }

    #[test]
    fn one_slow_moment_of_the_machine_moves_no_ratio() {
        let (ours, ceiling) = ([90.0, 9.0, 91.0], [100.0, 10.0, 100.0]);
        assert_eq!(Spread::of_ratios(&ours, &ceiling), Spread { median: 0.9, least: 0.9, most: 0.91 });
    }

    #[test]
    #[should_panic(expected = "at least one number")]
    fn nothing_has_no_median() {
        Spread::of(&[]);
    }
}
