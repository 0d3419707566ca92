//! The URL of a PostgreSQL database, proved against a real server: TLS in every mode, passwords, sockets, and the
//! sentence that each failure gets.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use selfsame_store_postgres::{ConnectError, ConnectFailure, ConnectionSettings};
use tempfile::TempDir;

/// The user that PostgreSQL runs as when the tests run as root, which it refuses.
const NOBODY: u32 = 65534;

const PASSWORD: &str = "p@s/s?w#r&d:100%=ü";
const PASSWORD_ENCODED: &str = "p%40s%2Fs%3Fw%23r%26d%3A100%25%3D%C3%BC";

/// An authority, and files of certificates that it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: PathBuf,
    folder: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        let mut parameters = CertificateParams::new(vec![]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let root = folder.join(format!("{name}.crt"));
        write(&root, &parameters.self_signed(&key).unwrap().pem());
        Self { issuer: Issuer::new(parameters, key), root, folder: folder.into() }
    }

    /// Writes `name.crt` and `name.key`; `hosts` go into the subjectAltName.
    fn sign(&self, name: &str, hosts: &[&str]) -> (PathBuf, PathBuf) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).into()).collect();
        let mut parameters = CertificateParams::new(hosts).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let files = (self.folder.join(format!("{name}.crt")), self.folder.join(format!("{name}.key")));
        write(&files.0, &certificate.pem());
        write(&files.1, &key.serialize_pem());
        files
    }
}

/// Only for its owner, who is the server's user.
fn write(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    give_away(path);
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

fn give_away(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}

/// A PostgreSQL of this test's own. Dropped, it is stopped at once.
struct Server {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT is PostgreSQL's "at once"; SIGKILL would leave its children and its shared memory.
        let id = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        let _ = rustix::process::kill_process(id, rustix::process::Signal::QUIT);
        let _ = self.child.wait();
    }
}

fn program(name: &str) -> Command {
    let mut command = Command::new(Path::new("/usr/lib/postgresql/15/bin").join(name));
    command.env_clear().env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null()).current_dir("/");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

impl Server {
    /// With the superuser `ada`, whose password is [`PASSWORD`], and `hba` as its `pg_hba.conf`.
    async fn start(folder: TempDir, hba: &str, settings: &[String]) -> Self {
        give_away(folder.path());
        let data = folder.path().join("data");
        let password = folder.path().join("password");
        write(&password, PASSWORD);
        let status = program("initdb")
            .args(["--username=ada", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C"])
            .arg("--pwfile")
            .arg(&password)
            .arg(&data)
            .status()
            .expect("PostgreSQL 15 is installed");
        assert!(status.success());
        write(&data.join("pg_hba.conf"), hba);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = program("postgres");
        command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.arg("-c").arg(format!("unix_socket_directories={}", folder.path().display()));
        for setting in ["fsync=off"].into_iter().chain(settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let server = Self { child: command.stderr(log).spawn().unwrap(), port, folder };
        server.wait().await;
        server
    }

    async fn start_with_tls(
        folder: TempDir,
        files: &(PathBuf, PathBuf),
        hba: &str,
        client_root: Option<&Path>,
    ) -> Self {
        let mut settings = vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", files.0.display()),
            format!("ssl_key_file={}", files.1.display()),
        ];
        settings.extend(client_root.map(|root| format!("ssl_ca_file={}", root.display())));
        Self::start(folder, hba, &settings).await
    }

    async fn wait(&self) {
        let begun = Instant::now();
        let url = format!(
            "postgresql://ada:{PASSWORD_ENCODED}@/postgres?host={}&port={}",
            self.folder.path().display(),
            self.port
        );
        while let Err(error) = connect(&url).await {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_secs(30), "{error}\n{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A URL by TCP; its host is `host`, wherever that name may lead.
    fn url(&self, host: &str, query: &str) -> String {
        let port = self.port;
        format!("postgresql://ada:{PASSWORD_ENCODED}@{host}:{port}/postgres?hostaddr=127.0.0.1&{query}")
    }
}

fn settings(url: &str) -> ConnectionSettings {
    ConnectionSettings::parse(url, |_| None).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// `TLS` or `plain`, as the server sees the connection.
async fn connect(url: &str) -> Result<&'static str, ConnectError> {
    let client = settings(url).connect().await?;
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let row = client.query_one(query, &[]).await.unwrap();
    Ok(if row.get(0) { "TLS" } else { "plain" })
}

/// What came of it: `TLS`, `plain`, or the variant of the failure.
async fn outcome(url: &str) -> String {
    match connect(url).await {
        Ok(kind) => kind.into(),
        Err(error) => {
            assert!(!error.to_string().contains("p@s"), "{error}");
            assert!(error.to_string().contains("\nhint: "), "{error}");
            let variant = format!("{:?}", error.failure);
            variant.split(['(', ' ']).next().unwrap().into()
        }
    }
}

const EVERYBODY: &str = "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n";

#[tokio::test]
async fn each_mode_believes_a_server_as_far_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let files = ours.sign("server", &["db.example", "127.0.0.1"]);
    let root = format!("sslrootcert={}", ours.root.display());
    let other = format!("sslrootcert={}", other.root.display());
    let pinned = format!("sslrootcert={}", files.0.display());
    let old = format!("sslcert={}", ours.root.display());
    let server = Server::start_with_tls(folder, &files, EVERYBODY, None).await;

    for (host, query, want) in [
        ("db.example", format!("sslmode=verify-full&{root}"), "TLS"),
        ("127.0.0.1", format!("sslmode=verify-full&{root}"), "TLS"),
        ("elsewhere.example", format!("sslmode=verify-full&{root}"), "CertificateOfAnother"),
        ("db.example", format!("sslmode=verify-full&{other}"), "CertificateUntrusted"),
        ("elsewhere.example", format!("sslmode=verify-ca&{root}"), "TLS"),
        ("db.example", format!("sslmode=verify-ca&{other}"), "CertificateUntrusted"),
        ("db.example", format!("sslmode=verify-full&{pinned}"), "TLS"),
        ("elsewhere.example", format!("sslmode=verify-full&{pinned}"), "CertificateOfAnother"),
        ("elsewhere.example", "sslmode=require".into(), "TLS"),
        ("db.example", format!("sslmode=require&{other}"), "CertificateUntrusted"),
        ("elsewhere.example", "sslmode=prefer".into(), "TLS"),
        ("elsewhere.example", "sslmode=disable".into(), "plain"),
        ("db.example", "sslmode=require&channel_binding=require".into(), "TLS"),
        ("db.example", format!("sslaccept=strict&{old}"), "TLS"),
        ("elsewhere.example", format!("sslaccept=strict&{old}"), "CertificateOfAnother"),
        ("elsewhere.example", format!("sslmode=require&sslaccept=accept_invalid_certs&{old}"), "TLS"),
    ] {
        assert_eq!(outcome(&server.url(host, &query)).await, want, "{host} {query}");
    }
    // The system's roots don't know our authority; a machine may also have none.
    let outcome = outcome(&server.url("db.example", "sslmode=verify-full")).await;
    assert!(["CertificateUntrusted", "Tls"].contains(&outcome.as_str()), "{outcome}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_its_own_root() {
    let folder = tempfile::tempdir().unwrap();
    // As `openssl req -x509` makes it: an authority that is used as a server.
    let mut parameters = CertificateParams::new(vec!["db.example".into()]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let files = (folder.path().join("server.crt"), folder.path().join("server.key"));
    write(&files.0, &parameters.self_signed(&key).unwrap().pem());
    write(&files.1, &key.serialize_pem());
    let query = format!("sslmode=verify-full&sslrootcert={}", files.0.display());
    let server = Server::start_with_tls(folder, &files, EVERYBODY, None).await;

    assert_eq!(outcome(&server.url("db.example", &query)).await, "TLS");
    assert_eq!(outcome(&server.url("elsewhere.example", &query)).await, "CertificateOfAnother");
}

#[tokio::test]
async fn a_server_may_ask_for_a_client_s_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, other) = (Authority::new(folder.path(), "ours"), Authority::new(folder.path(), "other"));
    let files = ours.sign("server", &["db.example"]);
    let (ada, stranger) = (ours.sign("ada", &[]), other.sign("stranger", &[]));
    let open = ours.sign("open", &[]);
    fs::set_permissions(&open.1, fs::Permissions::from_mode(0o644)).unwrap();
    let pair = |certificate: &Path, key: &Path| {
        format!("sslmode=require&sslcert={}&sslkey={}", certificate.display(), key.display())
    };
    let hba = "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 cert\n";
    let root = ours.root.clone();
    let server = Server::start_with_tls(folder, &files, hba, Some(&root)).await;

    for (query, want) in [
        (pair(&ada.0, &ada.1), "TLS"),
        ("sslmode=require".into(), "NotAdmitted"),
        ("sslmode=disable".into(), "NotAdmitted"),
        (pair(&stranger.0, &stranger.1), "Handshake"),
        (pair(&ada.0, &stranger.1), "Tls"),
        (pair(&ada.0, &open.1), "Tls"),
        (pair(&ada.1, &ada.1), "Tls"),
        (pair(&ada.0, &ada.0), "Tls"),
        (pair(Path::new("/nowhere"), &ada.1), "Tls"),
    ] {
        assert_eq!(outcome(&server.url("db.example", &query)).await, want, "{query}");
    }
    let error = connect(&server.url("db.example", &pair(&ada.0, &stranger.1))).await.unwrap_err();
    let ConnectFailure::Tls(error) = error.failure else { panic!("{error}") };
    let want = format!(
        "the private key `{}` doesn't belong to the certificate `{}`",
        stranger.1.display(),
        ada.0.display()
    );
    assert_eq!(error.to_string().lines().next(), Some(want.as_str()));
}

#[tokio::test]
async fn a_server_without_tls_serves_those_who_do_not_insist() {
    let hba = format!("{EVERYBODY}host all all ::1/128 reject\n");
    let server = Server::start(tempfile::tempdir().unwrap(), &hba, &[]).await;
    let (port, folder) = (server.port, server.folder.path().display().to_string());
    let encoded = folder.replace('/', "%2F");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = closed.local_addr().unwrap().port();
    let raw = PASSWORD.replace("100%", "100%25");

    for (url, want) in [
        (server.url("db.example", ""), "plain"),
        (server.url("db.example", "sslmode=disable"), "plain"),
        (server.url("db.example", "sslmode=require"), "NoTls"),
        (server.url("db.example", "sslmode=verify-full"), "NoTls"),
        (format!("postgresql://ada:{raw}@127.0.0.1:{port}/postgres"), "plain"),
        (
            format!(
                "postgresql://ada:{PASSWORD_ENCODED}@/postgres?host={folder}&port={port}&sslmode=require"
            ),
            "plain",
        ),
        (format!("postgresql://ada:{PASSWORD_ENCODED}@{encoded}:{port}/postgres"), "plain"),
        (format!("postgresql://ada:{PASSWORD_ENCODED}@127.0.0.1:1,127.0.0.1:{port}/postgres"), "plain"),
        (format!("postgresql://ada:wrong@127.0.0.1:{port}/postgres"), "WrongPassword"),
        (format!("postgresql://nobody:wrong@127.0.0.1:{port}/postgres"), "WrongPassword"),
        (format!("postgresql://ada@127.0.0.1:{port}/postgres"), "NoPassword"),
        (format!("postgresql://ada:{PASSWORD_ENCODED}@127.0.0.1:{port}/nowhere"), "NoSuchDatabase"),
        ("postgresql://ada@127.0.0.1:1/postgres".into(), "NotListening"),
        ("postgresql://ada@/postgres?host=/nowhere".into(), "NotListening"),
        ("postgresql://ada@no-such-host.invalid/postgres".into(), "HostUnknown"),
        (format!("postgresql://ada@127.0.0.1:{silent}/postgres?connect_timeout=1"), "TimedOut"),
        (server.url("db.example", "target_session_attrs=read-only"), "WrongKind"),
    ] {
        assert_eq!(outcome(&url).await, want, "{url}");
    }
}

#[tokio::test]
async fn a_server_that_admits_nobody_is_told_from_one_that_knows_no_such_role() {
    let hba = "local all ada scram-sha-256\nlocal all all trust\n";
    let server = Server::start(tempfile::tempdir().unwrap(), hba, &["max_connections=5".into()]).await;
    let (port, folder) = (server.port, server.folder.path().display().to_string());
    let url = format!("postgresql://bob@/postgres?host={folder}&port={port}");
    assert_eq!(outcome(&url).await, "NoSuchRole");
    assert_eq!(outcome(&server.url("db.example", "")).await, "NotAdmitted");

    let url = format!("postgresql://ada:{PASSWORD_ENCODED}@/postgres?host={folder}&port={port}");
    let client = settings(&url).connect().await.unwrap();
    client
        .batch_execute("CREATE ROLE bob LOGIN; REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        .await
        .unwrap();
    let as_bob = format!("postgresql://bob@/postgres?host={folder}&port={port}");
    assert_eq!(outcome(&as_bob).await, "Forbidden");
    let mut clients = vec![client];
    while let Ok(client) = settings(&url).connect().await {
        clients.push(client);
    }
    assert_eq!(outcome(&url).await, "TooManyConnections");
    assert!(clients.len() >= 5, "{}", clients.len());
}
