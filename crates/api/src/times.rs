//! Times as `/v1` spells them: RFC 3339 with milliseconds, UTC, of the years 0000 to 9999.

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use jiff::fmt::temporal::Pieces;
use selfsame_rules::Timestamp;

/// What times are counted from.
const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// The text of a time.
pub(crate) fn write(time: Timestamp) -> String {
    // No moment of jiff's, which ends a day before the year 9999 does.
    match EPOCH.checked_add(SignedDuration::from_millis(time.as_milliseconds())) {
        Ok(time) => format!("{time:.3}Z"),
        // Beyond the years that have a spelling.
        Err(_) => time.as_milliseconds().to_string(),
    }
}

/// The time that a text is, in any time zone. Of a second, whole milliseconds count.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    let text = in_milliseconds(text);
    let pieces = Pieces::parse(&text).ok()?;
    let there = pieces.date().to_datetime(pieces.time()?);
    let ahead = SignedDuration::from_secs(pieces.to_numeric_offset()?.seconds().into());
    let time = there.checked_sub(ahead).ok()?;
    let milliseconds = time.duration_since(EPOCH).as_millis();
    let has_spelling = (0..=9999).contains(&time.year());
    i64::try_from(milliseconds).ok().filter(|_| has_spelling).map(Timestamp::from_milliseconds)
}

/// The same without what is less than a millisecond: RFC 3339 allows any number of digits.
fn in_milliseconds(text: &str) -> String {
    let Some((whole, rest)) = text.split_once('.') else { return text.to_owned() };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    format!("{whole}.{}{}", &rest[..digits.min(3)], &rest[digits..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_in_utc() {
        for (text, want) in [
            ("2026-01-31T12:00:00+01:00", Some("2026-01-31T11:00:00.000Z")),
            ("2026-01-31t12:00:00.5z", Some("2026-01-31T12:00:00.500Z")),
            ("2026-01-31T12:00:00.1239999999999Z", Some("2026-01-31T12:00:00.123Z")),
            ("1969-12-31T23:59:59.9999-00:00", Some("1969-12-31T23:59:59.999Z")),
            ("0000-01-01T00:00:00Z", Some("0000-01-01T00:00:00.000Z")),
            ("0000-01-01T00:00:00-23:59", Some("0000-01-01T23:59:00.000Z")),
            ("0000-01-01T00:00:00+23:59", None),
            ("9999-12-31T23:59:59.999Z", Some("9999-12-31T23:59:59.999Z")),
            ("9999-12-31T23:59:59-00:01", None),
            ("2026-01-31T12:00:00", None),
            ("2026-01-31T12:00:00.Z", None),
            ("2026-01-31", None),
            ("2026-02-31T12:00:00Z", None),
            ("now", None),
            ("", None),
        ] {
            assert_eq!(read(text).map(write).as_deref(), want, "{text}");
        }
    }
}
