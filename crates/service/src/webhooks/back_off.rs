//! How long an endpoint that failed is left alone.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);

/// However often it failed.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Twice as long after each failure, up to an hour; of that, a random part of the second half is left out, so that those that
/// failed together don't come back together.
///
/// `failures`: how many there were one after the other, at least one. `random`: any number.
pub(crate) fn back_off(failures: u32, random: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(20);
    let whole = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    whole / 2 + (whole / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_an_hour_and_is_never_less_than_half() {
        let seconds = |failures, random| back_off(failures, random).as_secs_f64();
        for (failures, whole) in
            [(1, 1.0), (2, 2.0), (5, 16.0), (12, 2048.0), (13, 3600.0), (u32::MAX, 3600.0)]
        {
            assert_eq!(seconds(failures, u32::MAX), whole);
            assert_eq!(seconds(failures, 0), whole / 2.0);
        }
    }
}
