//! Numbers that only depend on a seed, and histories made of them.

use crate::model::{ModelPolicy, Seen};

/// Xorshift: a history can be made again from its seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// An observation of few values, so that most touch somebody; in the order of kinds.
    pub(crate) fn seen(&mut self, variety: usize) -> Vec<Seen> {
        loop {
            let mut seen = Vec::new();
            if self.below(4) > 0 {
                seen.push(("email", format!("e{}@b.c", self.below(variety)), self.below(2) == 0));
            }
            if self.below(4) > 0 {
                seen.push(("phone", format!("{}", self.below(variety)), self.below(2) == 0));
            }
            if self.below(3) == 0 {
                seen.push(("customerId", format!("c{}", self.below(variety)), self.below(2) == 0));
            }
            if !seen.is_empty() {
                return seen;
            }
        }
    }

    pub(crate) fn policy(&mut self) -> ModelPolicy {
        let mut policy = ModelPolicy::default();
        if self.below(3) == 0 {
            policy.blocked = vec![("email", "e0@b.c".to_owned()), ("phone", "1".to_owned())];
        }
        if self.below(3) == 0 {
            policy.contacts_max = Some(1 + self.below(4));
        }
        if self.below(3) == 0 {
            policy.limits = vec![("email", 1 + self.below(3))];
        }
        if self.below(2) == 0 {
            policy.unique = if self.below(2) == 0 { vec!["customerId"] } else { vec!["phone", "customerId"] };
        }
        if self.below(3) == 0 {
            policy.claims = vec!["phone"];
        }
        policy
    }
}
