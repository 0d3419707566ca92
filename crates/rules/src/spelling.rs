//! How a policy reads values: what becomes of a text that somebody sent.
//!
//! Deliberately absent: the tables of telephone numbers; who has those hands in a function.

use std::fmt;
use std::sync::Arc;

use crate::{EmailSpelling, Identifier, IdentifierKind, InvalidIdentifier, Phone, Policy, SeenIdentifier};

/// Gives a number's E.164 form, from the region that it was dialled in (two capital letters) and its digits; nothing where
/// they make no number there.
pub type International = fn(&str, &str) -> Option<String>;

/// How a policy reads values. Two are equal if they read every text alike, the tables of telephone numbers being the same.
///
/// ```
/// use selfsame_rules::{IdentifierKind, Policy, PolicyDocument, Spelling};
///
/// let british = |_: &str, digits: &str| Some(format!("+44{}", digits.strip_prefix('0')?));
/// let document = PolicyDocument { default_region: Some("GB".into()), ..PolicyDocument::default() };
/// let spelling = Policy::read(&document).unwrap().spelling(british);
/// let before = Spelling::default().parse(&IdentifierKind::Phone, "020 7946").unwrap().unwrap();
/// let now = spelling.read_again(&before);
/// assert_eq!((before.identifier().value(), now.identifier().value()), ("0207946", "+44207946"));
/// assert_eq!(now.sent(), "020 7946");
/// assert_ne!(spelling, Spelling::default());
/// ```
///
/// Source: SEMANTICS, "Canonical values".
#[derive(Clone)]
pub struct Spelling {
    email: EmailSpelling,
    default_region: Option<Arc<str>>,
    international: International,
}

impl Default for Spelling {
    /// That of the default policy, without any table of telephone numbers: where another policy holds once an observation is
    /// decided, the digits stand. Who has tables asks [`Policy::spelling`].
    fn default() -> Self {
        Self::new(EmailSpelling::default(), None, |_, _| None)
    }
}

impl PartialEq for Spelling {
    fn eq(&self, other: &Self) -> bool {
        (self.email, &self.default_region) == (other.email, &other.default_region)
    }
}

impl Eq for Spelling {}

impl fmt::Debug for Spelling {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Spelling");
        shown.field("email", &self.email).field("default_region", &self.default_region);
        shown.finish_non_exhaustive()
    }
}

impl Spelling {
    pub(crate) fn new(
        email: EmailSpelling,
        default_region: Option<Arc<str>>,
        international: International,
    ) -> Self {
        Self { email, default_region, international }
    }

    /// Reads `text` as an identifier of `kind`; nothing if it is blank.
    ///
    /// # Errors
    ///
    /// [`InvalidIdentifier`] says which rule of the kind the text breaks.
    pub fn parse(
        &self,
        kind: &IdentifierKind,
        text: &str,
    ) -> Result<Option<SeenIdentifier>, InvalidIdentifier> {
        let Some(identifier) = Identifier::parse(kind, text)? else { return Ok(None) };
        let identifier = match (kind, self.email, &self.default_region) {
            (IdentifierKind::Email, EmailSpelling::Exact, _) => {
                Identifier::from_stored(kind.clone(), text.trim())
            }
            (IdentifierKind::Phone, _, Some(region)) => {
                match (self.international)(region, identifier.value()) {
                    Some(number) => Phone::parse(&number)?.map_or(identifier, Identifier::from),
                    None => identifier,
                }
            }
            _ => identifier,
        };
        Ok(Some(SeenIdentifier::from_stored(identifier, Some(text))))
    }

    /// Reads anew what was sent. What can't be read so stands as it was, and so does what was erased.
    pub fn read_again(&self, seen: &SeenIdentifier) -> SeenIdentifier {
        if seen.identifier().is_erased() {
            return seen.clone();
        }
        match self.parse(seen.identifier().kind(), seen.sent()) {
            Ok(Some(read)) => seen.spelt(read.identifier()),
            Ok(None) | Err(_) => seen.clone(),
        }
    }

    /// How `policy` reads values, by the same tables of telephone numbers; nothing if that is this way already.
    pub(crate) fn otherwise(&self, policy: Option<&Policy>) -> Option<Self> {
        let other = match policy {
            Some(policy) => policy.spelling(self.international),
            None => Self { international: self.international, ..Self::default() },
        };
        (other != *self).then_some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PolicyDocument;

    fn spelling(exact_email: bool, region: Option<&str>) -> Spelling {
        let default_region = region.map(str::to_owned);
        let document = PolicyDocument { exact_email, default_region, ..PolicyDocument::default() };
        let british: International = |_, digits| match digits.strip_prefix('+') {
            Some(_) => Some(digits.to_owned()),
            None => Some(format!("+44{}", digits.strip_prefix('0')?)),
        };
        Policy::read(&document).unwrap().spelling(british)
    }

    fn email(text: &str) -> SeenIdentifier {
        Spelling::default().parse(&IdentifierKind::Email, text).unwrap().unwrap()
    }

    #[test]
    fn what_was_sent_is_read_anew_and_kept() {
        let before = email(" Doc@Hill.edu").verified();
        let exact = spelling(true, None).read_again(&before);
        assert_eq!((exact.identifier().value(), exact.sent()), ("Doc@Hill.edu", " Doc@Hill.edu"));
        assert!(exact.is_verified());
        assert_eq!(spelling(false, None).read_again(&exact), before, "and back again");
    }

    #[test]
    fn a_value_that_was_sent_in_its_canonical_spelling_is_read_from_that() {
        let phone = |text| Spelling::default().parse(&IdentifierKind::Phone, text).unwrap().unwrap();
        let british = spelling(false, Some("GB"));
        assert_eq!(phone("0207946").as_sent(), None);
        let read = british.read_again(&phone("0207946"));
        assert_eq!((read.identifier().value(), read.as_sent()), ("+44207946", Some("0207946")));
        assert_eq!(british.read_again(&phone("12")), phone("12"), "no number there, so the digits stand");
    }

    #[test]
    fn what_cannot_be_read_and_what_was_erased_stand() {
        let stored = Identifier::from_stored(IdentifierKind::Email, "no address");
        for identifier in [stored, Identifier::erased(IdentifierKind::Email, "t1")] {
            let seen = SeenIdentifier::from_stored(identifier, None);
            assert_eq!(spelling(true, Some("GB")).read_again(&seen), seen);
        }
    }

    #[test]
    fn a_spelling_is_told_from_others_by_what_the_policy_says_of_it() {
        let british = spelling(false, Some("GB"));
        assert!(Spelling::default().otherwise(None).is_none());
        assert!(Spelling::default().otherwise(Some(&Policy::default())).is_none());
        assert_eq!(british.otherwise(None), Some(Spelling::default()));
        let read = british.otherwise(None).unwrap().parse(&IdentifierKind::Phone, "020").unwrap();
        assert_eq!(read.unwrap().identifier().value(), "020");
    }
}
