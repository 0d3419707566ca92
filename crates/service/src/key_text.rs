//! The text of a key: what is shown once, and the digest that is kept of it.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use selfsame_store::KeyDigest;
use sha2::{Digest, Sha256};

use crate::ActError;

/// What every key of ours begins with, so that a scanner of sources finds one that was left there.
const PREFIX: &str = "selfsame_";

/// The random part: more than anybody will ever guess.
const SECRET_BYTES: usize = 32;

/// The random part of an id: eight letters and digits.
const ID_BYTES: usize = 5;

/// A new key's text: `selfsame_`, its id, `_`, and 52 random letters and digits. Prints as nothing but its id.
pub struct KeyText {
    id: String,
    text: String,
}

impl KeyText {
    /// A new one.
    ///
    /// # Errors
    ///
    /// [`ActError::NoRandomness`] if the system has none to give.
    pub fn new() -> Result<Self, ActError> {
        let mut random = [0; ID_BYTES + SECRET_BYTES];
        getrandom::fill(&mut random).map_err(|error| ActError::NoRandomness(error.to_string()))?;
        let (id, secret) = random.split_at(ID_BYTES);
        let letters = |bytes| BASE32_NOPAD.encode(bytes).to_ascii_lowercase();
        let id = letters(id);
        let text = format!("{PREFIX}{id}_{}", letters(secret));
        Ok(Self { id, text })
    }

    /// What the key is called in paths.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The text itself: for whoever asked for the key, and nobody else.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyText({}, …)", self.id)
    }
}

/// What a key's text is stored and looked up as.
pub(crate) fn digest(text: &str) -> KeyDigest {
    KeyDigest(Sha256::digest(text.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_and_random_and_does_not_print() {
        let (one, other) = (KeyText::new().unwrap(), KeyText::new().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        let parts: Vec<&str> = one.reveal().split('_').collect();
        assert_eq!((parts[0], parts[1], parts[2].len(), parts.len()), ("selfsame", one.id(), 52, 3));
        assert!(!format!("{one:?}").contains(parts[2]));
        assert_ne!(digest(one.reveal()), digest(other.reveal()));
    }
}
