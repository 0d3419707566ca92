//! Values and numbers as a person reads them.

use selfsame_rules::{ContactId, Identifier, IdentifierKind};

/// What stands where a value was erased.
pub(crate) const ERASED: &str = "(erased)";

/// The value; or that it was erased.
pub(crate) fn value(identifier: &Identifier) -> String {
    if identifier.is_erased() { ERASED.to_owned() } else { identifier.value().to_owned() }
}

/// The value, with its kind where that can't be told from it.
pub(crate) fn named(identifier: &Identifier) -> String {
    let kind = identifier.kind();
    let is_plain = !matches!(kind, IdentifierKind::Declared(_)) && !identifier.is_erased();
    if is_plain { value(identifier) } else { format!("{} {}", kind_word(kind), value(identifier)) }
}

/// `e-mail`, `phone`, or what the policy calls it.
pub(crate) fn kind_word(kind: &IdentifierKind) -> &str {
    match kind {
        IdentifierKind::Email => "e-mail",
        IdentifierKind::Phone => "phone",
        IdentifierKind::Declared(_) => kind.name(),
    }
}

/// `#11`.
pub(crate) fn number(contact: ContactId) -> String {
    format!("#{contact}")
}

/// `a`, `a and b`, `a, b and c`; of many, the first ones and how many more.
pub(crate) fn list(items: &[String]) -> String {
    const SHOWN_MAX: usize = 6;
    let (shown, more) = items.split_at(items.len().min(SHOWN_MAX));
    let rest = match more.len() {
        0 => None,
        more => Some(format!("{} more", count(more))),
    };
    let mut all: Vec<&str> = shown.iter().map(String::as_str).chain(rest.as_deref()).collect();
    let last = all.pop().unwrap_or_default();
    if all.is_empty() { last.to_owned() } else { format!("{} and {last}", all.join(", ")) }
}

/// The same, of contacts.
pub(crate) fn numbers<'contact>(contacts: impl IntoIterator<Item = &'contact ContactId>) -> String {
    let contacts: Vec<String> = contacts.into_iter().map(|contact| number(*contact)).collect();
    list(&contacts)
}

/// `4,900`.
pub(crate) fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 contact`, `2 contacts`.
pub(crate) fn contacts(number: usize) -> String {
    if number == 1 { "1 contact".to_owned() } else { format!("{} contacts", count(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_counts_read_as_sentences_do() {
        let items = |many: usize| (1..=many).map(|item| item.to_string()).collect::<Vec<_>>();
        assert_eq!(list(&items(0)), "");
        assert_eq!(list(&items(1)), "1");
        assert_eq!(list(&items(3)), "1, 2 and 3");
        assert_eq!(list(&items(1_006)), "1, 2, 3, 4, 5, 6 and 1,000 more");
        assert_eq!((count(999).as_str(), count(1_234_567).as_str()), ("999", "1,234,567"));
    }
}
