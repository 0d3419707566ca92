//! How far the import of a file is: kept in the transaction of what it brought, so that one that was interrupted goes on.

use std::fmt;

use selfsame_rules::{Outcome, Plan, Timestamp};

/// What rows that were imported came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Contacts that they made.
    pub contacts: i64,
    /// How many identities there are more than before; negative where they joined more than they brought.
    pub identities: i64,
    /// Rows that joined identities.
    pub merges: i64,
    /// Rows that a rule kept from joining identities, or from giving one all that they brought.
    pub refused: i64,
    /// Rows that changed nothing.
    pub unchanged: i64,
}

impl ImportCounts {
    /// What the rows come to of which `plan` was made.
    pub fn of(plan: &Plan) -> Self {
        let mut counts = Self::default();
        for event in &plan.events {
            counts.contacts += i64::from(event.outcome.contact().is_some());
            match &event.outcome {
                Outcome::Created { .. } => counts.identities += 1,
                Outcome::Merged { former_primaries, .. } => {
                    counts.merges += 1;
                    counts.identities -= count(former_primaries.len());
                }
                Outcome::Refused { home, former_primaries, contact, .. } => {
                    counts.refused += 1;
                    counts.identities -= count(former_primaries.len());
                    let is_new = contact.as_ref().is_some_and(|contact| contact.id == *home);
                    counts.identities += i64::from(is_new);
                }
                Outcome::Attached { .. }
                | Outcome::Undone { .. }
                | Outcome::Split(_)
                | Outcome::Joined(_)
                | Outcome::Reviewed { .. }
                | Outcome::Deleted { .. }
                | Outcome::Erased { .. }
                | Outcome::PolicyChanged(_)
                | Outcome::Refolded { .. }
                | Outcome::Adopted { .. }
                | Outcome::KeyChanged(_)
                | Outcome::WorkspaceChanged(_) => {}
            }
        }
        counts.unchanged = count(plan.answers.len()) - count(plan.events.len());
        counts
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            contacts: self.contacts + other.contacts,
            identities: self.identities + other.identities,
            merges: self.merges + other.merges,
            refused: self.refused + other.refused,
            unchanged: self.unchanged + other.unchanged,
        }
    }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// How far the import of a file is. Prints without its digests: of few rows, a value could be guessed by them.
#[derive(Clone, PartialEq, Eq)]
pub struct ImportNote {
    /// By what the file is known when it comes again: 64 hexadecimal digits.
    pub file: Box<str>,
    /// How many of its rows that can be used were decided, in the order in which they were taken.
    pub rows: i64,
    /// The SHA-256 of what those say, in hexadecimal digits.
    pub digest: Box<str>,
    /// Whether rows were put in the order of their own times, and accepted as of these.
    pub by_time: bool,
    /// What they came to.
    pub counts: ImportCounts,
    /// When the first of them were stored.
    pub began_at: Timestamp,
}

impl fmt::Debug for ImportNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ImportNote({} rows, {:?})", self.rows, self.counts)
    }
}
