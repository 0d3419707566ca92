//! Times as `/v1` spells them: RFC 3339 with milliseconds, UTC.

use selfsame_rules::Timestamp;

/// The text of a time.
pub(crate) fn write(time: Timestamp) -> String {
    match jiff::Timestamp::from_millisecond(time.as_milliseconds()) {
        Ok(time) => format!("{time:.3}"),
        // Beyond the years that have a spelling.
        Err(_) => time.as_milliseconds().to_string(),
    }
}

/// The time that a text is, in any time zone.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_milliseconds(time.as_millisecond()))
}
