//! Times as people read them. All are UTC, and say so.

use jiff::Timestamp as Time;
use selfsame_rules::Timestamp;

/// `3 May 2024`; nothing beyond the years that have a spelling.
pub(crate) fn day(time: Timestamp) -> String {
    spelt(time, "%-d %B %Y")
}

/// `3 May 2024, 14:05:09 UTC`.
pub(crate) fn moment(time: Timestamp) -> String {
    spelt(time, "%-d %B %Y, %H:%M:%S UTC")
}

/// `2024-05-03T14:05:09Z`, for programs that read pages.
pub(crate) fn machine(time: Timestamp) -> String {
    spelt(time, "%Y-%m-%dT%H:%M:%SZ")
}

fn spelt(time: Timestamp, format: &str) -> String {
    match Time::from_millisecond(time.as_milliseconds()) {
        Ok(time) => time.strftime(format).to_string(),
        Err(_) => format!("{} ms", time.as_milliseconds()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_spelt_for_people_and_for_programs() {
        let time = Timestamp::from_milliseconds(1_714_745_109_000);
        assert_eq!(moment(time), "3 May 2024, 14:05:09 UTC");
        assert_eq!((day(time).as_str(), machine(time).as_str()), ("3 May 2024", "2024-05-03T14:05:09Z"));
    }
}
