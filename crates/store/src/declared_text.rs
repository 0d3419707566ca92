//! The text in which every store keeps a contact's identifiers of declared kinds: a JSON object, kind by kind.

use selfsame_rules::{Identifier, IdentifierKind};
use serde_json::{Map, Value};

/// A text that [`write()`] can't have made. What it says is not told: that could be a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the column `declared` is not what this version writes")]
pub struct UnreadableDeclared;

/// The object of those identifiers that have no column of their own; nothing if there are none.
///
/// ```
/// use selfsame_rules::{Identifier, IdentifierKind};
/// use selfsame_store::declared_text::{read, write};
///
/// let kind = IdentifierKind::from_name("customerId").unwrap();
/// let identifiers = vec![Identifier::parse(&kind, "C7").unwrap().unwrap()];
/// let text = write(&identifiers).unwrap();
/// assert_eq!(text, r#"{"customerId":"C7"}"#);
/// assert_eq!(read(&text).unwrap(), identifiers);
/// ```
pub fn write(identifiers: &[Identifier]) -> Option<String> {
    let declared: Map<String, Value> = identifiers
        .iter()
        .filter(|identifier| matches!(identifier.kind(), IdentifierKind::Declared(_)))
        .map(|identifier| (identifier.kind().name().to_owned(), identifier.value().into()))
        .collect();
    (!declared.is_empty()).then(|| Value::Object(declared).to_string())
}

/// The identifiers in the order of kinds.
///
/// # Errors
///
/// [`UnreadableDeclared`] if the text isn't what [`write()`] makes.
pub fn read(text: &str) -> Result<Vec<Identifier>, UnreadableDeclared> {
    let Ok(Value::Object(declared)) = serde_json::from_str(text) else { return Err(UnreadableDeclared) };
    let mut identifiers = declared
        .iter()
        .map(|(name, value)| {
            let kind = IdentifierKind::from_name(name).map_err(|_| UnreadableDeclared)?;
            Ok(Identifier::from_stored(kind, value.as_str().ok_or(UnreadableDeclared)?))
        })
        .collect::<Result<Vec<_>, _>>()?;
    identifiers.sort();
    Ok(identifiers)
}
