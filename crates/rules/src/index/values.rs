//! Every value once, by its text: which contact owns it. A few bytes beside the text itself.

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use super::TooLarge;

/// Where a value stands: its offset in the pages, in units of [`UNIT_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ValueRef(u32);

/// A value as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'values> {
    /// The number of its kind.
    pub(super) kind: u8,
    pub(super) text: &'values str,
}

/// Values begin at multiples of this, so that 32 bits reach 32 GiB of them.
const UNIT_BYTES: usize = 8;

/// Values lie in pages, so that growing copies nothing.
const PAGE_BYTES: usize = 1 << 20;
const PAGE_UNITS: usize = PAGE_BYTES / UNIT_BYTES;

/// Before the text: the owner (4 bytes), the kind (1), the length (2).
const HEAD_BYTES: usize = 7;

/// Nobody owns the value.
const NOBODY: u32 = u32::MAX;

/// The table of references is cut into as many, so that one that grows keeps nobody waiting.
const SHARDS: usize = 256;

/// All values of an index.
#[derive(Debug)]
pub(super) struct Values {
    pages: Vec<Box<[u8]>>,
    /// The bytes in use of the last page.
    used: usize,
    shards: Vec<HashTable<Entry>>,
    hashes: FixedState,
}

/// A reference with half of its value's hash: a table that grows, and most of a look-up, then needs no value.
#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u32,
    value: ValueRef,
}

/// The hash of a value: which shard, and where in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash {
    shard: usize,
    within: u32,
}

impl Values {
    /// No values. Hashes depend on the seed: whoever doesn't know it can't choose values that collide.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            pages: Vec::new(),
            used: PAGE_BYTES,
            shards: vec![HashTable::new(); SHARDS],
            hashes: FixedState::with_seed(seed),
        }
    }

    /// The value of that kind and text, if it is there.
    pub(super) fn find(&self, kind: u8, text: &str) -> Option<ValueRef> {
        self.find_hashed(self.hash(kind, text), kind, text)
    }

    /// A value of that hash, which is nearly always the one that is meant: found without reading it.
    pub(super) fn find_by_hash(&self, hash: Hash) -> Option<ValueRef> {
        let found = self.shards[hash.shard].find(spread(hash.within), |entry| entry.hash == hash.within);
        found.map(|entry| entry.value)
    }

    /// The value of that kind and text, which have that hash; a new one has no owner.
    pub(super) fn find_or_add(&mut self, hash: Hash, kind: u8, text: &str) -> Result<ValueRef, TooLarge> {
        if let Some(found) = self.find_hashed(hash, kind, text) {
            return Ok(found);
        }
        let value = self.add(kind, text)?;
        let entry = Entry { hash: hash.within, value };
        self.shards[hash.shard].insert_unique(spread(entry.hash), entry, |entry| spread(entry.hash));
        Ok(value)
    }

    /// What stands at a reference.
    pub(super) fn get(&self, value: ValueRef) -> Value<'_> {
        let (page, at) = place(value);
        let bytes = &self.pages[page][at..];
        let (head, rest) = bytes.split_at(HEAD_BYTES);
        let length = usize::from(u16::from_le_bytes([head[5], head[6]]));
        let text = std::str::from_utf8(&rest[..length]).expect("only whole texts are added");
        Value { kind: head[4], text }
    }

    /// The place of the contact that owns a value.
    pub(super) fn owner(&self, value: ValueRef) -> Option<u32> {
        let (page, at) = place(value);
        let head = &self.pages[page][at..at + 4];
        let owner = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        (owner != NOBODY).then_some(owner)
    }

    /// Gives a value its owner.
    pub(super) fn set_owner(&mut self, value: ValueRef, owner: u32) {
        let (page, at) = place(value);
        self.pages[page][at..at + 4].copy_from_slice(&owner.to_le_bytes());
    }

    /// Takes a value's owner away.
    pub(super) fn free(&mut self, value: ValueRef) {
        self.set_owner(value, NOBODY);
    }

    /// The value of that kind and text, which have that hash, if it is there.
    pub(super) fn find_hashed(&self, hash: Hash, kind: u8, text: &str) -> Option<ValueRef> {
        let found = self.shards[hash.shard]
            .find(spread(hash.within), |entry| entry.hash == hash.within && self.is(entry.value, kind, text));
        found.map(|entry| entry.value)
    }

    fn is(&self, value: ValueRef, kind: u8, text: &str) -> bool {
        let (page, at) = place(value);
        let bytes = &self.pages[page][at..];
        let length = usize::from(u16::from_le_bytes([bytes[5], bytes[6]]));
        bytes[4] == kind && bytes[HEAD_BYTES..HEAD_BYTES + length] == *text.as_bytes()
    }

    fn add(&mut self, kind: u8, text: &str) -> Result<ValueRef, TooLarge> {
        let length = u16::try_from(text.len()).map_err(|_| TooLarge::Value)?;
        let bytes = HEAD_BYTES + text.len();
        if self.used + bytes > PAGE_BYTES {
            self.pages.push(vec![0; PAGE_BYTES].into_boxed_slice());
            self.used = 0;
        }
        let unit = (self.pages.len() - 1) * PAGE_UNITS + self.used / UNIT_BYTES;
        let value =
            ValueRef(u32::try_from(unit).ok().filter(|unit| *unit != NOBODY).ok_or(TooLarge::Values)?);
        let (page, at) = place(value);
        let into = &mut self.pages[page][at..at + bytes];
        into[..4].copy_from_slice(&NOBODY.to_le_bytes());
        into[4] = kind;
        into[5..HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
        into[HEAD_BYTES..].copy_from_slice(text.as_bytes());
        self.used += bytes.next_multiple_of(UNIT_BYTES);
        Ok(value)
    }

    /// The hash of a value.
    pub(super) fn hash(&self, kind: u8, text: &str) -> Hash {
        let mut hasher = self.hashes.build_hasher();
        hasher.write(text.as_bytes());
        hasher.write_u8(kind);
        let hash = hasher.finish().to_le_bytes();
        Hash { shard: usize::from(hash[0]), within: u32::from_le_bytes([hash[4], hash[5], hash[6], hash[7]]) }
    }
}

impl ValueRef {
    /// A value's reference in 32 bits, [`u32::MAX`] for none.
    pub(super) fn pack(value: Option<Self>) -> u32 {
        value.map_or(NOBODY, |value| value.0)
    }

    /// The other way.
    pub(super) fn unpack(packed: u32) -> Option<Self> {
        (packed != NOBODY).then_some(Self(packed))
    }
}

/// A table takes bits from both ends of a hash: half of one, spread over all.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The page of a value, and where in it.
fn place(ValueRef(unit): ValueRef) -> (usize, usize) {
    let unit = unit as usize;
    (unit / PAGE_UNITS, unit % PAGE_UNITS * UNIT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_or_add(values: &mut Values, kind: u8, text: &str) -> Result<ValueRef, TooLarge> {
        values.find_or_add(values.hash(kind, text), kind, text)
    }

    #[test]
    fn a_value_is_found_by_kind_and_text_across_pages_and_growing_tables() {
        let mut values = Values::new(7);
        let text = |number: u32| format!("{number}{}", "x".repeat(number as usize % 251));
        let added: Vec<ValueRef> =
            (0..40_000).map(|number| find_or_add(&mut values, 0, &text(number)).unwrap()).collect();
        assert!(values.pages.len() > 4);
        for (number, value) in (0..).zip(&added) {
            assert_eq!(values.find(0, &text(number)), Some(*value));
            assert_eq!(find_or_add(&mut values, 0, &text(number)), Ok(*value));
            assert_eq!((values.get(*value).text, values.get(*value).kind), (text(number).as_str(), 0));
        }
        assert_eq!(values.find(1, &text(1)), None, "of another kind");
        assert_eq!(values.find(0, "x"), None);
    }

    #[test]
    fn a_value_has_the_owner_that_it_was_given() {
        let mut values = Values::new(7);
        let ours = find_or_add(&mut values, 0, "").unwrap();
        let other = find_or_add(&mut values, 1, "").unwrap();
        assert_eq!(values.owner(ours), None);
        values.set_owner(ours, 3);
        assert_eq!((values.owner(ours), values.owner(other)), (Some(3), None));
    }

    #[test]
    fn a_value_that_is_longer_than_any_is_refused() {
        let mut values = Values::new(7);
        assert_eq!(find_or_add(&mut values, 0, &"x".repeat(65_536)), Err(TooLarge::Value));
        assert!(find_or_add(&mut values, 0, &"x".repeat(65_535)).is_ok());
    }
}
