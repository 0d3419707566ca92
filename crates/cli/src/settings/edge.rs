//! Settings of what stands between the server and its clients: TLS, proxies, and browsers.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;
use selfsame_api::{Cors, TrustedProxies};
use serde::{Deserialize, Deserializer};

use crate::certificate::CertificateFiles;

/// The files of TLS, each perhaps not given.
#[derive(Clone, clap::Args, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct TlsSettings {
    /// A PEM file of the server's certificate and those that lead to its authority; with it, the server speaks TLS
    #[arg(long, env = "SELFSAME_TLS_CERTIFICATE", value_name = "FILE")]
    tls_certificate: Option<PathBuf>,
    /// A PEM file of that certificate's private key
    #[arg(long, env = "SELFSAME_TLS_KEY", value_name = "FILE")]
    tls_key: Option<PathBuf>,
}

/// Who is believed, and who may read, each perhaps not given.
#[derive(Clone, clap::Args, Deserialize, Default)]
#[serde(rename_all = "kebab-case", default)]
pub(crate) struct EdgeSettings {
    /// Proxies that are believed when they say whom they speak for: addresses and networks, with commas between
    #[arg(long, env = "SELFSAME_TRUSTED_PROXIES", value_name = "NETWORKS")]
    #[serde(deserialize_with = "listed")]
    pub(crate) trusted_proxies: Option<TrustedProxies>,
    /// Origins whose web pages may use the API in a browser, with commas between, or `*` for all
    #[arg(long, env = "SELFSAME_CORS_ORIGINS", value_name = "ORIGINS")]
    #[serde(deserialize_with = "listed")]
    pub(crate) cors_origins: Option<Cors>,
}

impl TlsSettings {
    /// These settings, and where one is not given, that of `below`.
    pub(crate) fn or(self, below: Self) -> Self {
        Self {
            tls_certificate: self.tls_certificate.or(below.tls_certificate),
            tls_key: self.tls_key.or(below.tls_key),
        }
    }

    /// Whether the server speaks TLS.
    pub(crate) fn is_on(&self) -> bool {
        self.tls_certificate.is_some()
    }

    /// Both files, or none.
    ///
    /// # Errors
    ///
    /// One of them is given, and the other isn't.
    pub(crate) fn files(&self) -> anyhow::Result<Option<CertificateFiles>> {
        match (self.tls_certificate.clone(), self.tls_key.clone()) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(CertificateFiles { certificate, key })),
            (Some(_), None) => bail!(
                "`--tls-certificate` is given without `--tls-key`\nhint: name the file of its private key, too"
            ),
            (None, Some(_)) => bail!(
                "`--tls-key` is given without `--tls-certificate`\nhint: name the file of its certificate, too"
            ),
        }
    }
}

impl EdgeSettings {
    /// These settings, and where one is not given, that of `below`.
    pub(crate) fn or(self, below: Self) -> Self {
        Self {
            trusted_proxies: self.trusted_proxies.or(below.trusted_proxies),
            cors_origins: self.cors_origins.or(below.cors_origins),
        }
    }
}

/// In TOML, a list, or a text with commas as everywhere else. An empty text is none.
pub(super) fn listed<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: std::fmt::Display>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Listed {
        List(Vec<String>),
        Text(String),
    }
    let text = match Listed::deserialize(deserializer)? {
        Listed::List(parts) => parts.join(","),
        Listed::Text(text) => text,
    };
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(serde::de::Error::custom)
}
