//! A policy as plain values, which JSON, YAML and tables can hold, and its reading.

use std::fmt;

use super::{EmailSpelling, Pattern, Policy};
use crate::{IdentifierKind, InvalidKindName, InvalidPattern};

/// The most blocked patterns: each is compared with every value that comes.
const BLOCKED_MAX: usize = 10_000;

/// The most declared kinds, so that every index can number them.
const KINDS_MAX: usize = 64;

/// A policy as plain values, each in the order that its author gave.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PolicyDocument {
    /// The names of the kinds that observations may bring besides `email` and `phone`.
    pub kinds: Vec<String>,
    /// Values that never link, as (kind, value or pattern with `*`).
    pub blocked: Vec<(String, String)>,
    /// The most contacts of one identity.
    pub contacts_max: Option<u32>,
    /// The most identifiers of one identity, as (kind, number).
    pub identifiers_max: Vec<(String, u32)>,
    /// Kinds of which one identity has one value at most.
    pub unique: Vec<String>,
    /// Kinds that link only when they are verified.
    pub claims: Vec<String>,
    /// Addresses byte for byte as sent.
    pub exact_email: bool,
    /// Two capital letters (ISO 3166-1): where numbers without a country are from.
    pub default_region: Option<String>,
}

impl fmt::Debug for PolicyDocument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A blocked value can be somebody's.
        let blocked = self.blocked.len();
        formatter
            .debug_struct("PolicyDocument")
            .field("kinds", &self.kinds)
            .field("blocked", &blocked)
            .finish_non_exhaustive()
    }
}

/// Why a document is no policy: which member, which entry from 1, and what to do. Never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// A name that no kind can have.
    #[error("`{member}`, entry {entry}: {why}")]
    KindName {
        /// Which list.
        member: &'static str,
        /// Which entry, from 1.
        entry: usize,
        /// What a name looks like.
        why: InvalidKindName,
    },
    /// A kind that is neither built in nor declared.
    #[error("`{member}`, entry {entry}: the kind is not declared; add it to `kinds`")]
    Undeclared {
        /// Which list.
        member: &'static str,
        /// Which entry, from 1.
        entry: usize,
    },
    /// A kind that is declared, or named in a list, twice; or a built-in one that is declared.
    #[error("`{member}`, entry {entry}: the kind is there already; name it once")]
    Repeated {
        /// Which list.
        member: &'static str,
        /// Which entry, from 1.
        entry: usize,
    },
    /// A pattern that can't be one.
    #[error("`blocked`, entry {entry}: {why}")]
    Pattern {
        /// Which entry, from 1.
        entry: usize,
        /// What is wrong.
        why: InvalidPattern,
    },
    /// A limit of 0, under which nobody could be a customer.
    #[error("`{member}`: a limit is at least 1; leave it out for none")]
    LimitOfNothing {
        /// Which limit.
        member: &'static str,
    },
    /// A kind that is unique and has a limit too.
    #[error("`limits`, entry {entry}: the kind is unique, which is a limit of 1; leave one of them out")]
    UniqueAndLimited {
        /// Which entry, from 1.
        entry: usize,
    },
    /// More entries than a decision can look at.
    #[error("`{member}` has more than {most} entries")]
    TooMany {
        /// Which list.
        member: &'static str,
        /// How many it may have.
        most: usize,
    },
    /// A region that isn't two capital letters.
    #[error("`defaultRegion` is two capital letters, such as `GB`")]
    Region,
}

impl Policy {
    /// The policy that the document describes.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicy`] says which entry is wrong, and what to do.
    pub fn read(document: &PolicyDocument) -> Result<Self, InvalidPolicy> {
        for (member, length, most) in
            [("kinds", document.kinds.len(), KINDS_MAX), ("blocked", document.blocked.len(), BLOCKED_MAX)]
        {
            if length > most {
                return Err(InvalidPolicy::TooMany { member, most });
            }
        }
        let mut policy = Self { contacts_max: document.contacts_max, ..Self::default() };
        for (entry, name) in (1..).zip(&document.kinds) {
            let kind = kind("kinds", entry, name)?;
            if policy.knows(&kind) {
                return Err(InvalidPolicy::Repeated { member: "kinds", entry });
            }
            policy.kinds.push(kind);
        }
        policy.unique = policy.list("unique", &document.unique)?;
        policy.claims = policy.list("claims", &document.claims)?;
        for (entry, (name, text)) in (1..).zip(&document.blocked) {
            let kind = policy.known("blocked", entry, name)?;
            let pattern = Pattern::parse(text).map_err(|why| InvalidPolicy::Pattern { entry, why })?;
            policy.blocked.push((kind, pattern));
        }
        for (entry, (name, most)) in (1..).zip(&document.identifiers_max) {
            let kind = policy.known("limits", entry, name)?;
            if policy.unique.contains(&kind) {
                return Err(InvalidPolicy::UniqueAndLimited { entry });
            }
            if *most == 0 {
                return Err(InvalidPolicy::LimitOfNothing { member: "limits" });
            }
            if policy.identifiers_max.insert(kind, *most).is_some() {
                return Err(InvalidPolicy::Repeated { member: "limits", entry });
            }
        }
        if document.contacts_max == Some(0) {
            return Err(InvalidPolicy::LimitOfNothing { member: "contactsMax" });
        }
        policy.email = if document.exact_email { EmailSpelling::Exact } else { EmailSpelling::Folded };
        if let Some(region) = &document.default_region {
            if region.len() != 2 || !region.bytes().all(|byte| byte.is_ascii_uppercase()) {
                return Err(InvalidPolicy::Region);
            }
            policy.default_region = Some(region.as_str().into());
        }
        Ok(policy)
    }

    /// The document that describes the policy: read again, it gives the same one.
    pub fn document(&self) -> PolicyDocument {
        let names = |kinds: &[IdentifierKind]| kinds.iter().map(|kind| kind.name().to_owned()).collect();
        let limit = |(kind, most): (&IdentifierKind, &u32)| (kind.name().to_owned(), *most);
        let blocked = |(kind, pattern): &(IdentifierKind, Pattern)| {
            (kind.name().to_owned(), pattern.as_str().to_owned())
        };
        PolicyDocument {
            kinds: names(&self.kinds),
            blocked: self.blocked.iter().map(blocked).collect(),
            contacts_max: self.contacts_max,
            identifiers_max: self.identifiers_max.iter().map(limit).collect(),
            unique: names(&self.unique),
            claims: names(&self.claims),
            exact_email: self.email == EmailSpelling::Exact,
            default_region: self.default_region.as_deref().map(str::to_owned),
        }
    }

    fn known(&self, member: &'static str, entry: usize, name: &str) -> Result<IdentifierKind, InvalidPolicy> {
        let kind = kind(member, entry, name)?;
        if self.knows(&kind) { Ok(kind) } else { Err(InvalidPolicy::Undeclared { member, entry }) }
    }

    fn list(&self, member: &'static str, names: &[String]) -> Result<Vec<IdentifierKind>, InvalidPolicy> {
        let mut kinds = Vec::with_capacity(names.len());
        for (entry, name) in (1..).zip(names) {
            let kind = self.known(member, entry, name)?;
            if kinds.contains(&kind) {
                return Err(InvalidPolicy::Repeated { member, entry });
            }
            kinds.push(kind);
        }
        Ok(kinds)
    }
}

fn kind(member: &'static str, entry: usize, name: &str) -> Result<IdentifierKind, InvalidPolicy> {
    IdentifierKind::from_name(name).map_err(|why| InvalidPolicy::KindName { member, entry, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut PolicyDocument)) -> String {
        let mut document = PolicyDocument { kinds: vec!["customerId".into()], ..PolicyDocument::default() };
        change(&mut document);
        Policy::read(&document).unwrap_err().to_string()
    }

    #[test]
    fn a_document_that_cannot_be_says_which_entry_and_what_to_do() {
        let refusals = [
            refused(|document| document.kinds.push("customerId".into())),
            refused(|document| document.kinds.push("email".into())),
            refused(|document| document.unique.push("deviceId".into())),
            refused(|document| document.blocked.push(("email".into(), "*".into()))),
            refused(|document| document.identifiers_max.push(("phone".into(), 0))),
            refused(|document| document.contacts_max = Some(0)),
            refused(|document| document.default_region = Some("gb".into())),
        ];
        assert_eq!(
            refusals,
            [
                "`kinds`, entry 2: the kind is there already; name it once",
                "`kinds`, entry 2: the kind is there already; name it once",
                "`unique`, entry 1: the kind is not declared; add it to `kinds`",
                "`blocked`, entry 1: a pattern needs a character besides `*`: leave the kind out of observations to block all of it",
                "`limits`: a limit is at least 1; leave it out for none",
                "`contactsMax`: a limit is at least 1; leave it out for none",
                "`defaultRegion` is two capital letters, such as `GB`",
            ]
        );
    }
}
