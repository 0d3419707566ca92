//! TLS towards others: whom the system trusts is trusted, or whom the files trust that `SSL_CERT_FILE` and `SSL_CERT_DIR` name instead.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

/// Connects by TLS to whoever has a certificate that the system trusts. What that trusts is read once, when it is first needed.
pub fn tls_connector() -> TlsConnector {
    static CONNECTOR: OnceLock<TlsConnector> = OnceLock::new();
    CONNECTOR.get_or_init(|| TlsConnector::from(Arc::new(trusting_the_system()))).clone()
}

fn trusting_the_system() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "certificates of who is trusted could not be read; see `SSL_CERT_FILE` and `SSL_CERT_DIR`");
    }
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!("no certificate of who is trusted was found: nobody is connected to by TLS");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has what TLS needs")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
