//! Times as files spell them: RFC 3339 with milliseconds, UTC.

use selfsame_rules::Timestamp;

/// `2026-11-22T13:29:00.000Z`, as the original's JSON has times; nothing beyond the years that have a spelling.
pub(crate) fn write(time: Timestamp) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(time.as_milliseconds()).ok()?;
    Some(format!("{time:.3}"))
}

/// The time that a text is, in any time zone.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_milliseconds(time.as_millisecond()))
}
