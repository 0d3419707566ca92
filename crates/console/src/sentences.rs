//! Each event of the log in a sentence that a person in a shop understands.

use selfsame_rules::{
    Apart, Correction, Event, IdentifierKind, Judgement, Move, NewContact, Outcome, Rule, SeenIdentifier,
};

use crate::shown::{self, list, named, number, numbers};

/// What happened, and what came of it.
pub(crate) fn tell(event: &Event) -> String {
    let gave = gave(event);
    match &event.outcome {
        Outcome::Created { contact } => {
            format!("{gave}. Nobody had that: a new customer, {}.", number(contact.id))
        }
        Outcome::Attached { primary, contact } => {
            format!("{gave}. The customer was known as {}, {}.", number(*primary), new_row(event, contact))
        }
        Outcome::Merged { survivor, former_primaries, contact } => {
            let row = contact.as_ref().map(|contact| format!(" {} says so.", number(contact.id)));
            format!(
                "{gave}. That belongs together: {} and {} have been one customer since.{}",
                number(*survivor),
                numbers(former_primaries),
                row.unwrap_or_default()
            )
        }
        Outcome::Refused { rule, identities, home, former_primaries, contact } => {
            let whom = match identities.len() {
                0 | 1 => format!("{} could not have all of it", number(*home)),
                _ => format!("{} were not joined", numbers(identities)),
            };
            let all_the_same = (!former_primaries.is_empty()).then(|| {
                format!(" {} became one with {} all the same.", numbers(former_primaries), number(*home))
            });
            let row = contact.as_ref().map(|contact| format!(" The rest is kept as {}.", number(contact.id)));
            format!(
                "{gave}. {whom}: {}.{}{}",
                rule_words(rule),
                all_the_same.unwrap_or_default(),
                row.unwrap_or_default()
            )
        }
        Outcome::Undone { event, correction } => {
            format!("Event {event} was undone{}. {}", reason(correction), moved(correction))
        }
        Outcome::Split(correction) => format!("Parted by hand{}. {}", reason(correction), moved(correction)),
        Outcome::Joined(correction) => format!("Joined by hand{}. {}", reason(correction), moved(correction)),
        Outcome::Reviewed { review, judgement, correction } => {
            let judged = match judgement {
                Judgement::Merge => "the same person",
                Judgement::KeepApart => "different people",
            };
            format!(
                "The refusal of event {review} was reviewed: {judged}{}. {}",
                reason(correction),
                moved(correction)
            )
        }
        Outcome::Deleted { contact, rest, .. } => {
            let rest = rest.map(|rest| format!(" {} stands for the customer since.", number(rest)));
            format!("{} was deleted.{}", number(*contact), rest.unwrap_or_default())
        }
        Outcome::Erased { contacts, .. } => {
            format!("The customer was erased on request: {} hold nothing any more.", numbers(contacts))
        }
        Outcome::PolicyChanged(_) => "The rules of the workspace were changed.".to_owned(),
        Outcome::Refolded { correction, .. } => {
            format!(
                "The rules were changed and all that was recorded was decided again. {}",
                moved(correction)
            )
        }
        Outcome::Adopted { contact, linked_to, .. } => {
            let linked = linked_to.map(|primary| format!(", with {}", number(primary)));
            format!(
                "Taken over from the table of the service before, as {}{}: {}.",
                number(contact.id),
                linked.unwrap_or_default(),
                values(&event.evidence)
            )
        }
        Outcome::KeyChanged(_) => "A key was made or revoked.".to_owned(),
        Outcome::WorkspaceChanged(_) => "The workspace was made, renamed or erased.".to_owned(),
    }
}

/// What an event observed, as the beginning of a sentence: `A checkout gave ada@example.org and 555`.
fn gave(event: &Event) -> String {
    format!("{} gave {}", source(event, true), values(&event.evidence))
}

/// What brought an event, as the subject of a sentence.
pub(crate) fn source(event: &Event, begins: bool) -> String {
    let imported = event.origin.as_ref().is_some_and(|origin| origin.imported);
    let what = if imported { "row of a file" } else { "checkout" };
    let from = event.origin.as_ref().and_then(|origin| origin.source.as_deref());
    let from = from.map(|from| format!(" at {from}")).unwrap_or_default();
    format!("{} {what}{from}", if begins { "A" } else { "a" })
}

/// The values that were seen.
pub(crate) fn values(seen: &[SeenIdentifier]) -> String {
    let seen: Vec<String> = seen.iter().map(|seen| named(seen.identifier())).collect();
    if seen.is_empty() { "nothing that is still known".to_owned() } else { list(&seen) }
}

fn new_row(event: &Event, contact: &NewContact) -> String {
    let new = event.evidence.iter().filter(|seen| contact.owns.contains(seen.identifier().kind()));
    let new: Vec<String> = new.map(|seen| named(seen.identifier())).collect();
    match new.is_empty() {
        true => format!("and nothing in it was new to them; it is kept as {}", number(contact.id)),
        false => format!("and {} is theirs since then, kept as {}", list(&new), number(contact.id)),
    }
}

/// A rule, as the reason why something was not done.
pub(crate) fn rule_words(rule: &Rule) -> String {
    let kind = |kind: &IdentifierKind| shown::kind_word(kind).to_owned();
    match rule {
        Rule::KeptApart => "they are kept apart by somebody's decision".to_owned(),
        Rule::Unique(of) => format!("a customer has one {} only", kind(of)),
        Rule::Identifiers(of) => format!("a customer may not have so many values of {}", kind(of)),
        Rule::Contacts => "a customer may not have so many contacts".to_owned(),
    }
}

fn reason(correction: &Correction) -> String {
    correction.reason.as_ref().map(|reason| format!(" (“{reason}”)")).unwrap_or_default()
}

/// Who is with whom since a correction.
fn moved(correction: &Correction) -> String {
    let mut told: Vec<String> = correction
        .moves
        .iter()
        .map(|moved| match moved {
            Move::Part { contacts, rest: Some(rest) } => {
                format!("{} left; {} stands for the others.", numbers(contacts), number(*rest))
            }
            Move::Part { contacts, rest: None } => format!("{} left.", numbers(contacts)),
            Move::Join { survivor, former } => {
                format!("{} and {} have been one customer since.", number(*survivor), number(*former))
            }
        })
        .collect();
    let apart = |apart: &Apart| format!("{} and {}", numbers(&apart.one), numbers(&apart.other));
    told.extend(correction.kept_apart.iter().map(|pair| format!("Kept apart: {}.", apart(pair))));
    told.extend(correction.lifted.iter().map(|pair| format!("No longer kept apart: {}.", apart(pair))));
    if told.is_empty() { "Nobody moved.".to_owned() } else { told.join(" ") }
}
