//! What a cell says, whatever kind of value it holds: nothing, a text, or what a spreadsheet made of it.

use crate::reject::Reason;

/// Texts that exports write for nothing, in any case of letters. A cell with such a text is blank.
///
/// They are read so for every kind of identifier: thousands of rows with a `customerId` of `NULL` are not one person.
const NOTHING: [&str; 14] = [
    "null",
    "\\n",
    "none",
    "nil",
    "nan",
    "na",
    "n/a",
    "n.a.",
    "undefined",
    "(null)",
    "<null>",
    "[null]",
    "(none)",
    "<nil>",
];

/// The longest of these.
const NOTHING_BYTES_MAX: usize = 9;

/// What a spreadsheet writes where a formula has no value.
const ERRORS: [&str; 9] =
    ["#n/a", "#ref!", "#value!", "#name?", "#div/0!", "#null!", "#num!", "#spill!", "#calc!"];

/// The text of a cell without white space around it; nothing if it is blank or says that there is nothing.
///
/// Blank are white space, `-` and its like alone, and (in any case of letters) `NULL`, `\N`, `None`, `nil`, `NaN`, `NA`, `n/a`,
/// `n.a.`, `undefined`, `(null)`, `<null>`, `[null]`, `(none)` and `<nil>`.
///
/// # Errors
///
/// A spreadsheet's damage, told as what it is: a number that lost its digits, or the error of a formula.
pub(crate) fn value(text: &str) -> Result<Option<&str>, Reason> {
    let trimmed = text.trim();
    let Some(first) = trimmed.bytes().next() else { return Ok(None) };
    if trimmed.len() <= NOTHING_BYTES_MAX && is_nothing(trimmed) {
        return Ok(None);
    }
    match first {
        b'#' if is_error(trimmed) => Err(Reason::SpreadsheetError),
        b'0'..=b'9' | b'-' if is_shortened(trimmed) => Err(Reason::ShortenedNumber),
        _ => Ok(Some(text)),
    }
}

fn is_nothing(text: &str) -> bool {
    let dashes = text.chars().all(|character| matches!(character, '-' | '\u{2013}' | '\u{2014}'));
    dashes || NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(text))
}

fn is_error(text: &str) -> bool {
    // A column that is too narrow for its value is printed as `####`.
    text.bytes().all(|byte| byte == b'#') || ERRORS.iter().any(|error| error.eq_ignore_ascii_case(text))
}

/// Whether it is a number with an exponent: `1.23457E+11`, `1,2E+11`, `4E+11`.
fn is_shortened(text: &str) -> bool {
    let Some((number, exponent)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = number.strip_prefix('-').unwrap_or(number);
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    // Without a sign it could be somebody's own id, such as `12E4`.
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or_default();
    digits(whole) && digits(fraction) && digits(exponent)
}

/// Whether it is a number with a fraction of nought, which no phone number is written as: `7029191300.0`.
pub(crate) fn is_decimal(text: &str) -> bool {
    let whole = text.trim().strip_suffix(".0");
    whole.is_some_and(|whole| !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The text within the guise that programs give it, so that spreadsheets don't read it as a number or a formula:
/// `="0151 23"`, and `'+49 151`.
pub(crate) fn unguarded(text: &str) -> &str {
    let formula = text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    let inner = formula.filter(|inner| !inner.contains('"'));
    let marked = text.strip_prefix('\'').filter(|rest| rest.starts_with(['+', '=', '-', '@', '0']));
    inner.or(marked).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guise_for_spreadsheets_is_taken_off() {
        for (text, want) in [
            ("=\"0151\"", "0151"),
            ("'+49 151", "+49 151"),
            ("'0151", "0151"),
            ("'o@brien.example", "'o@brien.example"),
            ("=\"a\"&\"b\"", "=\"a\"&\"b\""),
            ("+49", "+49"),
        ] {
            assert_eq!(unguarded(text), want, "{text}");
        }
    }

    #[test]
    fn what_says_nothing_is_blank() {
        for text in
            NOTHING.into_iter().chain(["", " ", "\t", "NULL", " \\N ", "N/A", "None", "-", "--", "\u{2014}"])
        {
            assert_eq!(value(text), Ok(None), "{text:?}");
        }
        assert!(NOTHING.iter().all(|nothing| nothing.len() <= NOTHING_BYTES_MAX));
    }

    #[test]
    fn what_a_spreadsheet_damaged_is_told_as_that() {
        for text in ["1.23457E+11", "1,23457E+11", "4.9e+11", "4E+11", " 4.91512E+12 ", "-1.5E-05"] {
            assert_eq!(value(text), Err(Reason::ShortenedNumber), "{text:?}");
        }
        for text in ["#N/A", "#REF!", "#NAME?", "####", "#value!"] {
            assert_eq!(value(text), Err(Reason::SpreadsheetError), "{text:?}");
        }
    }

    #[test]
    fn all_else_is_a_text_as_it_stands() {
        for text in ["12E4", "1E", "E+11", "1.2.3E+4", "a@b.c", " 12 ", "#7", "0", "-1", "no"] {
            assert_eq!(value(text), Ok(Some(text)), "{text:?}");
        }
    }

    #[test]
    fn a_phone_number_has_no_fraction() {
        assert!(is_decimal("7029191300.0") && is_decimal(" 1.0 "));
        assert!(!is_decimal("702.919.1300") && !is_decimal(".0") && !is_decimal("702.00"));
    }
}
