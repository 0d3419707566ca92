//! The original's rows in order of age, their values parsed and numbered, their links looked up.

use std::collections::HashMap;

use super::{OriginalRow, place_of};
use crate::{Identifier, IdentifierKind};

/// The kinds that the original knows, in the order of its columns here.
pub(super) const KINDS: [IdentifierKind; 2] = [IdentifierKind::Email, IdentifierKind::Phone];

/// What a column of a row holds. The numbers are terms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    Null,
    /// A text, but no value.
    Blank,
    /// A text that the rules of its kind refuse.
    Refused(u32),
    /// A canonical value.
    Borne(u32),
}

impl Text {
    /// The number by which equal texts are known, whether the rules take them or not.
    pub(super) fn term(self) -> Option<u32> {
        match self {
            Self::Null | Self::Blank => None,
            Self::Refused(term) | Self::Borne(term) => Some(term),
        }
    }
}

/// Where the link of a row leads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    Nowhere,
    /// To an id that no row has.
    Orphan,
    Itself,
    /// To the row at that place.
    To(u32),
}

/// Everything by place: the number of a row in the order (`created_at`, id), so that a smaller one is older.
pub(super) struct Table {
    pub(super) rows: Vec<OriginalRow>,
    pub(super) texts: Vec<[Text; 2]>,
    pub(super) links: Vec<Link>,
    /// What each term stands for; a refused text stands as if it were canonical.
    pub(super) terms: Vec<Identifier>,
}

impl Table {
    pub(super) fn of(mut rows: Vec<OriginalRow>) -> Self {
        rows.sort_unstable_by_key(|row| (row.created_at, row.id));
        let places: HashMap<i64, u32> = rows.iter().map(|row| row.id).zip(0..).collect();
        let links = rows.iter().map(|row| match row.linked_id {
            None => Link::Nowhere,
            Some(id) if id == row.id => Link::Itself,
            Some(id) => places.get(&id).map_or(Link::Orphan, |place| Link::To(*place)),
        });
        let links = links.collect();
        let mut terms = Terms::default();
        let texts = rows.iter().map(|row| {
            [
                terms.read(&IdentifierKind::Email, row.email.as_deref()),
                terms.read(&IdentifierKind::Phone, row.phone.as_deref()),
            ]
        });
        let texts = texts.collect();
        Self { rows, texts, links, terms: terms.identifiers }
    }

    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.rows.len()).expect("the original's ids are 32 bits wide, so its rows are fewer")
    }

    pub(super) fn row(&self, place: u32) -> &OriginalRow {
        &self.rows[place_of(place)]
    }

    pub(super) fn is_live(&self, place: u32) -> bool {
        self.row(place).deleted_at.is_none()
    }

    pub(super) fn texts(&self, place: u32) -> [Text; 2] {
        self.texts[place_of(place)]
    }

    pub(super) fn link(&self, place: u32) -> Link {
        self.links[place_of(place)]
    }

    /// What the row's columns will show.
    pub(super) fn shown(&self, place: u32) -> [Option<&str>; 2] {
        self.texts(place).map(|text| match text {
            Text::Borne(term) => Some(self.terms[place_of(term)].value()),
            Text::Null | Text::Blank | Text::Refused(_) => None,
        })
    }
}

/// Numbers for texts: equal canonical values get one number, equal refused texts another.
#[derive(Default)]
struct Terms {
    numbers: HashMap<(Identifier, bool), u32>,
    identifiers: Vec<Identifier>,
}

impl Terms {
    fn read(&mut self, kind: &IdentifierKind, text: Option<&str>) -> Text {
        let Some(text) = text else { return Text::Null };
        match Identifier::parse(kind, text) {
            Ok(None) => Text::Blank,
            Ok(Some(identifier)) => Text::Borne(self.number(identifier, true)),
            Err(_) => Text::Refused(self.number(Identifier::from_stored(kind.clone(), text), false)),
        }
    }

    fn number(&mut self, identifier: Identifier, valid: bool) -> u32 {
        let next = u32::try_from(self.identifiers.len()).expect("two values a row, of fewer than 2³¹ rows");
        *self.numbers.entry((identifier, valid)).or_insert_with_key(|(identifier, _)| {
            self.identifiers.push(identifier.clone());
            next
        })
    }
}
