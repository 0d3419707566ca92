//! Random numbers from a printed seed: a failure is run again with `SELFSAME_TEST_SEED=…`.

/// A small generator (SplitMix64), the same on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator from the seed of this run, which is printed: the environment's, or one from the clock.
    pub fn of_this_run() -> Self {
        let seed = std::env::var("SELFSAME_TEST_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.expect("the clock is set").subsec_nanos().into()
        });
        println!("seed: {seed} (SELFSAME_TEST_SEED={seed} repeats this run)");
        Self::seeded(seed)
    }

    /// A generator from a given seed.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// One of `all`, which has at least one.
    pub fn pick<'all, T>(&mut self, all: &'all [T]) -> &'all T {
        let count = u64::try_from(all.len()).expect("no list is that long");
        &all[usize::try_from(self.below(count)).expect("it is an index")]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A generator of its own, for a client or a round.
    pub fn fork(&mut self) -> Self {
        Self(self.number())
    }
}
