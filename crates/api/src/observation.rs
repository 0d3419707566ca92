//! What a client may send as one observation: the JSON object of `POST /identify`, which is also a line of a batch.

use std::borrow::Cow;
use std::fmt;

use selfsame_rules::{Actor, IdentifierKind, Observation, Policy, SeenIdentifier};
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::problem::Problem;
use selfsame_service::international;

/// The most bytes that the text of an observation may have.
pub(crate) const LENGTH_BYTES_MAX: usize = 64 * 1024;

/// How deep arrays and objects may nest within each other.
const DEPTH_MAX: usize = 64;

/// Where a text stands; prints as the word that a refusal calls it by.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Body,
    Line,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Body => "body",
            Self::Line => "line",
        })
    }
}

/// `{"email"?: string|null, "phoneNumber"?: string|integer|null}`; other members are ignored.
///
/// The values stay raw: a phone number may be an integer of any length, which no number type would keep.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObservationBody<'text> {
    #[serde(borrow, default)]
    email: Option<&'text RawValue>,
    #[serde(borrow, default)]
    phone_number: Option<&'text RawValue>,
}

/// The observation that a text holds, which `actor` brought. Values are read as `policy` spells them.
pub(crate) fn parse(
    bytes: &[u8],
    place: Place,
    policy: &Policy,
    actor: &Actor,
) -> Result<Observation, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|_| {
        let detail = format!("The {place} is not valid UTF-8; encode the JSON as UTF-8.");
        Problem::bad_request("not_utf8", detail)
    })?;
    if nests_too_deeply(text) {
        let detail = format!("The {place} nests deeper than {DEPTH_MAX} levels; send a flat JSON object.");
        return Err(Problem::bad_request("nested_too_deeply", detail));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Serde would also read the members from an array, in their order.
    if !text.trim_start().starts_with('{') {
        return Err(match serde_json::from_str::<&RawValue>(text) {
            Ok(_) => Problem::bad_request(
                "not_an_object",
                format!("The {place} must be a JSON object with `email`, `phoneNumber` or both."),
            ),
            Err(_) => malformed(place),
        });
    }
    let body: ObservationBody<'_> = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => Problem::bad_request(
            "repeated_member",
            format!("`email` and `phoneNumber` may each stand in the {place} once; send one value for each."),
        ),
        Category::Syntax | Category::Eof | Category::Io => malformed(place),
    })?;
    let seen = [email(body.email, place, policy)?, phone(body.phone_number, place, policy)?];
    let observation = Observation::new(actor.clone(), seen.into_iter().flatten()).map_err(|_| {
        Problem::bad_request(
            "nothing_to_identify",
            "There is no `email` and no `phoneNumber` that isn't blank; send at least one of them.",
        )
    })?;
    Ok(observation.read_by(policy.spelling(international)))
}

fn malformed(place: Place) -> Problem {
    Problem::bad_request("malformed_json", format!("The {place} is not valid JSON; send a JSON object."))
}

fn email(value: Option<&RawValue>, place: Place, policy: &Policy) -> Result<Option<SeenIdentifier>, Problem> {
    let Some(value) = value else { return Ok(None) };
    if !value.get().starts_with('"') {
        return Err(Problem::bad_request("wrong_type", "`email` must be a string or null."));
    }
    policy.parse(&IdentifierKind::Email, &string(value, place)?, international).map_err(|rule| {
        let detail = format!("`email` is not an e-mail address: {rule}; correct it, or leave it out.");
        Problem::bad_request("invalid_email", detail)
    })
}

fn phone(value: Option<&RawValue>, place: Place, policy: &Policy) -> Result<Option<SeenIdentifier>, Problem> {
    let Some(value) = value else { return Ok(None) };
    let raw = value.get();
    let text = if raw.starts_with('"') {
        string(value, place)?
    } else if raw.bytes().all(|byte| byte.is_ascii_digit()) {
        Cow::Borrowed(raw)
    } else {
        let detail = "`phoneNumber` must be a string, a whole number without sign or exponent, or null.";
        return Err(Problem::bad_request("wrong_type", detail));
    };
    policy.parse(&IdentifierKind::Phone, &text, international).map_err(|rule| {
        let detail = format!("`phoneNumber` is not a phone number: {rule}; correct it, or leave it out.");
        Problem::bad_request("invalid_phone_number", detail)
    })
}

/// What a JSON string spells. One without an escape spells itself: it was checked when it was cut out.
fn string(value: &RawValue, place: Place) -> Result<Cow<'_, str>, Problem> {
    let raw = value.get();
    match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str(raw).map(Cow::Owned).map_err(|_| malformed(place)),
    }
}

/// Whether arrays and objects nest deeper than is sane, in a text that may or may not be JSON.
fn nests_too_deeply(text: &str) -> bool {
    // Nearly no text has so many brackets, and counting them is many times as fast as following them.
    let opening = text.bytes().filter(|byte| matches!(byte, b'{' | b'[')).count();
    opening > DEPTH_MAX && depth(text) > DEPTH_MAX
}

/// How deep arrays and objects nest in a text that may or may not be JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        for (text, want) in [("1", 0), ("{}", 1), ("[[],{}]", 2), (r#"{"[[[":"\"[["}"#, 1), ("]]][", 1)] {
            assert_eq!(depth(text), want, "{text}");
        }
    }

    #[test]
    fn nesting_is_followed_only_where_there_are_brackets_enough() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(!nests_too_deeply(&nested(DEPTH_MAX)));
        assert!(nests_too_deeply(&nested(DEPTH_MAX + 1)));
        assert!(!nests_too_deeply(&"[]".repeat(DEPTH_MAX + 1)), "side by side is not deep");
    }
}
