//! TLS as clients of the server meet it: an authority of the test's own, what it signs, and connections that trust it.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Signs certificates for `localhost`.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    root_pem: String,
}

/// A certificate and its key.
pub struct Signed {
    pub certificate: CertificateDer<'static>,
    pub certificate_pem: String,
    pub key_pem: String,
    key: PrivateKeyDer<'static>,
}

impl Default for Authority {
    fn default() -> Self {
        let mut parameters = CertificateParams::new(vec![]).expect("no name is a name");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().expect("there is randomness");
        let signed = parameters.self_signed(&key).expect("the key is its own");
        let (root, root_pem) = (signed.der().clone(), signed.pem());
        Self { issuer: Issuer::new(parameters, key), root, root_pem }
    }
}

impl Authority {
    /// Its own certificate, for whoever is to trust it.
    pub fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// A new certificate of a new key.
    pub fn sign(&self) -> Signed {
        self.sign_for("localhost", |_| {})
    }

    /// The same for any name, and with anything else about it.
    pub fn sign_for(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Signed {
        let mut parameters = CertificateParams::new(vec![name.to_owned()]).expect("it is a name");
        change(&mut parameters);
        let key = KeyPair::generate().expect("there is randomness");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("the issuer has its key");
        Signed {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        }
    }

    /// Shakes hands with the server at `address`, as one who trusts this authority alone and asks for these protocols.
    pub async fn connect(&self, address: SocketAddr, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("it is an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("localhost").expect("it is a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// The certificate that the server at `address` shows now.
    pub async fn shown(&self, address: SocketAddr) -> CertificateDer<'static> {
        let stream = self.connect(address, &[]).await.expect("the server shows one that is trusted");
        let certificates = stream.get_ref().1.peer_certificates().expect("the handshake is done");
        certificates[0].clone().into_owned()
    }
}

impl Signed {
    /// Writes `server.crt` and `server.key` into `folder`.
    pub fn write(&self, folder: &Path) {
        std::fs::write(folder.join("server.crt"), &self.certificate_pem).expect("there is room");
        std::fs::write(folder.join("server.key"), &self.key_pem).expect("there is room");
    }

    /// How a server within the test's process speaks TLS with it.
    pub fn server(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key());
        Arc::new(config.expect("they go together"))
    }
}
