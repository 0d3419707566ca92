//! What a look showed, kept: for planted faults that answer from what was true before.

use selfsame_rules::{Contact, Identifier, Identities, Members, Neighbourhood};

/// The identities that own one of `identifiers`, as `identities` shows them now.
pub fn captured(identities: &dyn Identities, identifiers: &[Identifier]) -> Neighbourhood {
    let mut primaries: Vec<_> = identifiers.iter().filter_map(|seen| identities.owner(seen)).collect();
    primaries.sort();
    primaries.dedup();
    let (mut contacts, mut owners) = (Vec::new(), Vec::new());
    for primary in primaries {
        let mut members = Members::default();
        identities.members(primary, &mut members);
        for (created_at, id, brought) in members.iter() {
            owners.extend(brought.iter().map(|identifier| (identifier.clone(), id)));
            contacts.push(Contact {
                id,
                identifiers: brought.to_vec(),
                linked_to: (id != primary).then_some(primary),
                created_at,
                updated_at: created_at,
                deleted_at: None,
            });
        }
    }
    Neighbourhood::new(identities.head(), contacts, owners).expect("what is shown is coherent")
}
