//! `DATABASE_URL=postgresql://…` and the PG… variables, turned into everything that a connection needs.
//!
//! The parts: `url` splits, `parameters` knows the names, `hosts` and `encryption` say where to and how, and
//! `connect` opens one connection and puts into words why not. Certificates are read in [`crate::tls`].

mod connect;
mod encryption;
mod hosts;
mod invalid;
mod parameters;
mod password_file;
mod url;

use std::fmt::{Display, Formatter};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, LoadBalanceHosts, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use connect::{ConnectError, ConnectFailure};
pub use invalid::{InvalidUrl, Place};

use self::hosts::Server;
use self::parameters::Given;
use self::password_file::Wanted;
use self::url::UrlParts;
use crate::tls::{TlsError, TlsSettings, connector};

/// What Prisma waits, too. libpq would wait for ever, and a server that waits for ever looks dead.
const CONNECT_TIMEOUT_SECONDS: u64 = 5;
const CONNECTIONS_MAX: usize = 10;
const CONNECTION_WAIT_SECONDS: u64 = 5;
const KEEPALIVES_IDLE_SECONDS: u64 = 60;

/// A longest time for any limit: a day.
const SECONDS_MAX: u64 = 86_400;

/// Everything that a connection, and a pool of them, needs. Its `Debug` and `Display` never show the password.
///
/// ```
/// use selfsame_store_postgres::ConnectionSettings;
///
/// let settings = ConnectionSettings::parse("postgresql://ada:secret@db/shop?schema=s", |_| None)?;
/// assert_eq!(settings.to_string(), "postgresql://db:5432/shop");
/// assert_eq!(settings.schema(), Some("s"));
/// # Ok::<(), selfsame_store_postgres::InvalidUrl>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionSettings {
    client: Config,
    tls: TlsSettings,
    shown: String,
    schema: Option<String>,
    connections_max: usize,
    connection_wait: Option<Duration>,
    connect_timeout: Option<Duration>,
    socket_timeout: Option<Duration>,
    keeps_plans: bool,
    warnings: Vec<String>,
}

impl ConnectionSettings {
    /// Reads `url`, and for what it doesn't say the PG… variables that libpq reads, through `variable`.
    ///
    /// Of the file system it looks at the password file, and at which of libpq's usual files are there.
    ///
    /// # Errors
    ///
    /// [`InvalidUrl`], which names the part and never its value. A parameter that nobody knows is only warned of.
    pub fn parse(url: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidUrl> {
        let UrlParts { parameters, password } = UrlParts::parse(url)?;
        let given = Given::new(parameters, &variable);
        let mut warnings = given.warnings();
        let text = |name| given.text(name).map(|said| said.text);

        let servers = hosts::servers(&given)?;
        let encryption = encryption::encryption(&given, servers.iter().all(Server::is_socket))?;
        let user = text("user").or_else(|| user_of_this_process(&given)).ok_or(InvalidUrl::NoUser)?;
        let database = text("dbname").unwrap_or_else(|| user.clone());
        let password = password
            .or_else(|| text("password").map(String::into_bytes))
            .or_else(|| password_from_file(&given, &servers, &database, &user, &mut warnings));
        let seconds = |name, default| {
            let seconds = given.number(name, 0..=SECONDS_MAX)?.unwrap_or(default);
            Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
        };
        let connect_timeout = seconds("connect_timeout", CONNECT_TIMEOUT_SECONDS)?;

        let mut client = Config::new();
        add_servers(&mut client, &servers)?;
        client.user(user).dbname(&database);
        client.application_name(text("application_name").unwrap_or_else(|| "selfsame".into()));
        if let Some(password) = password {
            client.password(password);
        }
        if let Some(options) = text("options") {
            client.options(options);
        }
        if let Some(limit) = connect_timeout {
            client.connect_timeout(limit);
        }
        client.ssl_mode(encryption.mode).ssl_negotiation(encryption.negotiation);
        set_session(&mut client, &given, servers.len())?;
        set_keepalives(&mut client, &given)?;

        Ok(Self {
            client,
            tls: encryption.tls,
            shown: hosts::shown(&servers, &database),
            schema: text("schema"),
            connections_max: given.number("connection_limit", 1..=10_000)?.unwrap_or(CONNECTIONS_MAX),
            connection_wait: seconds("pool_timeout", CONNECTION_WAIT_SECONDS)?,
            // Each server has its time, so all of them have it together.
            connect_timeout: connect_timeout
                .map(|limit| limit * u32::try_from(servers.len()).unwrap_or(u32::MAX)),
            socket_timeout: seconds("socket_timeout", 0)?,
            keeps_plans: keeps_plans(&given)?,
            warnings,
        })
    }

    /// What tokio-postgres needs: hosts, names, password and the rest of the protocol.
    pub fn client(&self) -> &Config {
        &self.client
    }

    /// The TLS side, with the certificates read from their files now. With `sslmode=disable` it is never used.
    ///
    /// # Errors
    ///
    /// [`TlsError`], which names the file and what is wrong with it.
    pub fn tls(&self) -> Result<MakeRustlsConnect, TlsError> {
        connector(&self.tls)
    }

    /// The schema where the original's table stands, if the URL names one (`schema`).
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// How many connections a pool holds at most (`connection_limit`), at least 1.
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// How long to wait for a free one of them (`pool_timeout`); `None` is without end.
    pub fn connection_wait(&self) -> Option<Duration> {
        self.connection_wait
    }

    /// How long opening a connection may take, all hosts and the handshakes together; `None` is without end.
    pub fn connect_timeout(&self) -> Option<Duration> {
        self.connect_timeout
    }

    /// How long an answer may take (`socket_timeout`, Prisma's); `None` is without end.
    pub fn socket_timeout(&self) -> Option<Duration> {
        self.socket_timeout
    }

    /// Whether statements may be prepared by name, so that the server keeps their plans: unless the URL says otherwise in
    /// Prisma's words (`pgbouncer=true`, `statement_cache_size=0`).
    pub fn keeps_plans(&self) -> bool {
        self.keeps_plans
    }

    /// What somebody should know about these settings, one sentence each, without any value.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// `postgresql://host:port/database`, without user and password.
impl Display for ConnectionSettings {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.shown)
    }
}

fn add_servers(client: &mut Config, servers: &[Server]) -> Result<(), InvalidUrl> {
    // tokio-postgres takes an address for every host or for none.
    let addresses: Vec<_> =
        servers.iter().filter_map(|server| server.address.or_else(|| server.host.parse().ok())).collect();
    let any_is_given = servers.iter().any(|server| server.address.is_some());
    if any_is_given && addresses.len() < servers.len() {
        return Err(InvalidUrl::Counts { hosts: servers.len(), others: addresses.len(), what: "addresses" });
    }
    for Server { host, port, .. } in servers {
        client.host(host).port(*port);
    }
    if any_is_given {
        for address in addresses {
            client.hostaddr(address);
        }
    }
    Ok(())
}

fn set_session(client: &mut Config, given: &Given<'_>, servers: usize) -> Result<(), InvalidUrl> {
    use TargetSessionAttrs::{Any, ReadOnly, ReadWrite};
    let attributes = given.choice(
        "target_session_attrs",
        &[
            ("any", Any),
            ("read-write", ReadWrite),
            ("primary", ReadWrite),
            ("read-only", ReadOnly),
            ("standby", ReadOnly),
        ],
    )?;
    // Whoever names several hosts means "the one that is primary now".
    client.target_session_attrs(attributes.unwrap_or(if servers > 1 { ReadWrite } else { Any }));
    let binding = given.choice(
        "channel_binding",
        &[
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ],
    )?;
    client.channel_binding(binding.unwrap_or(ChannelBinding::Prefer));
    let order = given.choice(
        "load_balance_hosts",
        &[("disable", LoadBalanceHosts::Disable), ("random", LoadBalanceHosts::Random)],
    )?;
    client.load_balance_hosts(order.unwrap_or(LoadBalanceHosts::Disable));
    Ok(())
}

/// Zero stands for the default, as in libpq.
fn set_keepalives(client: &mut Config, given: &Given<'_>) -> Result<(), InvalidUrl> {
    if let Some(on) = given.choice("keepalives", &[("1", true), ("0", false)])? {
        client.keepalives(on);
    }
    let number = |name, max: u64| Ok(given.number(name, 0..=max)?.filter(|number| *number > 0));
    // The system's two hours outlast the patience of most firewalls, which then drop an idle connection unsaid.
    let idle_seconds = number("keepalives_idle", SECONDS_MAX)?.unwrap_or(KEEPALIVES_IDLE_SECONDS);
    client.keepalives_idle(Duration::from_secs(idle_seconds));
    if let Some(seconds) = number("keepalives_interval", SECONDS_MAX)? {
        client.keepalives_interval(Duration::from_secs(seconds));
    }
    // libpq's name is the first, tokio-postgres's the second.
    for name in ["keepalives_count", "keepalives_retries"] {
        if let Some(count) = given.number(name, 0..=127)?.filter(|count| *count > 0) {
            client.keepalives_retries(count);
        }
    }
    if let Some(milliseconds) = number("tcp_user_timeout", SECONDS_MAX * 1000)? {
        client.tcp_user_timeout(Duration::from_millis(milliseconds));
    }
    Ok(())
}

fn keeps_plans(given: &Given<'_>) -> Result<bool, InvalidUrl> {
    let has_pooler = given.choice("pgbouncer", &[("true", true), ("false", false)])?.unwrap_or(false);
    let none_cached = given.number("statement_cache_size", 0..=u64::MAX)? == Some(0);
    Ok(!has_pooler && !none_cached)
}

fn password_from_file(
    given: &Given<'_>,
    servers: &[Server],
    database: &str,
    user: &str,
    warnings: &mut Vec<String>,
) -> Option<Vec<u8>> {
    let path = match given.text("passfile") {
        Some(said) => PathBuf::from(said.text),
        None => PathBuf::from(given.variable("HOME")?).join(".pgpass"),
    };
    let content = password_file::read(&path).map_err(|warning| warnings.extend(warning)).ok()?;
    servers.iter().find_map(|server| {
        let wanted = Wanted { host: server.host_in_password_file(), port: server.port, database, user };
        password_file::password(&content, &wanted).map(String::into_bytes)
    })
}

/// The name of the user that this process runs as: by the system's list, else by what a login sets.
fn user_of_this_process(given: &Given<'_>) -> Option<String> {
    let by_list = || {
        let id = std::fs::metadata("/proc/self").ok()?.uid().to_string();
        let list = std::fs::read_to_string("/etc/passwd").ok()?;
        list.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)? == id).then(|| name.to_owned())
        })
    };
    by_list().or_else(|| given.variable("USER")).or_else(|| given.variable("LOGNAME"))
}

#[cfg(test)]
mod tests;
