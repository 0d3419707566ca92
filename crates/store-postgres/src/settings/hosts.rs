//! Which machines: hosts, their addresses and ports, brought into line.

use std::fmt::Write;
use std::net::IpAddr;
use std::path::Path;

use super::invalid::InvalidUrl;
use super::parameters::Given;

/// Where Debian and most others put the socket.
const SOCKET_FOLDER: &str = "/var/run/postgresql";

const PORT: u16 = 5432;

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// A name or an address; or, with a `/` first, the folder of a Unix socket.
    pub(super) host: String,
    /// Where the host is, if that needn't be looked up.
    pub(super) address: Option<IpAddr>,
    pub(super) port: u16,
}

impl Server {
    pub(super) fn is_socket(&self) -> bool {
        self.address.is_none() && self.host.starts_with('/')
    }

    /// The host by which the password file knows it.
    pub(super) fn host_in_password_file(&self) -> &str {
        if self.host == SOCKET_FOLDER { "localhost" } else { &self.host }
    }
}

/// The servers, in the order in which they are tried.
pub(super) fn servers(given: &Given<'_>) -> Result<Vec<Server>, InvalidUrl> {
    let hosts = given.text("host");
    // libpq would send a URL's host to PGHOSTADDR's address; whoever writes a host into the URL means that host.
    let url_names_host = hosts.as_ref().is_some_and(super::parameters::Said::is_in_url);
    let addresses = given.text("hostaddr").filter(|said| said.is_in_url() || !url_names_host);
    let ports = given.text("port");

    let hosts: Vec<String> =
        hosts.map(|said| said.text.split(',').map(|host| host.trim().into()).collect()).unwrap_or_default();
    let addresses: Vec<Option<IpAddr>> = match &addresses {
        None => vec![],
        Some(said) => said
            .text
            .split(',')
            .map(|text| match text.trim() {
                "" => Ok(None),
                text => text.parse().map(Some),
            })
            .collect::<Result<_, _>>()
            .map_err(|_| said.refused("IP addresses, with a comma between them"))?,
    };
    let ports: Vec<u16> = match &ports {
        None => vec![],
        Some(said) => said
            .text
            .split(',')
            .map(|text| match text.trim() {
                "" => Ok(PORT),
                text => text.parse().ok().filter(|port| *port > 0).ok_or(()),
            })
            .collect::<Result<_, _>>()
            .map_err(|()| said.refused("ports from 1 to 65535, with a comma between them"))?,
    };

    let count = hosts.len().max(addresses.len()).max(1);
    let disagrees = |len: usize| len != 0 && len != count;
    if disagrees(hosts.len()) || disagrees(addresses.len()) {
        return Err(InvalidUrl::Counts { hosts: hosts.len(), others: addresses.len(), what: "addresses" });
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(InvalidUrl::Counts { hosts: count, others: ports.len(), what: "ports" });
    }
    Ok((0..count)
        .map(|index| {
            let address = addresses.get(index).copied().flatten();
            let host = hosts.get(index).filter(|host| !host.is_empty()).cloned();
            // A certificate is checked against the host, so an address that has no other name is its own.
            let host = host.or(address.map(|address| address.to_string())).unwrap_or_else(host_by_default);
            let port = ports.get(index).or(ports.first()).copied().unwrap_or(PORT);
            Server { host, address, port }
        })
        .collect())
}

fn host_by_default() -> String {
    if Path::new(SOCKET_FOLDER).is_dir() { SOCKET_FOLDER } else { "localhost" }.into()
}

/// `postgresql://host:port/database`, without user and password: for people, and for logs.
pub(super) fn shown(servers: &[Server], database: &str) -> String {
    if let [server] = servers
        && server.is_socket()
    {
        let port = if server.port == PORT { String::new() } else { format!("&port={}", server.port) };
        return format!("postgresql:///{database}?host={}{port}", server.host);
    }
    let mut text = "postgresql://".to_owned();
    for (index, Server { host, port, .. }) in servers.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let host = if host.contains(':') { format!("[{host}]") } else { host.replace('/', "%2F") };
        write!(text, "{comma}{host}:{port}").expect("a string takes everything");
    }
    text + "/" + database
}
