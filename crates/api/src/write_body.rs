//! The JSON object that a request under `/v1` writes with. A member that isn't known is refused: a misspelt `expiresAt`
//! would make a key that never ends.

use serde::Deserialize;
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
            Problem::bad_request("invalid_body", format!("The body is not what this path takes: {error}."))
        }
        Category::Syntax | Category::Eof | Category::Io => {
            Problem::bad_request("malformed_json", format!("The body is not JSON: {error}."))
        }
    })
}
