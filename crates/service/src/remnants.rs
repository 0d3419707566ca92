//! Where an erased text stands all the same: in what people wrote, of which no rule can know whose it is.

use selfsame_rules::{Event, Outcome, Policy, Sequence};
use selfsame_store::{ErasedTexts, Record, Scan, Store, StoreError, WorkspaceKey};
use tokio::sync::mpsc;

/// How many remnants are told of at most.
const LISTED_MAX: usize = 100;

/// Batches of rows that may be under way.
const UNDER_WAY: usize = 4;

/// Places where erased texts stand all the same.
#[derive(Clone, Debug, Default)]
pub struct Remnants {
    /// The first of them, in the order of the log.
    pub listed: Vec<Remnant>,
    /// How many there are.
    pub count: usize,
}

/// A place where an erased text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remnant {
    /// The event that holds it.
    pub event: Sequence,
    /// Which part of that.
    pub part: RemnantPart,
}

/// A part of an event that people write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemnantPart {
    /// Why a correction was made.
    Reason,
    /// Who caused it.
    CausedBy,
    /// Where an observation was made.
    Source,
    /// A policy, as it was set by it or replaced.
    Policy,
    /// The name of a key or a workspace.
    Name,
}

/// Reads the log for `texts`.
pub(crate) async fn remnants(
    store: &dyn Store,
    workspace: WorkspaceKey,
    texts: &ErasedTexts,
) -> Result<Remnants, StoreError> {
    let sought: Vec<String> = texts.iter().map(str::to_lowercase).collect();
    if sought.is_empty() {
        return Ok(Remnants::default());
    }
    let (sender, mut records) = mpsc::channel(UNDER_WAY);
    let search = async move {
        let mut remnants = Remnants::default();
        while let Some(some) = records.recv().await {
            for record in some {
                // Contacts come after the log; nobody wrote them.
                let Record::Event(event) = record else { return remnants };
                for part in parts(&event, &sought) {
                    remnants.count += 1;
                    if remnants.listed.len() < LISTED_MAX {
                        remnants.listed.push(Remnant { event: event.sequence, part });
                    }
                }
            }
        }
        remnants
    };
    let (scanned, remnants) = tokio::join!(store.scan(workspace, Scan::Everything, sender), search);
    scanned.map(|_| remnants)
}

fn parts(event: &Event, sought: &[String]) -> Vec<RemnantPart> {
    let source = event.origin.as_deref().and_then(|origin| origin.source.as_deref());
    let reason = event.outcome.correction().and_then(|made| made.reason.as_deref());
    let mut written = vec![(RemnantPart::CausedBy, event.caused_by.name().to_owned())];
    written.extend(source.map(|text| (RemnantPart::Source, text.to_owned())));
    written.extend(reason.map(|text| (RemnantPart::Reason, text.to_owned())));
    match &event.outcome {
        Outcome::PolicyChanged(policy) | Outcome::Refolded { policy, .. } => {
            let policies = policy.before.iter().chain([&policy.after]);
            let blocked = policies.map(Policy::document).flat_map(|document| document.blocked);
            written.extend(blocked.map(|(_, value)| (RemnantPart::Policy, value)));
        }
        Outcome::KeyChanged(key) => written.push((RemnantPart::Name, key.after.name.to_string())),
        Outcome::WorkspaceChanged(changed) => {
            let names = changed.before.iter().chain([&changed.after]).map(|facts| facts.name.to_string());
            written.extend(names.map(|name| (RemnantPart::Name, name)));
        }
        Outcome::Created { .. }
        | Outcome::Attached { .. }
        | Outcome::Merged { .. }
        | Outcome::Refused { .. }
        | Outcome::Undone { .. }
        | Outcome::Split(_)
        | Outcome::Joined(_)
        | Outcome::Reviewed { .. }
        | Outcome::Deleted { .. }
        | Outcome::Erased { .. }
        | Outcome::Adopted { .. } => {}
    }
    let mut parts: Vec<RemnantPart> = Vec::new();
    for (part, text) in written {
        if !parts.contains(&part) && holds(&text.to_lowercase(), sought) {
            parts.push(part);
        }
    }
    parts
}

/// Whether a text holds one of those as a word of its own: a short number within a longer one is another number.
fn holds(text: &str, sought: &[String]) -> bool {
    sought.iter().any(|one| {
        text.match_indices(one.as_str()).any(|(at, found)| {
            let before = text[..at].chars().next_back();
            let after = text[at + found.len()..].chars().next();
            !before.into_iter().chain(after).any(char::is_alphanumeric)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_as_a_word_and_not_within_another() {
        let sought = ["zoë@hill.edu", "111"].map(str::to_owned);
        for (text, want) in [
            ("asked by zoë@hill.edu, in person", true),
            ("call 111", true),
            ("*111*", true),
            ("call 2111", false),
            ("xzoë@hill.edu", false),
            ("zoë@hill.education", false),
            ("", false),
        ] {
            assert_eq!(holds(text, &sought), want, "{text}");
        }
    }
}
