//! When a row says that it was seen: the spellings of times that exports have.
//!
//! Deliberately absent: names of months, years of two digits, and a spreadsheet's day numbers: they are refused.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use selfsame_rules::Timestamp;

/// The longest text that may be a time.
const LENGTH_BYTES_MAX: usize = 64;

/// Which of the two comes first where a date is written `1/2/2024`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DateOrder {
    /// 1 February, as in Europe.
    DayFirst,
    /// 2 January, as in America.
    MonthFirst,
}

impl DateOrder {
    /// The order of that name: `day-first` or `month-first`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "day-first" => Some(Self::DayFirst),
            "month-first" => Some(Self::MonthFirst),
            _ => None,
        }
    }

    /// The name that it is chosen by.
    pub fn name(self) -> &'static str {
        match self {
            Self::DayFirst => "day-first",
            Self::MonthFirst => "month-first",
        }
    }
}

/// Why a text is no time. Says the rule, never the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTime {
    /// No spelling that is read.
    #[error("write it as 2026-01-31T12:00:00Z, as 2026-01-31 12:00:00, or as Unix seconds or milliseconds")]
    UnknownSpelling,
    /// Day and month could be either.
    #[error("it could be day and month or month and day; say which with `day-first` or `month-first`")]
    Ambiguous,
    /// A day or an hour that does not exist, in the order in which the file's dates are read.
    #[error("there is no such day or hour")]
    NoSuchTime,
    /// A year of two digits.
    #[error("its year has two digits; write four")]
    ShortYear,
}

/// What the dates of a column that can be read in one order only say of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DateEvidence {
    day_first: bool,
    month_first: bool,
    undecided: bool,
}

impl DateEvidence {
    /// The order that all dates have which tell one; nothing if none does, or they contradict each other.
    pub fn order(self) -> Option<DateOrder> {
        match (self.day_first, self.month_first) {
            (true, false) => Some(DateOrder::DayFirst),
            (false, true) => Some(DateOrder::MonthFirst),
            (true, true) | (false, false) => None,
        }
    }

    /// Whether some dates tell the one order, and some the other.
    pub fn contradicts_itself(self) -> bool {
        self.day_first && self.month_first
    }

    /// Whether there are dates that could be read either way.
    pub fn has_ambiguous(self) -> bool {
        self.undecided
    }

    /// Takes what a text tells of the order into account.
    pub(crate) fn note(&mut self, text: &str) {
        let Some((first, second)) = either_way(text.trim()) else { return };
        match (first > 12, second > 12) {
            (true, false) => self.day_first = true,
            (false, true) => self.month_first = true,
            (false, false) => self.undecided |= first != second,
            (true, true) => {}
        }
    }
}

/// The moment that a text spells; nothing for the date of noughts that databases write for none.
///
/// Read are, with the time of day left out or not, and fractions of a second:
/// - RFC 3339: `2026-01-31T12:00:00Z`, `2026-01-31T12:00:00+01:00`;
/// - year, month, day with `-`, `/` or `.`: `2026-01-31 12:00`, also with a zone behind it: `Z`, `UTC`, `GMT`, `+0100`,
///   `+01:00`. Without a zone it is UTC;
/// - day, month, year with dots: `31.01.2026 12:00:00`;
/// - with `/` or `-`: `31/01/2026`, `01/31/2026 3:04 PM`, in the order that `order` says. Where it says none, only dates
///   that can be read in one way are;
/// - Unix seconds (9 or 10 digits) and milliseconds (12 or 13 digits).
///
/// # Errors
///
/// [`InvalidTime`] says what to write instead.
pub(crate) fn read(text: &str, order: Option<DateOrder>) -> Result<Option<Timestamp>, InvalidTime> {
    let text = text.trim();
    if text.starts_with("0000-00-00") {
        return Ok(None);
    }
    if text.len() > LENGTH_BYTES_MAX || !text.is_ascii() {
        return Err(InvalidTime::UnknownSpelling);
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return unix(text).map(Some);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Some(Timestamp::from_milliseconds(time.as_millisecond())));
    }
    let mut rest = text;
    let date = date(&mut rest, order)?;
    let (time, offset) = time_of_day(rest)?;
    let moment = offset.to_timestamp(DateTime::from_parts(date, time));
    let moment = moment.map_err(|_| InvalidTime::NoSuchTime)?;
    Ok(Some(Timestamp::from_milliseconds(moment.as_millisecond())))
}

fn unix(digits: &str) -> Result<Timestamp, InvalidTime> {
    let number: i64 = digits.parse().map_err(|_| InvalidTime::UnknownSpelling)?;
    match digits.len() {
        9 | 10 => Ok(Timestamp::from_milliseconds(number * 1000)),
        12 | 13 => Ok(Timestamp::from_milliseconds(number)),
        _ => Err(InvalidTime::UnknownSpelling),
    }
}

/// Takes a date off the beginning of a text.
fn date(rest: &mut &str, order: Option<DateOrder>) -> Result<Date, InvalidTime> {
    let (first, separator, second, third) = triple(rest).ok_or(InvalidTime::UnknownSpelling)?;
    let (year, month, day) = if first.len() == 4 {
        (first, second, third)
    } else if third.len() == 2 && first.len() <= 2 {
        return Err(InvalidTime::ShortYear);
    } else if third.len() != 4 {
        return Err(InvalidTime::UnknownSpelling);
    } else {
        let order = match separator {
            b'.' => DateOrder::DayFirst,
            _ => order.or_else(|| only_order(number(first), number(second))).ok_or(InvalidTime::Ambiguous)?,
        };
        match order {
            DateOrder::DayFirst => (third, second, first),
            DateOrder::MonthFirst => (third, first, second),
        }
    };
    let part = |text: &str| i8::try_from(number(text)).map_err(|_| InvalidTime::NoSuchTime);
    let year = i16::try_from(number(year)).map_err(|_| InvalidTime::NoSuchTime)?;
    Date::new(year, part(month)?, part(day)?).map_err(|_| InvalidTime::NoSuchTime)
}

/// The order in which two numbers are a day and a month, if it makes no difference or there is only one.
fn only_order(first: u32, second: u32) -> Option<DateOrder> {
    (first > 12 || first == second)
        .then_some(DateOrder::DayFirst)
        .or_else(|| (second > 12).then_some(DateOrder::MonthFirst))
}

/// The first two numbers of a date whose order is not told by its spelling.
fn either_way(text: &str) -> Option<(u32, u32)> {
    let (first, separator, second, third) = triple(&mut { text })?;
    (separator != b'.' && first.len() <= 2 && third.len() == 4).then(|| (number(first), number(second)))
}

/// Takes three numbers with the same separator between them off the beginning of a text.
fn triple<'text>(rest: &mut &'text str) -> Option<(&'text str, u8, &'text str, &'text str)> {
    let first = digits(rest, 4)?;
    let separator = rest.bytes().next().filter(|byte| matches!(byte, b'-' | b'/' | b'.'))?;
    *rest = &rest[1..];
    let second = digits(rest, 2)?;
    *rest = rest.strip_prefix(char::from(separator))?;
    let third = digits(rest, 4)?;
    Some((first, separator, second, third))
}

/// Takes 1 to `most` digits off the beginning of a text.
fn digits<'text>(rest: &mut &'text str, most: usize) -> Option<&'text str> {
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, behind) = rest.split_at(length);
    *rest = behind;
    (1..=most).contains(&length).then_some(digits)
}

/// The number of a few digits.
fn number(digits: &str) -> u32 {
    digits.bytes().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
}

/// The time of day and the zone behind a date; midnight UTC where there is neither.
fn time_of_day(text: &str) -> Result<(Time, Offset), InvalidTime> {
    let unknown = InvalidTime::UnknownSpelling;
    let rest = text.strip_prefix(',').unwrap_or(text);
    let mut rest = match rest.strip_prefix(['T', 't']) {
        Some(rest) => rest,
        None if rest.trim().is_empty() => return Ok((Time::midnight(), Offset::UTC)),
        None => rest.strip_prefix(' ').ok_or(unknown)?.trim_start(),
    };
    let hour = number(digits(&mut rest, 2).ok_or(unknown)?);
    rest = rest.strip_prefix(':').ok_or(unknown)?;
    let minute = number(digits(&mut rest, 2).filter(|minute| minute.len() == 2).ok_or(unknown)?);
    let (mut second, mut nanosecond) = (0, 0);
    if let Some(behind) = rest.strip_prefix(':') {
        rest = behind;
        second = number(digits(&mut rest, 2).filter(|second| second.len() == 2).ok_or(unknown)?);
        if let Some(behind) = rest.strip_prefix(['.', ',']) {
            rest = behind;
            let fraction = digits(&mut rest, 9).ok_or(unknown)?;
            nanosecond = number(&format!("{fraction:0<9}"));
        }
    }
    let (hour, zone) = half_of_day(hour, rest.trim_start())?;
    // A leap second is told as the one before it, as RFC 3339 times are.
    let second = if second == 60 { 59 } else { second };
    let part = |number: u32| i8::try_from(number).map_err(|_| InvalidTime::NoSuchTime);
    let nanosecond = i32::try_from(nanosecond).map_err(|_| InvalidTime::NoSuchTime)?;
    let time = Time::new(part(hour)?, part(minute)?, part(second)?, nanosecond);
    Ok((time.map_err(|_| InvalidTime::NoSuchTime)?, offset(zone)?))
}

/// The hour of 24, and what stands behind `AM` or `PM` if one of them does.
fn half_of_day(hour: u32, rest: &str) -> Result<(u32, &str), InvalidTime> {
    let half =
        rest.get(..2).filter(|half| half.eq_ignore_ascii_case("am") || half.eq_ignore_ascii_case("pm"));
    let Some(half) = half else { return Ok((hour, rest)) };
    if !(1..=12).contains(&hour) {
        return Err(InvalidTime::NoSuchTime);
    }
    let noon = if half.eq_ignore_ascii_case("pm") { 12 } else { 0 };
    Ok((hour % 12 + noon, rest[2..].trim_start()))
}

/// The zone that a text names; UTC if it is blank.
fn offset(text: &str) -> Result<Offset, InvalidTime> {
    if text.is_empty() || ["z", "utc", "gmt"].iter().any(|utc| text.eq_ignore_ascii_case(utc)) {
        return Ok(Offset::UTC);
    }
    let unknown = InvalidTime::UnknownSpelling;
    let text = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(unknown),
    };
    let digits: String = rest.chars().filter(|character| *character != ':').collect();
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = match digits.len() {
        2 if all_digits => (number(&digits), 0),
        4 if all_digits => (number(&digits[..2]), number(&digits[2..])),
        _ => return Err(unknown),
    };
    let seconds = i32::try_from(hours * 3600 + minutes * 60).map_err(|_| InvalidTime::NoSuchTime)?;
    if minutes > 59 {
        return Err(InvalidTime::NoSuchTime);
    }
    Offset::from_seconds(sign * seconds).map_err(|_| InvalidTime::NoSuchTime)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, order: Option<DateOrder>) -> Result<Option<String>, InvalidTime> {
        let time = read(text, order)?;
        Ok(time.map(|time| {
            let time = jiff::Timestamp::from_millisecond(time.as_milliseconds()).unwrap();
            format!("{time:.3}")
        }))
    }

    #[test]
    fn spellings_that_can_be_read_in_one_way_only_are_read() {
        for (text, want) in [
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
            ("2026-01-31T12:00:00.5+01:00", "2026-01-31T11:00:00.500Z"),
            ("2026-01-31 12:00:00", "2026-01-31T12:00:00.000Z"),
            ("2026-01-31T12:00", "2026-01-31T12:00:00.000Z"),
            (" 2026-01-31 ", "2026-01-31T00:00:00.000Z"),
            ("2021-05-10 14:23:04 -0400", "2021-05-10T18:23:04.000Z"),
            ("2021-05-10 14:23:04 UTC", "2021-05-10T14:23:04.000Z"),
            ("2021-05-10 14:23:04.123456789", "2021-05-10T14:23:04.123Z"),
            ("2021/5/1 9:05", "2021-05-01T09:05:00.000Z"),
            ("31.12.2024", "2024-12-31T00:00:00.000Z"),
            ("1.2.2024 08:30:15", "2024-02-01T08:30:15.000Z"),
            ("31/12/2024 23:59", "2024-12-31T23:59:00.000Z"),
            ("12/31/2024 3:04 PM", "2024-12-31T15:04:00.000Z"),
            ("12/31/2024, 12:04:05 am", "2024-12-31T00:04:05.000Z"),
            ("5-5-2024", "2024-05-05T00:00:00.000Z"),
            ("1700000000", "2023-11-14T22:13:20.000Z"),
            ("1700000000123", "2023-11-14T22:13:20.123Z"),
            ("2016-12-31 23:59:60", "2016-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(shown(text, None), Ok(Some(want.to_owned())), "{text}");
        }
        assert_eq!(shown("0000-00-00 00:00:00", None), Ok(None));
    }

    #[test]
    fn dates_with_two_readings_need_an_order() {
        let (day, month) = (Some(DateOrder::DayFirst), Some(DateOrder::MonthFirst));
        for text in ["1/2/2024", "01-02-2024"] {
            assert_eq!(shown(text, None), Err(InvalidTime::Ambiguous), "{text}");
            assert_eq!(shown(text, day), Ok(Some("2024-02-01T00:00:00.000Z".into())), "{text}");
            assert_eq!(shown(text, month), Ok(Some("2024-01-02T00:00:00.000Z".into())), "{text}");
        }
        assert_eq!(shown("12/31/2024", day), Err(InvalidTime::NoSuchTime));
    }

    #[test]
    fn what_is_no_time_is_told_apart() {
        for (text, want) in [
            ("yesterday", InvalidTime::UnknownSpelling),
            ("31 Dec 2024", InvalidTime::UnknownSpelling),
            ("45291", InvalidTime::UnknownSpelling),
            ("20240131", InvalidTime::UnknownSpelling),
            ("2024-01-31 noon", InvalidTime::UnknownSpelling),
            ("2024-01-31 12:00 CET", InvalidTime::UnknownSpelling),
            ("2024-01/31", InvalidTime::UnknownSpelling),
            ("1/2/18", InvalidTime::ShortYear),
            ("31.12.24", InvalidTime::ShortYear),
            ("2024-02-30", InvalidTime::NoSuchTime),
            ("13/13/2024", InvalidTime::NoSuchTime),
            ("2024-01-31 25:00", InvalidTime::NoSuchTime),
            ("2024-01-31 13:00 PM", InvalidTime::NoSuchTime),
            ("2024-01-31 12:00 +0199", InvalidTime::NoSuchTime),
            ("2024-01-31 12:00 +9900", InvalidTime::NoSuchTime),
        ] {
            assert_eq!(shown(text, None), Err(want), "{text}");
        }
    }

    #[test]
    fn dates_tell_the_order_of_the_others_unless_they_contradict_each_other() {
        let order = |texts: &[&str]| {
            let mut evidence = DateEvidence::default();
            texts.iter().for_each(|text| evidence.note(text));
            (evidence.order(), evidence.contradicts_itself())
        };
        assert_eq!(order(&["1/2/2024", "31/1/2024"]), (Some(DateOrder::DayFirst), false));
        assert_eq!(order(&["1/2/2024", "1/31/2024 10:00"]), (Some(DateOrder::MonthFirst), false));
        assert_eq!(order(&["1/31/2024", "31/1/2024"]), (None, true));
        assert_eq!(order(&["1/2/2024", "31.1.2024", "2024-31-01"]), (None, false));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[0-9/:. +APMTZ-]{0,30}|.{0,30}") {
            let _ = (read(&text, None), read(&text, Some(DateOrder::DayFirst)));
        }

        #[test]
        fn a_moment_is_read_back(milliseconds in 0_i64..4_000_000_000_000) {
            let time = jiff::Timestamp::from_millisecond(milliseconds).unwrap();
            let want = Ok(Some(Timestamp::from_milliseconds(milliseconds)));
            proptest::prop_assert_eq!(read(&time.to_string(), None), want);
            proptest::prop_assert_eq!(read(&time.strftime("%Y-%m-%d %H:%M:%S%.f").to_string(), None), want);
            proptest::prop_assert_eq!(read(&time.strftime("%d.%m.%Y %I:%M:%S%.f %p").to_string(), None), want);
        }
    }
}
