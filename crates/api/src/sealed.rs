//! Answers that hold a secret, as they are kept: closed with a key that is derived from the sender's `Idempotency-Key`, of which
//! only the SHA-256 is stored. Whoever reads the database can't read them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use data_encoding::BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use crate::problem::Problem;

/// The shortest `Idempotency-Key` that a secret is closed with.
pub(crate) const SECRET_KEY_BYTES_MIN: usize = 16;

/// Tells this use of a sender's key from any other.
const PURPOSE: &[u8] = b"selfsame: an answer that holds a secret";

/// How much of a nonce is random: the rest counts what was closed, since a decision that is made again closes again.
const RANDOM_LEN: usize = NONCE_LEN - size_of::<u32>();

/// What closes the answers to one request.
#[derive(Clone)]
pub(crate) struct Seal {
    key: LessSafeKey,
    random: [u8; RANDOM_LEN],
    closed: Arc<AtomicU32>,
}

impl Seal {
    /// The seal of that sender's key.
    pub(crate) fn of(idempotency_key: &str) -> Result<Self, Problem> {
        let caused = |_| Problem {
            cause: Some("no key could be made to close an answer with".into()),
            ..Problem::internal()
        };
        let mut random = [0; RANDOM_LEN];
        SystemRandom::new().fill(&mut random).map_err(caused)?;
        let derived = Salt::new(HKDF_SHA256, PURPOSE).extract(idempotency_key.as_bytes());
        let derived = derived.expand(&[PURPOSE], &AES_256_GCM).map_err(caused)?;
        Ok(Self { key: LessSafeKey::new(UnboundKey::from(derived)), random, closed: Arc::default() })
    }

    /// The text as nobody else can read it.
    pub(crate) fn close(&self, text: String) -> String {
        let mut closed = text.into_bytes();
        let mut nonce = [0; NONCE_LEN];
        nonce[..RANDOM_LEN].copy_from_slice(&self.random);
        nonce[RANDOM_LEN..].copy_from_slice(&self.closed.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut closed)
            .expect("no answer is longer than the cipher takes");
        BASE64.encode(&[&nonce[..], &closed].concat())
    }

    /// The text that was closed with the same sender's key.
    pub(crate) fn open(&self, closed: &str) -> Result<String, Problem> {
        self.opened(closed).ok_or_else(|| Problem {
            cause: Some("a kept answer is not what its request's key has closed".into()),
            ..Problem::internal()
        })
    }

    fn opened(&self, closed: &str) -> Option<String> {
        let mut bytes = BASE64.decode(closed.as_bytes()).ok()?;
        let (nonce, closed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.key.open_in_place(nonce, Aad::empty(), closed).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_opens_what_was_closed() {
        let seal = Seal::of("8e03978e-40d5-43dd").unwrap();
        let closed = seal.close("a secret".to_owned());
        assert_ne!(closed, seal.close("a secret".to_owned()), "no nonce is used twice");
        assert!(!BASE64.decode(closed.as_bytes()).unwrap().windows(6).any(|bytes| bytes == b"secret"));
        assert_eq!(Seal::of("8e03978e-40d5-43dd").unwrap().open(&closed).unwrap(), "a secret");
        for (key, closed) in
            [("8e03978e-40d5-43de", &closed[..]), ("8e03978e-40d5-43dd", ""), ("8e03978e-40d5-43dd", "AAAA")]
        {
            assert_eq!(Seal::of(key).unwrap().open(closed).unwrap_err().code, "internal_error");
        }
    }
}
