//! The contacts of an index: 32 bytes each, and each identity a list in the order of age.
//!
//! Numbers grow along the log, so a number is found by its order; only adopted events bring them in another.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::values::ValueRef;
use super::{StoredContact, TooLarge};
use crate::{ContactId, Incoherent, Timestamp};

/// Where a contact stands: they stand in the order in which they came.
pub(super) type Place = u32;

/// No contact.
const NONE: Place = Place::MAX;

/// Marks the link of a primary; so there are at most 2^31 contacts.
const PRIMARY: u32 = 1 << 31;

/// Rows lie in segments, so that growing copies nothing.
const SEGMENT_ROWS: usize = 1 << 16;

#[derive(Clone, Copy, Debug)]
struct Row {
    id: i64,
    created_at: i64,
    /// Of a secondary: its primary. Of a primary: [`PRIMARY`] and the last contact of its identity.
    link: u32,
    /// The next younger contact of the identity, or [`NONE`].
    next: Place,
    /// What it bears, packed.
    email: u32,
    phone: u32,
}

/// What a contact bears.
#[derive(Clone, Debug, Default)]
pub(super) struct Borne {
    pub(super) email: Option<ValueRef>,
    pub(super) phone: Option<ValueRef>,
    /// In the order of kinds.
    pub(super) declared: Vec<ValueRef>,
}

/// All contacts of an index.
#[derive(Debug, Default)]
pub(super) struct Contacts {
    segments: Vec<Vec<Row>>,
    count: usize,
    /// Where each number stands, once they came in another order than their own.
    by_number: Option<HashMap<i64, Place>>,
    /// Values of declared kinds, for those contacts that bear some.
    declared: BTreeMap<Place, Box<[ValueRef]>>,
    /// Stored secondaries whose primary has a higher number, and wasn't seen yet.
    waiting: Vec<(Place, ContactId)>,
    /// Primaries of whose contacts some stand behind younger ones, until [`Self::settle`].
    unsorted: BTreeSet<Place>,
}

impl Contacts {
    /// Adds a contact.
    pub(super) fn add(&mut self, contact: &StoredContact, borne: Borne) -> Result<Place, TooLarge> {
        let place =
            Place::try_from(self.count).ok().filter(|place| *place < PRIMARY).ok_or(TooLarge::Contacts)?;
        if self.by_number.is_none() && self.last_id().is_some_and(|last| contact.id < last) {
            self.by_number = Some((0..place).map(|place| (self.row(place).id, place)).collect());
        }
        if let Some(by_number) = &mut self.by_number {
            by_number.insert(contact.id.0, place);
        }
        if self.count.is_multiple_of(SEGMENT_ROWS) {
            self.segments.push(Vec::with_capacity(SEGMENT_ROWS));
        }
        let segment = self.segments.last_mut().expect("one was pushed for the first row");
        segment.push(Row {
            id: contact.id.0,
            created_at: contact.created_at.as_milliseconds(),
            link: PRIMARY | place,
            next: NONE,
            email: ValueRef::pack(borne.email),
            phone: ValueRef::pack(borne.phone),
        });
        self.count += 1;
        if !borne.declared.is_empty() {
            self.declared.insert(place, borne.declared.into_boxed_slice());
        }
        if let Some(primary) = contact.linked_to {
            match self.place_of(primary) {
                Some(primary) if self.primary(primary) == primary => self.append(place, primary),
                _ => self.waiting.push((place, primary)),
            }
        }
        Ok(place)
    }

    /// Lets a contact bear something else.
    pub(super) fn respell(&mut self, place: Place, borne: Borne) {
        let row = self.row_mut(place);
        (row.email, row.phone) = (ValueRef::pack(borne.email), ValueRef::pack(borne.phone));
        if borne.declared.is_empty() {
            self.declared.remove(&place);
        } else {
            self.declared.insert(place, borne.declared.into_boxed_slice());
        }
    }

    /// Links what waited for its primary, and brings identities into the order of age: once for all that was added
    /// and moved, however much of that is one identity's.
    pub(super) fn settle(&mut self) -> Result<(), Incoherent> {
        for (place, primary) in std::mem::take(&mut self.waiting) {
            match self.place_of(primary) {
                Some(found) if self.primary(found) == found && found != place => self.append(place, found),
                _ => return Err(Incoherent::NoPrimary { contact: self.id(place), primary }),
            }
        }
        for primary in std::mem::take(&mut self.unsorted) {
            let mut members: Vec<Place> = self.identity(primary).collect();
            // A few runs, each in order: a stable sort merges them.
            members.sort_by_key(|place| self.age(*place));
            // A secondary that is older than its primary is damage; it would turn the identity around.
            if members[0] != primary {
                return Err(Incoherent::NoPrimary {
                    contact: self.id(members[0]),
                    primary: self.id(primary),
                });
            }
            self.chain(primary, &members);
        }
        Ok(())
    }

    /// Moves all contacts of one identity behind those of another, whose primary is older. To be settled.
    pub(super) fn relink(&mut self, former: Place, survivor: Place) {
        let (last, end) = (self.last(survivor), self.last(former));
        if self.unsorted.remove(&former) || self.age(last) > self.age(former) {
            self.unsorted.insert(survivor);
        }
        let mut place = former;
        while place != NONE {
            let row = self.row_mut(place);
            row.link = survivor;
            place = row.next;
        }
        self.row_mut(last).next = former;
        self.row_mut(survivor).link = PRIMARY | end;
    }

    /// Makes these, oldest first, an identity of their own; what they were of must be made anew too.
    pub(super) fn regroup(&mut self, members: &[Place]) {
        if let Some(primary) = members.first() {
            self.chain(*primary, members);
        }
    }

    /// The contacts of an identity, oldest first.
    pub(super) fn identity(&self, primary: Place) -> impl Iterator<Item = Place> {
        self.from(Some(primary))
    }

    /// That contact and those of its identity that are younger, oldest first.
    pub(super) fn from(&self, first: Option<Place>) -> impl Iterator<Item = Place> {
        std::iter::successors(first, |place| self.next(*place))
    }

    /// The next younger contact of the identity.
    pub(super) fn next(&self, place: Place) -> Option<Place> {
        let next = self.row(place).next;
        (next != NONE).then_some(next)
    }

    /// The primary of a contact.
    pub(super) fn primary(&self, place: Place) -> Place {
        let link = self.row(place).link;
        if link & PRIMARY == 0 { link } else { place }
    }

    /// The contact of that number.
    pub(super) fn place_of(&self, id: ContactId) -> Option<Place> {
        if let Some(by_number) = &self.by_number {
            return by_number.get(&id.0).copied();
        }
        // Where no number was left out, the first guess is right.
        let first = self.segments.first()?.first()?.id;
        if let Ok(guess) = usize::try_from(id.0.checked_sub(first)?)
            && guess < self.count
            && self.segments[guess / SEGMENT_ROWS][guess % SEGMENT_ROWS].id == id.0
        {
            return Place::try_from(guess).ok();
        }
        let segment = self.segments.partition_point(|rows| rows[0].id <= id.0).checked_sub(1)?;
        let within = self.segments[segment].binary_search_by_key(&id.0, |row| row.id).ok()?;
        Place::try_from(segment * SEGMENT_ROWS + within).ok()
    }

    pub(super) fn id(&self, place: Place) -> ContactId {
        ContactId(self.row(place).id)
    }

    pub(super) fn created_at(&self, place: Place) -> Timestamp {
        Timestamp::from_milliseconds(self.row(place).created_at)
    }

    /// What a contact bears, in the order of kinds.
    pub(super) fn borne(&self, place: Place) -> impl Iterator<Item = ValueRef> {
        let row = self.row(place);
        let declared = if self.declared.is_empty() { None } else { self.declared.get(&place) };
        let columns = [row.email, row.phone].into_iter().filter_map(ValueRef::unpack);
        columns.chain(declared.into_iter().flatten().copied())
    }

    fn last_id(&self) -> Option<ContactId> {
        Some(ContactId(self.segments.last()?.last()?.id))
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn append(&mut self, place: Place, primary: Place) {
        let last = self.last(primary);
        if self.age(place) < self.age(last) {
            self.unsorted.insert(primary);
        }
        self.row_mut(place).link = primary;
        self.row_mut(last).next = place;
        self.row_mut(primary).link = PRIMARY | place;
    }

    /// Makes these, in this order, the identity of `primary`, which is the first of them.
    fn chain(&mut self, primary: Place, members: &[Place]) {
        for pair in members.windows(2) {
            self.row_mut(pair[0]).next = pair[1];
            self.row_mut(pair[1]).link = primary;
        }
        let last = *members.last().expect("an identity has its primary");
        self.row_mut(last).next = NONE;
        self.row_mut(primary).link = PRIMARY | last;
    }

    fn last(&self, primary: Place) -> Place {
        self.row(primary).link & !PRIMARY
    }

    fn age(&self, place: Place) -> (i64, i64) {
        let row = self.row(place);
        (row.created_at, row.id)
    }

    fn row(&self, place: Place) -> &Row {
        let place = place as usize;
        &self.segments[place / SEGMENT_ROWS][place % SEGMENT_ROWS]
    }

    fn row_mut(&mut self, place: Place) -> &mut Row {
        let place = place as usize;
        &mut self.segments[place / SEGMENT_ROWS][place % SEGMENT_ROWS]
    }
}
