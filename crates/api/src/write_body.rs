//! The JSON object that a request under `/v1` writes with. A member that isn't known is refused: a misspelt `expiresAt`
//! would make a key that never ends.

use serde::Deserialize;
use serde_json::Error;
use serde_json::error::Category;

use crate::problem::Problem;

/// The object that a body is.
pub(crate) fn parse_object<'body, T: Deserialize<'body>>(body: &'body [u8]) -> Result<T, Problem> {
    if std::str::from_utf8(body).is_err() {
        return Err(Problem::bad_request(
            "not_utf8",
            "The body is not valid UTF-8; encode the JSON as UTF-8.",
        ));
    }
    // Serde would also read the members from an array, in their order.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(Problem::bad_request("not_an_object", "The body must be a JSON object."));
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data => {
            let detail = format!("The body is not what this path takes: {}.", without_value(&error));
            Problem::bad_request("invalid_body", detail)
        }
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::bad_request("malformed_json", format!("The body is not JSON: {error}."))
        }
    })
}

/// What is wrong, in words of JSON's. Serde repeats the value that is, which may be a person's, and names types of ours.
fn without_value(error: &Error) -> String {
    let text = error.to_string();
    let tells_value = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant "];
    let wanted = tells_value.iter().any(|start| text.starts_with(start));
    // The value stands before, whatever it holds.
    let Some((_, wanted)) = text.rsplit_once(", expected ").filter(|_| wanted) else { return text };
    let (line, column) = (error.line(), error.column());
    let wanted = wanted.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(wanted);
    format!("what ends at line {line}, column {column}, must be {}", word(wanted))
}

/// What serde wants, as JSON calls it.
fn word(wanted: &str) -> &str {
    match wanted {
        "a sequence" => "a list",
        "a map" => "an object",
        "a borrowed string" => "a string",
        "i64" => "a whole number",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number from 0 on",
        _ if wanted.starts_with("struct ") => "an object",
        _ => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Body {
        #[serde(rename = "list")]
        _list: Vec<Inner>,
        #[serde(rename = "number")]
        _number: Option<i64>,
        #[serde(rename = "word")]
        _word: Option<Word>,
    }

    #[derive(Deserialize)]
    struct Inner {}

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    enum Word {
        One,
        Other,
    }

    #[test]
    fn a_refusal_repeats_no_value_and_names_no_type_of_ours() {
        for (body, want) in [
            (r#"{"list":"a secret, expected b"}"#, "what ends at line 1, column 30, must be a list"),
            (r#"{"list":["secret"]}"#, "must be an object"),
            (r#"{"list":[],"number":"secret"}"#, "must be a whole number"),
            (r#"{"list":[],"number":1.5}"#, "must be a whole number"),
            (r#"{"list":[],"word":"secret"}"#, "must be `one` or `other`"),
            ("{}", "missing field `list`"),
            (r#"{"lists":[]}"#, "unknown field `lists`, expected one of `list`, `number`, `word`"),
        ] {
            let problem = parse_object::<Body>(body.as_bytes()).err().expect("it is refused");
            let detail = problem.detail;
            assert!(detail.contains(want) && !detail.contains("secret"), "{body}: {detail}");
            assert!(!detail.contains("Inner") && !detail.contains("i64"), "{body}: {detail}");
        }
    }
}
