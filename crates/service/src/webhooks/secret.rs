//! The secret of an endpoint, and names that nobody else has.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE64};
use selfsame_store::WebhookSecret;

use super::WebhookError;

/// What every secret begins with, as Standard Webhooks has it.
const PREFIX: &str = "whsec_";

/// As many random bytes as Standard Webhooks asks for at least: more than anybody will ever guess.
const SECRET_BYTES: usize = 24;

/// The random part of a name: eight letters and digits.
const NAME_BYTES: usize = 5;

/// A new secret. Prints as nothing.
pub struct NewSecret {
    text: Box<str>,
}

impl NewSecret {
    /// A new one.
    ///
    /// # Errors
    ///
    /// [`WebhookError::NoRandomness`] if the system has none to give.
    pub fn new() -> Result<Self, WebhookError> {
        let random: [u8; SECRET_BYTES] = random()?;
        Ok(Self { text: format!("{PREFIX}{}", BASE64.encode(&random)).into() })
    }

    /// The secret itself: for whoever asked for it, and nobody else.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    pub(super) fn stored(&self) -> WebhookSecret {
        WebhookSecret(self.text.clone())
    }
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("NewSecret(…)")
    }
}

/// A new name.
pub(super) fn new_name() -> Result<Box<str>, WebhookError> {
    let random: [u8; NAME_BYTES] = random()?;
    Ok(BASE32_NOPAD.encode(&random).to_ascii_lowercase().into())
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], WebhookError> {
    let mut random = [0; BYTES];
    getrandom::fill(&mut random).map_err(|error| WebhookError::NoRandomness(error.to_string()))?;
    Ok(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_long_and_random_and_does_not_print() {
        let (one, other) = (NewSecret::new().unwrap(), NewSecret::new().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert_eq!(one.reveal().len(), PREFIX.len() + 32);
        assert!(standardwebhooks::Webhook::new(one.reveal()).is_ok());
        assert!(!format!("{one:?} {:?}", one.stored()).contains(one.reveal()));
    }
}
