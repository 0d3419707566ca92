//! Customers from a seed: each is computed from its number, so that ten million of them take no memory.

/// The bits of a customer's number that an address spells: ten characters of five bits.
const EMAIL_BITS: u32 = 50;
/// The bits that a phone number spells: 2^39 is less than 9 * 10^11, so twelve digits suffice.
const PHONE_BITS: u32 = 39;
/// Added to a phone number, so that each has twelve digits and none begins with a zero.
const PHONE_FIRST: u64 = 100_000_000_000;
/// What an address is spelt with.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// The end of every address.
const DOMAIN: &[u8; 12] = b"@example.org";

/// The bytes of an e-mail address.
pub(crate) const EMAIL_LENGTH_BYTES: usize = 22;
/// The digits of a phone number.
pub(crate) const PHONE_LENGTH_BYTES: usize = 12;

/// All customers of a seed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Customers {
    seed: u64,
}

impl Customers {
    /// The customers of `seed`; those of another seed are others, but for chance.
    pub(crate) fn of(seed: u64) -> Self {
        Self { seed: mix(seed, 64) }
    }

    /// The e-mail address of customer `number`; no two customers share one.
    pub(crate) fn email(self, number: u64) -> [u8; EMAIL_LENGTH_BYTES] {
        let mut bits = mix(number ^ (self.seed & mask(EMAIL_BITS)), EMAIL_BITS);
        let mut email = [0; EMAIL_LENGTH_BYTES];
        let (local, domain) = email.split_at_mut(EMAIL_LENGTH_BYTES - DOMAIN.len());
        for letter in local {
            *letter = LETTERS[(bits % 32) as usize];
            bits /= 32;
        }
        domain.copy_from_slice(DOMAIN);
        email
    }

    /// The phone number of customer `number`; no two customers share one.
    pub(crate) fn phone(self, number: u64) -> [u8; PHONE_LENGTH_BYTES] {
        let mut rest = PHONE_FIRST + mix(number ^ (self.seed & mask(PHONE_BITS)), PHONE_BITS);
        let mut phone = [0; PHONE_LENGTH_BYTES];
        for digit in phone.iter_mut().rev() {
            *digit = b"0123456789"[(rest % 10) as usize];
            rest /= 10;
        }
        phone
    }
}

/// Random numbers that a seed repeats; good enough to choose customers with, and a few instructions each.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of `seed`.
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0, 64) % bound
    }
}

fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// Shuffles the numbers of so many bits. Every step can be undone, so no two of them become one.
fn mix(number: u64, bits: u32) -> u64 {
    let mut mixed = number & mask(bits);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        mixed ^= mixed >> (bits / 2);
        // Odd, so that it has an inverse.
        mixed = mixed.wrapping_mul(factor) & mask(bits);
    }
    mixed ^ (mixed >> (bits / 2))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{Customers, Random};

    #[test]
    fn no_two_customers_share_an_address_or_a_phone() {
        let customers = Customers::of(7);
        let emails: HashSet<_> = (0..100_000).map(|number| customers.email(number)).collect();
        let phones: HashSet<_> = (0..100_000).map(|number| customers.phone(number)).collect();
        assert_eq!((emails.len(), phones.len()), (100_000, 100_000));
    }

    #[test]
    fn a_customer_looks_like_one() {
        let customers = Customers::of(1);
        let email = String::from_utf8(customers.email(0).to_vec()).unwrap();
        let phone = String::from_utf8(customers.phone(0).to_vec()).unwrap();
        assert!(email.ends_with("@example.org") && email.len() == 22, "{email}");
        assert!(phone.bytes().all(|byte| byte.is_ascii_digit()) && !phone.starts_with('0'), "{phone}");
    }

    #[test]
    fn a_seed_repeats_itself_and_no_other() {
        assert_eq!(Customers::of(1).email(5), Customers::of(1).email(5));
        assert_ne!(Customers::of(1).email(5), Customers::of(2).email(5));
        let numbers = |seed| {
            let mut random = Random::of(seed);
            [random.below(1000), random.below(1000), random.below(1000)]
        };
        assert_eq!(numbers(3), numbers(3));
        assert_ne!(numbers(3), numbers(4));
    }
}
