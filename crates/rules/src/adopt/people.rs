//! Who is the same person in the original's table, who is primary, and who owns what.

use std::collections::HashMap;

use super::table::{Link, Table, Text};
use super::{AdoptionSettings, place_of};

/// No row.
const NOBODY: u32 = u32::MAX;

/// The answer, by place.
pub(super) struct People {
    /// The place of each row's primary.
    primaries: Vec<u32>,
    /// The oldest live bearer of each term that is a canonical value.
    owners: Vec<u32>,
    /// The oldest row of each row's original identity: all that links connected.
    originals: Vec<u32>,
    /// The rows whose link is evidence and joins what no shared value joins, oldest first.
    pub(super) held_by_link: Vec<u32>,
}

impl People {
    pub(super) fn of(table: &Table, settings: AdoptionSettings) -> Self {
        let places = 0..table.len();
        let mut original = Sets::apart(table.len());
        for (place, target) in links(table) {
            original.join(place, target);
        }

        let mut same = Sets::apart(table.len());
        let mut owners = vec![NOBODY; table.terms.len()];
        // The oldest bearer of a term within an original identity.
        let mut bearers: HashMap<(u32, u32), u32> = HashMap::with_capacity(table.rows.len());
        for place in places.clone() {
            for text in table.texts(place) {
                let Text::Borne(term) = text else { continue };
                if table.is_live(place) {
                    let owner = &mut owners[place_of(term)];
                    *owner = (*owner).min(place);
                    same.join(place, *owner);
                }
                same.join(place, *bearers.entry((original.of(place), term)).or_insert(place));
            }
        }
        drop(bearers);

        let evidence: Vec<(u32, u32)> = links(table)
            .filter(|(place, _)| {
                let row = table.row(*place);
                settings.trust_links || row.updated_at > row.created_at
            })
            .collect();
        // All are looked at before any joins, so that their order doesn't matter.
        let held = evidence.iter().filter(|(place, target)| same.of(*place) != same.of(*target));
        let held_by_link = held.map(|(place, _)| *place).collect();
        for (place, target) in evidence {
            same.join(place, target);
        }

        let mut primary_of_set = vec![NOBODY; table.rows.len()];
        for place in places.clone() {
            let primary = &mut primary_of_set[place_of(same.of(place))];
            if *primary == NOBODY || (table.is_live(place) && !table.is_live(*primary)) {
                *primary = place;
            }
        }
        Self {
            primaries: places.clone().map(|place| primary_of_set[place_of(same.of(place))]).collect(),
            owners,
            originals: places.map(|place| original.of(place)).collect(),
            held_by_link,
        }
    }

    /// The primary of the row's identity; two rows are the same person if theirs are equal.
    pub(super) fn primary(&self, place: u32) -> u32 {
        self.primaries[place_of(place)]
    }

    /// The owner of a canonical value; none if no live row bears it, or if it is a refused text.
    pub(super) fn owner(&self, term: u32) -> Option<u32> {
        Some(self.owners[place_of(term)]).filter(|owner| *owner != NOBODY)
    }

    /// The oldest row of the row's original identity.
    pub(super) fn original(&self, place: u32) -> u32 {
        self.originals[place_of(place)]
    }
}

/// Every link that leads to another row, as both places.
fn links(table: &Table) -> impl Iterator<Item = (u32, u32)> {
    (0..table.len()).filter_map(|place| match table.link(place) {
        Link::To(target) => Some((place, target)),
        Link::Nowhere | Link::Orphan | Link::Itself => None,
    })
}

/// Disjoint sets of places; each is known by its smallest.
struct Sets {
    above: Vec<u32>,
}

impl Sets {
    fn apart(length: u32) -> Self {
        Self { above: (0..length).collect() }
    }

    fn of(&mut self, mut place: u32) -> u32 {
        while self.above[place_of(place)] != place {
            // Each step halves the way for whoever comes next.
            let above = self.above[place_of(self.above[place_of(place)])];
            self.above[place_of(place)] = above;
            place = above;
        }
        place
    }

    fn join(&mut self, one: u32, other: u32) {
        let (one, other) = (self.of(one), self.of(other));
        self.above[place_of(one.max(other))] = one.min(other);
    }
}
