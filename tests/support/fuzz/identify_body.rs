//! Any bytes as the body of `POST /identify`.

use std::cell::RefCell;

use selfsame_rules::{Email, Phone};
use serde_json::Value;

use super::documented::{assert_contact, assert_problem};
use super::door::Door;

/// Small and odd, so that pieces end within words.
const PIECE_BYTES: usize = 7;

thread_local! {
    static DOOR: RefCell<Door> = RefCell::new(Door::new());
}

/// The answer is a customer or a documented refusal, and stores nothing in that case; the same again, now in small
/// pieces, gets the same bytes and writes nothing.
pub(super) fn identify_body(data: &[u8]) {
    DOOR.with_borrow_mut(|door| {
        if door.is_worn() {
            *door = Door::new();
        }
        let before = door.writes();
        let first = door.identify(data);
        let after = door.writes();
        let again = door.post_in_pieces("/identify", "application/json", data, PIECE_BYTES);
        assert_eq!(again.status, first.status, "the same body was answered otherwise");
        assert_eq!(door.writes(), after, "a repeat was written");
        if first.status == 200 {
            first.assert_finished();
            assert_eq!(first.body, again.body, "a repeat was answered otherwise");
            let body = first.json();
            assert_contact(&body);
            assert_holds_what_was_sent(data, &body);
        } else {
            assert_eq!(before, after, "a refused request was written");
            assert_eq!(assert_problem(&first), assert_problem(&again));
        }
    });
}

/// Whatever an ordinary JSON parser reads from the request stands in the answer, in its canonical spelling.
fn assert_holds_what_was_sent(data: &[u8], answer: &Value) {
    let text = std::str::from_utf8(data).expect("a request that was taken is UTF-8");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // This parser also reads the members that are ignored, and takes no number beyond a float, and no half surrogate.
    let Ok(sent) = serde_json::from_str::<Value>(text) else { return };
    let holds = |key: &str, value: &str| {
        let values = answer["contact"][key].as_array().expect("a list");
        assert!(values.iter().any(|held| held == value), "`{key}` lacks what was sent: {answer}");
    };
    if let Some(email) = sent["email"].as_str().and_then(|text| Email::parse(text).expect("it was taken")) {
        holds("emails", email.as_str());
    }
    let phone = &sent["phoneNumber"];
    // Nor does it keep an integer beyond 64 bits.
    let phone = phone.as_str().map(str::to_owned).or_else(|| phone.as_u64().map(|number| number.to_string()));
    if let Some(phone) = phone.and_then(|text| Phone::parse(&text).expect("it was taken")) {
        holds("phoneNumbers", phone.as_str());
    }
}
