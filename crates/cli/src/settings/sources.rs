//! Settings of other systems that send what they saw.

use anyhow::Context;
use selfsame_api::ShopifySecrets;
use serde::Deserialize;

use super::edge::listed;
use super::variable;

const SHOPIFY_SECRETS: &str = "SELFSAME_SHOPIFY_SECRETS";

/// Who may send, each perhaps not given.
#[derive(Clone, clap::Args, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct SourceSettings {
    /// With what Shopify signs its webhooks: SECRET or WORKSPACE:SECRET, with commas between. No flag: others on the machine can
    /// read those.
    #[arg(skip)]
    #[serde(deserialize_with = "listed")]
    shopify_secrets: Option<ShopifySecrets>,
}

impl SourceSettings {
    /// These settings, and where one is not given, that of `below`.
    pub(crate) fn or(self, below: Self) -> Self {
        Self { shopify_secrets: self.shopify_secrets.or(below.shopify_secrets) }
    }

    /// Whether a secret stands in them.
    pub(crate) fn has_secret(&self) -> bool {
        self.shopify_secrets.is_some()
    }

    /// The secrets that the environment or a file gives.
    ///
    /// # Errors
    ///
    /// One of them can't be a secret; which, and nothing of it.
    pub(crate) fn shopify_secrets(&self) -> anyhow::Result<ShopifySecrets> {
        let given = variable()?(SHOPIFY_SECRETS).map(|text| text.parse());
        let given = given.transpose().with_context(|| {
            format!(
                "{SHOPIFY_SECRETS} can't be read\nhint: give what Shopify shows, as SECRET or WORKSPACE:SECRET, with commas between"
            )
        })?;
        Ok(given.or_else(|| self.shopify_secrets.clone()).unwrap_or_default())
    }
}
