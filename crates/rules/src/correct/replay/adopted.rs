//! Rows of the service that ours replaces, in a replay.

use std::collections::BTreeSet;

use super::Replay;
use crate::judge::forbids;
use crate::{ContactId, Event, Identities, Incoherent, Outcome, Policy, Register, Tables, apply};

impl Replay {
    /// An adopted row stands where it was put. Values that are spelt alike only since then join people as any other observation
    /// does.
    pub(super) fn adopt(&mut self, register: &mut Register, event: &Event) -> Result<(), Incoherent> {
        let mut event = event.clone();
        let Outcome::Adopted { contact, linked_to, deleted_at, .. } = &mut event.outcome else {
            return Ok(());
        };
        // Their primary may have joined an older one.
        *linked_to = linked_to.map(|primary| register.resolve(primary).unwrap_or(primary));
        let (id, is_live, mut owners) = (contact.id, deleted_at.is_none(), Vec::new());
        for seen in &event.evidence {
            let kind = seen.identifier().kind();
            if let Some(owner) = register.owner(seen.identifier()).filter(|_| contact.owns.contains(kind)) {
                contact.owns.retain(|owned| owned != kind);
                owners.push(owner);
            }
        }
        apply(&event, register)?;
        if owners.is_empty() || !is_live {
            return Ok(());
        }
        let touched: BTreeSet<ContactId> = register.resolve(id).into_iter().chain(owners).collect();
        let mut touched: Vec<ContactId> = touched.into_iter().collect();
        touched.sort_by_key(|primary| (register.created_at(*primary), *primary));
        let default = Policy::default();
        if let Some(rule) = forbids(register, register.policy().unwrap_or(&default), &touched) {
            self.refused.insert(event.sequence, (rule, touched));
            return Ok(());
        }
        touched.iter().skip(1).try_for_each(|former| register.relink(*former, touched[0], event.at))
    }
}
