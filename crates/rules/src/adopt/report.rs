//! What an adoption found and does, counted.

use super::people::People;
use super::table::{Link, Table, Text};
use super::{Fate, Precedence, place_of};
use crate::{ContactId, Timestamp};

/// The most contacts that a finding names.
const EXAMPLES_MAX: usize = 10;

/// How often something was found, and some of the contacts where.
///
/// ```
/// let nothing = selfsame_rules::Finding::default();
/// assert_eq!((nothing.count, nothing.examples.len()), (0, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// How often.
    pub count: u64,
    /// The ids of the first ten, oldest row first.
    pub examples: Vec<ContactId>,
}

/// What an adoption found in the original's table, and what becomes of it.
///
/// An *original identity* is all rows that `linkedId` connects, through chains and deleted rows too. Numbers
/// are of all rows, deleted ones too, where nothing else is said.
///
/// ```
/// let report = selfsame_rules::AdoptionReport::default();
/// assert_eq!((report.rows, report.set_apart.count), (0, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptionReport {
    /// Rows of the table.
    pub rows: u64,
    /// Rows that are not deleted.
    pub live: u64,
    /// Rows that are deleted; they stay so.
    pub deleted: u64,

    /// Rows whose `linkedId` names a row that itself links to another.
    pub chains: Finding,
    /// Rows whose `linkedId` names no row.
    pub orphans: Finding,
    /// Rows whose `linkedId` names themselves.
    pub self_links: Finding,
    /// Rows whose `linkPrecedence` contradicts their `linkedId`: a primary with one, a secondary without, or a
    /// word that is neither.
    pub contradictions: Finding,
    /// Rows whose e-mail and phone are both null or blank.
    pub empty_contacts: Finding,
    /// Rows that were made after the moment of adoption.
    pub dated_in_the_future: Finding,
    /// Rows whose id is below 1. No contact of ours can have it: such a table can't be adopted as it is.
    pub ids_below_one: Finding,

    /// Values that are spelt in another way from now on.
    pub values_canonicalised: u64,
    /// Texts that are blank, and null from now on.
    pub values_blank: u64,
    /// Values that today's rules refuse: kept in the event, null from now on.
    pub values_refused: u64,
    /// Rows with at least one such value.
    pub rows_with_refused: Finding,
    /// Canonical values that live rows of two or more original identities bear; the examples are their owners.
    pub values_in_two_identities: Finding,

    /// Identities as the original counts them: live rows marked `primary`.
    pub identities_before: u64,
    /// Identities with a live contact.
    pub identities_after: u64,
    /// Live rows marked `primary` that are not the oldest such row of their person.
    pub duplicate_primaries: Finding,
    /// Identities that gather two or more original identities; the examples are their primaries.
    pub joined: Finding,
    /// Rows that are another person than the row which their `linkedId` names: strangers that a `null` joined.
    pub set_apart: Finding,
    /// Rows that stay with the row which their `linkedId` names though no shared value connects the two.
    pub links_kept: Finding,

    /// Rows that link elsewhere from now on, or no longer, or for the first time.
    pub relinked: Finding,
    /// Rows marked `primary` that are secondary from now on.
    pub demoted: Finding,
    /// Rows marked `secondary` that are primary from now on.
    pub promoted: Finding,
    /// Rows of which the original would show something else from now on; their `updatedAt` is the moment of
    /// adoption.
    pub changed: Finding,
}

pub(super) fn report(table: &Table, people: &People, at: Timestamp) -> AdoptionReport {
    let mut report = AdoptionReport::default();
    let mut persons = Persons::of(table);
    for place in 0..table.len() {
        let row = table.row(place);
        let id = ContactId(row.id);
        let live = table.is_live(place);
        report.rows += 1;
        report.live += u64::from(live);
        report.deleted += u64::from(!live);
        report.dated_in_the_future.note(id, row.created_at > at);
        report.ids_below_one.note(id, row.id < 1);
        report.link(table, people, place);
        report.values(table, place);
        if live {
            persons.bear(table, people, place);
        }
        persons.gather(people, place);

        let primary = people.primary(place);
        report.identities_after += u64::from(live && primary == place);
        if live && row.precedence == Precedence::Primary {
            report.identities_before += 1;
            report.duplicate_primaries.note(id, persons.has_marked(primary));
        }
        let fate = Fate::of(table, people, place);
        let becomes = fate.precedence();
        report.relinked.note(id, fate.relinks(row));
        report.demoted.note(id, row.precedence == Precedence::Primary && becomes == Precedence::Secondary);
        report.promoted.note(id, row.precedence == Precedence::Secondary && becomes == Precedence::Primary);
        report.changed.note(id, fate.changes(row));
    }
    for place in &people.held_by_link {
        report.links_kept.note(ContactId(table.row(*place).id), true);
    }
    persons.conclude(table, people, &mut report);
    report
}

impl Finding {
    fn note(&mut self, id: ContactId, found: bool) {
        self.count += u64::from(found);
        if found && self.examples.len() < EXAMPLES_MAX {
            self.examples.push(id);
        }
    }
}

impl AdoptionReport {
    /// What is to be said of a row's link.
    fn link(&mut self, table: &Table, people: &People, place: u32) {
        let row = table.row(place);
        let id = ContactId(row.id);
        self.contradictions.note(id, row.precedence != Precedence::of_link(row.linked_id));
        match table.link(place) {
            Link::Nowhere => {}
            Link::Orphan => self.orphans.note(id, true),
            Link::Itself => self.self_links.note(id, true),
            Link::To(target) => {
                self.chains.note(id, matches!(table.link(target), Link::To(_)));
                self.set_apart.note(id, people.primary(place) != people.primary(target));
            }
        }
    }

    /// What is to be said of a row's values.
    fn values(&mut self, table: &Table, place: u32) {
        let row = table.row(place);
        let id = ContactId(row.id);
        let texts = table.texts(place);
        let count = |of: fn(&Text) -> bool| texts.iter().filter(|text| of(text)).count() as u64;
        let refused = count(|text| matches!(text, Text::Refused(_)));
        self.values_blank += count(|text| *text == Text::Blank);
        self.values_refused += refused;
        self.rows_with_refused.note(id, refused > 0);
        self.empty_contacts.note(id, texts.iter().all(|text| text.term().is_none()));
        let raw = [row.email.as_deref(), row.phone.as_deref()];
        let shown = table.shown(place);
        let respelt = raw.iter().zip(shown).filter(|(raw, shown)| shown.is_some() && **raw != *shown);
        self.values_canonicalised += respelt.count() as u64;
    }
}

/// What is counted by value or by person, not by row.
struct Persons {
    /// By term: the original identity of its first live bearer, and whether there is another.
    bearers: Vec<Option<(u32, bool)>>,
    /// By primary: the original identity of its first row, and whether there is another.
    gathered: Vec<Option<(u32, bool)>>,
    /// By primary: whether a live row marked `primary` was seen.
    marked: Vec<bool>,
}

impl Persons {
    fn of(table: &Table) -> Self {
        let rows = table.rows.len();
        Self { bearers: vec![None; table.terms.len()], gathered: vec![None; rows], marked: vec![false; rows] }
    }

    fn bear(&mut self, table: &Table, people: &People, place: u32) {
        for text in table.texts(place) {
            if let Text::Borne(term) = text {
                another(&mut self.bearers[place_of(term)], people.original(place));
            }
        }
    }

    fn gather(&mut self, people: &People, place: u32) {
        another(&mut self.gathered[place_of(people.primary(place))], people.original(place));
    }

    /// Whether a person had a row marked `primary` before this one.
    fn has_marked(&mut self, primary: u32) -> bool {
        std::mem::replace(&mut self.marked[place_of(primary)], true)
    }

    fn conclude(&self, table: &Table, people: &People, report: &mut AdoptionReport) {
        // By the owners, so that the examples come in order of age.
        for place in 0..table.len() {
            let id = ContactId(table.row(place).id);
            for text in table.texts(place) {
                if let Text::Borne(term) = text
                    && people.owner(term) == Some(place)
                {
                    let in_two = matches!(self.bearers[place_of(term)], Some((_, true)));
                    report.values_in_two_identities.note(id, in_two);
                }
            }
            report.joined.note(id, matches!(self.gathered[place_of(place)], Some((_, true))));
        }
    }
}

/// Notes one more original identity.
fn another(seen: &mut Option<(u32, bool)>, original: u32) {
    let (first, more) = seen.unwrap_or((original, false));
    *seen = Some((first, more || first != original));
}
