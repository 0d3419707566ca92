//! What people decided and rules refused, beside the rows.

use std::collections::{BTreeMap, BTreeSet};

use selfsame_rules::{Change, Event, Outcome, Policy, SeenIdentifier, Sequence, Tables, Timestamp};

/// What people decided and rules refused, beside the rows.
#[derive(Clone, Debug, Default)]
pub struct Decisions {
    /// Corrections that keep contacts apart or lift that, by their place in the log.
    pub pairs: BTreeMap<Sequence, Event>,
    /// Refusals, by their place in the log.
    pub refusals: BTreeMap<Sequence, Event>,
    /// Those of them that were reviewed.
    pub settled: BTreeSet<Sequence>,
    /// The evidence of those that may be spelt otherwise than their events say, as it is spelt now.
    pub spelt: BTreeMap<Sequence, Vec<SeenIdentifier>>,
}

impl Decisions {
    /// Tells them, and the policy, to tables that have all rows already.
    ///
    /// # Errors
    ///
    /// What the tables say.
    pub fn tell<T: Tables>(&self, policy: Option<&Policy>, tables: &mut T) -> Result<(), T::Error> {
        // The moment moves no row: nothing here does.
        let at = Timestamp::from_milliseconds(0);
        if let Some(policy) = policy {
            tables.change(Change::Govern(policy), at)?;
        }
        for event in self.pairs.values() {
            let Some(correction) = event.outcome.correction() else { continue };
            correction.lifted.iter().try_for_each(|pair| tables.change(Change::Lift(pair), at))?;
            correction.kept_apart.iter().try_for_each(|pair| tables.change(Change::KeepApart(pair), at))?;
        }
        for (sequence, event) in &self.refusals {
            if let Outcome::Refused { identities, .. } = &event.outcome {
                let evidence = self.spelt.get(sequence).unwrap_or(&event.evidence);
                let sequence = *sequence;
                tables.change(Change::Refuse { sequence, evidence, identities }, at)?;
            }
            if self.settled.contains(sequence) {
                tables.change(Change::Settle(*sequence), at)?;
            }
        }
        Ok(())
    }
}
