//! The server's certificate and its key: two files, which are read at the start and followed while the server runs,
//! because whoever renews them restarts nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use rustls::ServerConfig;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::told;

/// How often the files are looked at. They are small, and often on a disk that tells nobody of changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// HTTP/2 is not served; a client that asks for it alone is told so in the handshake.
const PROTOCOL: &[u8] = b"http/1.1";

/// Where the certificate and its key are.
#[derive(Clone, Debug)]
pub(crate) struct CertificateFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// What the two files hold.
#[derive(PartialEq, Eq)]
struct Pair {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// Why the files can't be used now.
struct Failure {
    why: String,
    is_told: bool,
}

/// The TLS that the files ask for, now and whenever they change. A pair that can't be used changes nothing: the last
/// good one is kept, and the log says why.
///
/// # Errors
///
/// The files can't be used as they are now; the error says which, why, and what to do.
pub(crate) fn follow(files: CertificateFiles) -> anyhow::Result<watch::Receiver<Arc<ServerConfig>>> {
    let pair = files.read()?;
    let (sender, receiver) = watch::channel(files.configure(&pair)?);
    tokio::spawn(keep_following(files, pair, sender));
    Ok(receiver)
}

async fn keep_following(files: CertificateFiles, pair: Pair, sender: watch::Sender<Arc<ServerConfig>>) {
    let (mut served, mut failed) = (pair, None);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = sender.closed() => return,
        }
        let named = files.clone();
        // The disk may be a network's, and take its time.
        let Ok(read) = tokio::task::spawn_blocking(move || named.read()).await else { return };
        let changed = read.and_then(|pair| match pair == served {
            true => Ok(None),
            false => Ok(Some((files.configure(&pair)?, pair))),
        });
        failed = match changed {
            Ok(None) => None,
            Ok(Some((config, pair))) => {
                served = pair;
                sender.send_replace(config);
                tracing::info!("the certificate has changed; new connections get the new one");
                None
            }
            Err(error) => Some(fail_again(failed, told(&error).replace('\n', "; "))),
        };
    }
}

/// Tells the log of a failure that is seen twice, once: whoever renews two files writes one after the other.
fn fail_again(before: Option<Failure>, why: String) -> Failure {
    match before {
        Some(before) if before.why == why => {
            if !before.is_told {
                tracing::warn!(error = %why, "the certificate's files can't be used; the last good one is kept");
            }
            Failure { why, is_told: true }
        }
        _ => Failure { why, is_told: false },
    }
}

impl CertificateFiles {
    /// Whether the files can be used as they are now.
    ///
    /// # Errors
    ///
    /// As [`follow`].
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.configure(&self.read()?).map(drop)
    }

    fn read(&self) -> anyhow::Result<Pair> {
        Ok(Pair {
            certificate: read(&self.certificate, "--tls-certificate")?,
            key: read(&self.key, "--tls-key")?,
        })
    }

    fn configure(&self, pair: &Pair) -> anyhow::Result<Arc<ServerConfig>> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pair.certificate).collect();
        let chain = chain.map_err(|error| {
            anyhow!("the certificate `{certificate}` can't be used: {error}\nhint: write it anew, as PEM")
        })?;
        if chain.is_empty() {
            bail!(
                "the file `{certificate}` has no certificate in it\n\
                 hint: `--tls-certificate` names a PEM file with a line `-----BEGIN CERTIFICATE-----`"
            );
        }
        let private = PrivateKeyDer::from_pem_slice(&pair.key).map_err(|error| {
            if matches!(error, PemError::NoItemsFound) {
                return anyhow!(
                    "the file `{key}` has no private key in it\n\
                     hint: `--tls-key` names a PEM file with a line such as `-----BEGIN PRIVATE KEY-----`; the key may \
                     not be encrypted"
                );
            }
            // Its words may quote the file, and this file is secret.
            anyhow!("the private key `{key}` is damaged\nhint: write it anew, as PEM")
        })?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(|error| {
                if matches!(error, rustls::Error::InconsistentKeys(_)) {
                    return anyhow!(
                        "the private key `{key}` doesn't belong to the certificate `{certificate}`\n\
                         hint: name the two that were made together; the server's own certificate comes first in its \
                         file"
                    );
                }
                anyhow!(
                    "the certificate `{certificate}` and its key `{key}` can't be used: {error}\n\
                     hint: make them anew, with ECDSA, Ed25519 or RSA"
                )
            })?;
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Arc::new(config))
    }
}

fn read(path: &Path, setting: &str) -> anyhow::Result<Vec<u8>> {
    let hint = || format!("the file `{}` can't be read\nhint: check `{setting}`", path.display());
    std::fs::read(path).with_context(hint)
}

#[cfg(test)]
mod tests {
    use super::fail_again;

    /// What a renewal of two files may show in passing is nothing to wake anybody for.
    #[test]
    fn only_a_failure_that_is_seen_twice_is_told() {
        let told = |whys: &[&str]| {
            let failed = whys.iter().fold(None, |before, why| Some(fail_again(before, (*why).to_owned())));
            failed.is_some_and(|failed| failed.is_told)
        };
        assert!(!told(&["half a pair"]));
        assert!(!told(&["half a pair", "no pair"]));
        assert!(told(&["half a pair", "half a pair"]));
        assert!(!told(&["half a pair", "half a pair", "no pair"]));
    }
}
