//! An earlier state: the log folded up to a moment. Its contacts are held in memory.

use selfsame_rules::{ContactId, Head, IdentifierKind, Moment, Register, RegisterRow, Sequence};
use selfsame_store::{EventRow, Record, event_text};

use super::{ExportError, Subject};

/// How many rows become one piece.
const ROWS_AT_ONCE: usize = 1_000;

/// What the log adds up to so far.
pub(super) struct Past(Register);

impl Default for Past {
    fn default() -> Self {
        Self(Register::new(Head::EMPTY))
    }
}

/// Whether an event came after the moment.
pub(super) fn is_after(row: &EventRow, moment: Option<Moment>) -> bool {
    match moment {
        None => false,
        Some(Moment::Sequence(last)) => row.sequence > last.0,
        Some(Moment::Time(last)) => row.at_ms > last.as_milliseconds(),
    }
}

impl Past {
    pub(super) fn follow(&mut self, row: &EventRow) -> Result<(), ExportError> {
        let sequence = Sequence(row.sequence);
        let event = event_text::read(row)
            .map_err(|error| ExportError::Unreadable(sequence, error.to_string().into()))?;
        self.0.follow(&event).map_err(|error| ExportError::Impossible(sequence, error))
    }

    /// What a scan of the tables would have sent then, a part at a time.
    pub(super) fn records(self, subject: Subject) -> impl Iterator<Item = Vec<Record>> {
        let ids: Vec<ContactId> = if subject == Subject::Identities {
            self.0.primaries().collect()
        } else {
            self.0.rows().map(|row| row.contact.id).collect()
        };
        let (mut next, register) = (0, self.0);
        std::iter::from_fn(move || {
            let part = ids.get(next..)?;
            let part = &part[..part.len().min(ROWS_AT_ONCE)];
            next += part.len();
            let record = |id: &ContactId| {
                if subject == Subject::Identities {
                    return Some(Record::Identity(identity(&register, *id)));
                }
                register.contact(*id).cloned().map(Record::Contact)
            };
            (!part.is_empty()).then(|| part.iter().filter_map(record).collect())
        })
    }
}

/// The live contacts of a primary's identity, oldest first, each with what it owns.
fn identity(register: &Register, primary: ContactId) -> Vec<RegisterRow> {
    let everybody = register.everybody(primary);
    let live = everybody.iter().filter_map(|id| register.contact(*id));
    let mut live: Vec<_> = live.filter(|contact| contact.deleted_at.is_none()).collect();
    live.sort_by_key(|contact| (contact.created_at, contact.id));
    let row = |contact: &selfsame_rules::Contact| {
        let owned = contact.identifiers.iter();
        let owned = owned.filter(|value| register.owning_contact(value) == Some(contact.id));
        let owns: Vec<IdentifierKind> = owned.map(|value| value.kind().clone()).collect();
        RegisterRow { contact: contact.clone(), owns }
    };
    live.into_iter().map(row).collect()
}
