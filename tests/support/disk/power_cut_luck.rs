//! Chance, and how much of it one file of a disk gets when the power is cut.
//!
//! `power_cut` says what the disk promises whatever the luck.

/// How the disk treats the pending changes of one file, or of the names.
///
/// Deciding sector by sector alone would hardly ever leave a write whole, and so hardly ever show what
/// SQLite makes of a whole transaction that nobody was told of.
#[derive(Clone, Copy)]
pub(crate) enum Luck {
    /// The first so many reach the disk, and the next one in part.
    InOrder(usize),
    /// Each change reaches it with so many chances in four, and then wholly.
    Wholes(u64),
    /// Each sector of each change does.
    Sectors(u64),
}

impl Luck {
    /// Decides for a file with so many pending changes.
    pub(crate) fn draw(chance: &mut Chance, changes: usize) -> Luck {
        match chance.below(6) {
            0 => Luck::InOrder(0),
            1 => Luck::InOrder(changes),
            2 => Luck::InOrder(
                usize::try_from(chance.below(changes as u64 + 1)).expect("it is at most `changes`"),
            ),
            3 | 4 => Luck::Wholes(1 + chance.below(3)),
            _ => Luck::Sectors(1 + chance.below(3)),
        }
    }

    /// Whether anything of the change at `index` reaches the disk.
    pub(crate) fn reaches_disk(self, index: usize, chance: &mut Chance) -> bool {
        match self {
            Luck::InOrder(changes) => index <= changes,
            Luck::Wholes(quarters) => chance.below(4) < quarters,
            Luck::Sectors(_) => true,
        }
    }

    /// Whether one sector does, or the length, of a change that reaches it at all.
    pub(crate) fn sector_reaches_disk(self, index: usize, chance: &mut Chance) -> bool {
        match self {
            Luck::InOrder(changes) => index < changes || chance.below(2) == 0,
            Luck::Wholes(_) => true,
            Luck::Sectors(quarters) => chance.below(4) < quarters,
        }
    }
}

/// Numbers that look random and are the same for the same seed: SplitMix64.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
pub(crate) struct Chance(u64);

impl Chance {
    /// Starts anew for each cut, so that one seed does for all of them.
    pub(crate) fn new(seed: u64, at: usize) -> Chance {
        let mut chance = Chance(seed);
        Chance(chance.next() ^ at as u64)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number from 0 to just below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
