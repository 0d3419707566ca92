//! rustls for PostgreSQL: which certificates are trusted, and with which we come.
//!
//! libpq's modes need more than rustls offers by itself: a chain that is checked without the name (`verify-ca`),
//! and a server that is believed as it is (`require`). Which mode asks for what is settled in the settings.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

/// What is asked of TLS.
#[derive(Clone, Debug)]
pub(crate) struct TlsSettings {
    /// Who may sign the server's certificate; `None` is anybody.
    pub(crate) roots: Option<Roots>,
    /// Whether the certificate must name the host.
    pub(crate) checks_name: bool,
    /// What we show when the server asks who we are.
    pub(crate) client: Option<ClientIdentity>,
    /// TLS from the first byte, without PostgreSQL's question before it.
    pub(crate) direct: bool,
    /// Whether the host's name is sent in the clear, for proxies that choose by it.
    pub(crate) sends_name: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Roots {
    System,
    File(PathBuf),
}

/// The files of a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientIdentity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Why a certificate or a key can't be used. Each names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The system doesn't give us the file.
    #[error("the file `{}` can't be read: {source}\nhint: check `{setting}`", .path.display())]
    Unreadable {
        /// The parameter that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has none of what it is for.
    #[error(
        "the file `{}` has no {missing} in PEM format\n\
         hint: check `{setting}`; such a file has a line `-----BEGIN …-----`, and a key must not be encrypted",
        .path.display()
    )]
    Empty {
        /// The parameter that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// `certificate` or `private key`.
        missing: &'static str,
    },
    /// What is in the file is damaged or of a kind that we don't know.
    #[error("the file `{}` can't be used: {reason}\nhint: check `{setting}`, or export it again", .path.display())]
    Unusable {
        /// The parameter that names it.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others can read the key.
    #[error(
        "the private key `{}` is open to others than its owner\n\
         hint: `chmod 600` it (640 will do if root owns it)", .0.display()
    )]
    KeyIsOpen(PathBuf),
    /// Certificate and key are of different pairs.
    #[error(
        "the private key `{}` doesn't belong to the certificate `{}`\n\
         hint: check `sslcert` and `sslkey`; the certificate of the client comes first in its file",
        .key.display(), .certificate.display()
    )]
    KeyOfAnother {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// The system has no roots to trust.
    #[error(
        "no certificate authorities were found on this system{}\n\
         hint: install the package `ca-certificates`, or name a root with `sslrootcert`",
        .0.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
    )]
    NoSystemRoots(Option<String>),
    /// rustls refuses the whole.
    #[error("TLS can't be set up: {0}")]
    Rustls(rustls::Error),
}

/// Reads the files and makes the connector. It is made anew for each call, so a new call sees new files.
pub(crate) fn connector(settings: &TlsSettings) -> Result<MakeRustlsConnect, TlsError> {
    // Named here, so that nobody has to choose one for the whole process.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(settings, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Rustls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &settings.client {
        None => builder.with_no_client_auth(),
        Some(ClientIdentity { certificate, key }) => {
            let chain = certificates("sslcert", certificate)?;
            builder.with_client_auth_cert(chain, private_key(key)?).map_err(|error| {
                if matches!(error, rustls::Error::InconsistentKeys(_)) {
                    return TlsError::KeyOfAnother { certificate: certificate.clone(), key: key.clone() };
                }
                TlsError::Unusable { setting: "sslkey", path: key.clone(), reason: error.to_string() }
            })?
        }
    };
    config.enable_sni = settings.sends_name;
    if settings.direct {
        config.alpn_protocols = vec![b"postgresql".to_vec()];
    }
    Ok(MakeRustlsConnect::new(config))
}

/// Believes a server as far as the mode asks. That it has the key of its certificate is always checked.
#[derive(Debug)]
struct Verifier {
    roots: Option<RootCertStore>,
    /// The certificates of the root file, as they are.
    pinned: Vec<CertificateDer<'static>>,
    checks_name: bool,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(settings: &TlsSettings, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let (roots, pinned) = match &settings.roots {
            None => (None, vec![]),
            Some(Roots::System) => (Some(system_roots()?), vec![]),
            Some(Roots::File(path)) => {
                let certificates = certificates("sslrootcert", path)?;
                let mut roots = RootCertStore::empty();
                for certificate in &certificates {
                    roots.add(certificate.clone()).map_err(|error| TlsError::Unusable {
                        setting: "sslrootcert",
                        path: path.clone(),
                        reason: error.to_string(),
                    })?;
                }
                (Some(roots), certificates)
            }
        };
        Ok(Self { roots, pinned, checks_name: settings.checks_name, provider: provider.clone() })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(roots) = &self.roots else { return Ok(ServerCertVerified::assertion()) };
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        let chain =
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms);
        match chain {
            Ok(()) => {}
            Err(error) if is_about_time(&error) => return Err(error),
            // PostgreSQL's documentation makes a self-signed certificate that is its own authority; webpki takes no
            // authority for a server. If the very certificate is in the root file, there is nothing left to prove.
            Err(_) if self.pinned.iter().any(|pinned| pinned == end_entity) => {}
            Err(error) => return Err(error),
        }
        if self.checks_name {
            verify_server_name(&certificate, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn is_about_time(error: &rustls::Error) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. }
        )
    )
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(TlsError::NoSystemRoots(found.errors.first().map(ToString::to_string)));
    }
    Ok(roots)
}

fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = read(setting, path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    let certificates = certificates.map_err(|error| TlsError::Unusable {
        setting,
        path: path.into(),
        reason: error.to_string(),
    })?;
    if certificates.is_empty() {
        return Err(TlsError::Empty { setting, path: path.into(), missing: "certificate" });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let setting = "sslkey";
    let content = read(setting, path)?;
    let unreadable = |source| TlsError::Unreadable { setting, path: path.into(), source };
    let metadata = fs::metadata(path).map_err(unreadable)?;
    // libpq's rule: a group may read what root owns.
    let open = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & open != 0 {
        return Err(TlsError::KeyIsOpen(path.into()));
    }
    PrivateKeyDer::from_pem_slice(&content).map_err(|error| {
        if matches!(error, rustls::pki_types::pem::Error::NoItemsFound) {
            return TlsError::Empty { setting, path: path.into(), missing: "private key" };
        }
        // Its words may quote the file, and this file is secret.
        TlsError::Unusable { setting, path: path.into(), reason: "it is damaged".into() }
    })
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { setting, path: path.into(), source })
}
