//! The secrets with which Shopify signs its webhooks: whoever's secret a signature was made with, of that workspace it is.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ring::hmac;
use selfsame_rules::Name;

/// A shorter one could be guessed; Shopify's have 32 and more.
const CHARACTERS_MIN: usize = 16;

/// Each is tried on a webhook, before anybody knows who sends it.
const SECRETS_MAX: usize = 32;

/// The workspace of a secret that names none.
const DEFAULT: &str = "default";

/// The secrets of Shopify's webhooks, each of one workspace. Prints how many they are, and nothing of them.
///
/// Read from texts with commas between, each `SECRET` (of the workspace `default`) or `WORKSPACE:SECRET`; a workspace may have several.
///
/// ```
/// use selfsame_api::ShopifySecrets;
///
/// let secrets: ShopifySecrets = "shpss_0123456789abcdef,north:fedcba9876543210".parse()?;
/// assert_eq!(format!("{secrets:?}"), "ShopifySecrets(2)");
/// assert!("north:short".parse::<ShopifySecrets>().is_err());
/// # Ok::<(), selfsame_api::InvalidShopifySecrets>(())
/// ```
#[derive(Clone, Default)]
pub struct ShopifySecrets(Arc<[Secret]>);

struct Secret {
    workspace: Name,
    key: hmac::Key,
}

impl ShopifySecrets {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The workspaces that they are of, each once.
    pub fn workspaces(&self) -> impl Iterator<Item = &Name> {
        self.0.iter().map(|secret| &secret.workspace).collect::<BTreeSet<_>>().into_iter()
    }

    /// The workspace of the secret that the body was signed with. How long it takes says nothing of a secret.
    pub(crate) fn signer(&self, body: &[u8], signature: &[u8]) -> Option<&Name> {
        let signed = |secret: &&Secret| hmac::verify(&secret.key, body, signature).is_ok();
        self.0.iter().find(signed).map(|secret| &secret.workspace)
    }
}

impl fmt::Debug for ShopifySecrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ShopifySecrets({})", self.0.len())
    }
}

impl FromStr for ShopifySecrets {
    type Err = InvalidShopifySecrets;

    fn from_str(text: &str) -> Result<Self, InvalidShopifySecrets> {
        let mut given: Vec<&str> = Vec::new();
        let mut secrets = Vec::new();
        for (place, one) in text.split(',').map(str::trim).filter(|one| !one.is_empty()).enumerate() {
            let place = place + 1;
            let (workspace, secret) = one.split_once(':').unwrap_or((DEFAULT, one));
            let workspace =
                Name::parse(workspace).map_err(|_| InvalidShopifySecrets::NoWorkspace { place })?;
            if secret.len() < CHARACTERS_MIN || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(InvalidShopifySecrets::NoSecret { place });
            }
            if given.contains(&secret) {
                return Err(InvalidShopifySecrets::Repeated { place });
            }
            given.push(secret);
            secrets.push(Secret { workspace, key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) });
        }
        if secrets.len() > SECRETS_MAX {
            return Err(InvalidShopifySecrets::TooMany);
        }
        Ok(Self(secrets.into()))
    }
}

/// Why a text is no secrets; `place` counts them from 1, and nothing of a secret is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShopifySecrets {
    /// What stands before the colon is no name of a workspace.
    #[error("secret {place} names no workspace before its colon")]
    NoWorkspace {
        /// Which.
        place: usize,
    },
    /// It is too short, or has a character that no secret of Shopify's has.
    #[error("secret {place} is none of Shopify's: these have {CHARACTERS_MIN} characters of ASCII or more")]
    NoSecret {
        /// Which.
        place: usize,
    },
    /// It would not be known which workspace a webhook is of.
    #[error("secret {place} is given twice")]
    Repeated {
        /// Which.
        place: usize,
    },
    /// There are more than are tried on a webhook.
    #[error("there are more than {SECRETS_MAX} secrets")]
    TooMany,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "shpss_0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    fn signature(secret: &str, body: &[u8]) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hmac::sign(&key, body).as_ref().to_vec()
    }

    #[test]
    fn a_signature_tells_its_workspace() {
        let secrets: ShopifySecrets = format!("{ONE}, north:{OTHER}").parse().unwrap();
        for (secret, body, want) in [
            (ONE, &b"{}"[..], Some("default")),
            (OTHER, b"{}", Some("north")),
            (ONE, b"{ }", None),
            ("0123456789abcdef", b"{}", None),
        ] {
            let signer = secrets.signer(body, &signature(secret, b"{}"));
            assert_eq!(signer.map(Name::as_str), want, "{secret}");
        }
        assert_eq!(secrets.signer(b"{}", b""), None);
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_told() {
        for (text, want) in [
            ("short", InvalidShopifySecrets::NoSecret { place: 1 }),
            ("shpss_0123456789abcdef,x y0123456789abcdef", InvalidShopifySecrets::NoSecret { place: 2 }),
            ("No Name:shpss_0123456789abcdef", InvalidShopifySecrets::NoWorkspace { place: 1 }),
            (
                "shpss_0123456789abcdef,north:shpss_0123456789abcdef",
                InvalidShopifySecrets::Repeated { place: 2 },
            ),
        ] {
            assert_eq!(text.parse::<ShopifySecrets>().unwrap_err(), want, "{text}");
        }
        let many: Vec<String> = (0..=SECRETS_MAX).map(|number| format!("0123456789abcdef{number}")).collect();
        assert_eq!(many.join(",").parse::<ShopifySecrets>().unwrap_err(), InvalidShopifySecrets::TooMany);
        assert!("".parse::<ShopifySecrets>().unwrap().is_empty());
    }
}
