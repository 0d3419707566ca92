//! Splitting `postgresql://…` into its parts, as libpq does, and where libpq could not, as the writer must have
//! meant it. What the parts mean is not known here, but for the names of the parameters.
//!
//! A password with `@`, `/`, `?` or `#` in it should be percent-encoded, and often isn't. So every `@` is tried
//! as the end of the credentials, and a reading counts only if what follows looks like hosts, a database and
//! parameters. libpq's own reading wins; else the only one that is left; two are refused.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;

use super::invalid::InvalidUrl;
use super::parameters::is_known;

/// What the URL says, decoded. The user, hosts, ports and database are parameters like those after `?`.
#[derive(Default)]
pub(super) struct UrlParts {
    pub(super) parameters: BTreeMap<String, String>,
    /// Bytes: a password may be anything but zero.
    pub(super) password: Option<Vec<u8>>,
}

/// One way to read the URL: slices of it, still encoded.
struct Reading<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    hosts: Vec<&'a str>,
    ports: Vec<&'a str>,
    database: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl UrlParts {
    pub(super) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let url = url.trim();
        let rest = ["postgresql://", "postgres://"]
            .into_iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .ok_or(InvalidUrl::UnknownScheme)?;
        let reading = choose(rest)?;

        let mut parts = Self::default();
        let mut set = |name: &str, value: String| parts.parameters.insert(name.into(), value);
        if let Some(user) = reading.user {
            set("user", decoded(user, "user")?);
        }
        let hosts: Result<Vec<_>, _> = reading.hosts.iter().map(|host| decoded(host, "host")).collect();
        set("host", hosts?.join(","));
        if reading.ports.iter().any(|port| !port.is_empty()) {
            set("port", reading.ports.join(","));
        }
        set("dbname", decoded(reading.database, "database")?);
        parts.password = reading.password.map(decoded_password).transpose()?;
        for (name, value) in reading.parameters {
            if name == "password" {
                parts.password = Some(decoded_password(value)?);
            } else {
                parts.parameters.insert(name.into(), decoded(value, "parameters")?);
            }
        }
        // An empty part was not given, but an empty value where one of a few words stands is a mistake.
        for name in ["user", "host", "port", "dbname"] {
            if parts.parameters.get(name).is_some_and(String::is_empty) {
                parts.parameters.remove(name);
            }
        }
        parts.password = parts.password.filter(|password| !password.is_empty());
        Ok(parts)
    }
}

fn choose(rest: &str) -> Result<Reading<'_>, InvalidUrl> {
    // Source: libpq, fe-connect.c, conninfo_uri_parse_options: credentials end at the first `@` before any `/`.
    let first = rest.find(['@', '/']).filter(|&at| rest[at..].starts_with('@'));
    let refusal = match read(rest, first) {
        Ok(reading) => return Ok(reading),
        Err(refusal) => refusal,
    };
    let ends = std::iter::once(None).chain(rest.match_indices('@').map(|(at, _)| Some(at)));
    let mut others = ends.filter(|&end| end != first).filter_map(|end| read(rest, end).ok());
    match (others.next(), others.next()) {
        (Some(reading), None) => Ok(reading),
        (Some(_), Some(_)) => Err(InvalidUrl::Ambiguous),
        (None, _) => Err(refusal),
    }
}

/// Reads `rest` with the credentials ending at `end`, if what follows looks like what has to follow.
fn read(rest: &str, end: Option<usize>) -> Result<Reading<'_>, InvalidUrl> {
    let (user, password, rest) = match end {
        None => (None, None, rest),
        Some(end) => {
            let (user, password) = match rest[..end].split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (&rest[..end], None),
            };
            (Some(user), password, &rest[end + 1..])
        }
    };
    let hosts_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(hosts_end);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let database = path.strip_prefix('/').unwrap_or(path);
    if database.contains('@') {
        return Err(InvalidUrl::Database);
    }
    let (hosts, ports) =
        authority.split(',').map(host_and_port).collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    let parameters = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(name_and_value)
        .collect::<Result<Vec<_>, _>>()?;
    // An `@` belongs to a value only where each name is one that we know: else it is part of a password.
    if query.contains('@') && !parameters.iter().all(|(name, _)| is_known(name)) {
        return Err(InvalidUrl::Query);
    }
    Ok(Reading { user, password, hosts, ports, database, parameters })
}

/// `host`, `host:port`, `[::1]`, `[::1]:port`, or nothing.
fn host_and_port(text: &str) -> Result<(&str, &str), InvalidUrl> {
    let (host, port) = match text.strip_prefix('[') {
        Some(text) => {
            let (host, port) = text.split_once(']').ok_or(InvalidUrl::Host)?;
            // A zone (`%eth0`) is no part of the address.
            let address = host.split('%').next().expect("a split has a first piece");
            let _: std::net::Ipv6Addr = address.parse().map_err(|_| InvalidUrl::Host)?;
            match port.strip_prefix(':') {
                Some(port) => (host, port),
                None if port.is_empty() => (host, port),
                None => return Err(InvalidUrl::Host),
            }
        }
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            let is_usual = |character: char| character.is_alphanumeric() || "._-%".contains(character);
            if !host.chars().all(is_usual) {
                return Err(InvalidUrl::Host);
            }
            (host, port)
        }
    };
    let is_port = port.is_empty() || port.parse::<u16>().is_ok_and(|port| port > 0);
    if is_port { Ok((host, port)) } else { Err(InvalidUrl::Port) }
}

fn name_and_value(text: &str) -> Result<(&str, &str), InvalidUrl> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let is_usual = |character: char| character.is_ascii_alphanumeric() || "_-.".contains(character);
    if name.is_empty() || !name.chars().all(is_usual) { Err(InvalidUrl::Query) } else { Ok((name, value)) }
}

fn decoded(text: &str, part: &'static str) -> Result<String, InvalidUrl> {
    if !is_encoded_well(text) {
        return Err(InvalidUrl::Encoding { part });
    }
    let text = percent_decode_str(text).decode_utf8().map_err(|_| InvalidUrl::Encoding { part })?;
    if text.contains('\0') { Err(InvalidUrl::Encoding { part }) } else { Ok(text.into_owned()) }
}

/// A `%` that begins no code can only mean itself, and people do have such passwords.
fn decoded_password(text: &str) -> Result<Vec<u8>, InvalidUrl> {
    let password: Vec<u8> = percent_decode_str(text).collect();
    if password.contains(&0) { Err(InvalidUrl::Encoding { part: "password" }) } else { Ok(password) }
}

/// Whether each `%` is followed by two hexadecimal digits.
fn is_encoded_well(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut bytes = after.bytes();
        (0..2).all(|_| bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `user password hosts ports database parameters`, with `-` for what isn't there.
    fn shown(url: &str) -> Result<String, InvalidUrl> {
        let UrlParts { mut parameters, password } = UrlParts::parse(url)?;
        let password = password.map(|password| String::from_utf8_lossy(&password).into_owned());
        let mut take = |name: &str| parameters.remove(name).unwrap_or("-".into());
        let parts = [
            take("user"),
            password.unwrap_or("-".into()),
            take("host"),
            take("port"),
            take("dbname"),
            parameters
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join("&"),
        ];
        Ok(parts.join(" ").trim_end().into())
    }

    #[test]
    fn a_url_is_read_as_libpq_reads_it() {
        for (url, want) in [
            ("postgresql://", "- - - - -"),
            ("postgres://db", "- - db - -"),
            ("  postgres://db/shop\n", "- - db - shop"),
            ("postgresql://ada@db/shop", "ada - db - shop"),
            ("postgresql://ada:@db/shop", "ada - db - shop"),
            ("postgresql://ada:pw@db:6432/shop?sslmode=require", "ada pw db 6432 shop sslmode=require"),
            ("postgresql://ada:pw@db?schema=a&schema=b&&", "ada pw db - - schema=b"),
            ("postgresql://a:p@h1:1,h2:2,[::1]:3/s", "a p h1,h2,::1 1,2,3 s"),
            ("postgresql://h1,h2:6000/s", "- - h1,h2 ,6000 s"),
            ("postgresql://[fe80::1]/s", "- - fe80::1 - s"),
            ("postgresql:///shop?host=/run/postgresql", "- - /run/postgresql - shop"),
            ("postgresql://%2Frun%2Fpostgresql/shop", "- - /run/postgresql - shop"),
            ("postgresql://ada@/shop", "ada - - - shop"),
            ("postgresql://@/", "- - - - -"),
            ("postgresql://db/a%20b", "- - db - a b"),
            ("postgresql://here/s?host=there&user=bob", "bob - there - s"),
            ("postgresql://db/s?password=a%26b", "- a&b db - s"),
            ("postgresql://a:pw@db/s?application_name=me@home", "a pw db - s application_name=me@home"),
            ("postgresql://db/s?user=ada@server", "ada@server - db - s"),
        ] {
            assert_eq!(shown(url).as_deref(), Ok(want), "{url}");
        }
    }

    #[test]
    fn a_password_that_nobody_encoded_is_read_where_it_can_mean_one_thing() {
        for (encoded, password) in [
            ("%40%3A%2F%3F%23%25", "@:/?#%"),
            ("p:w", "p:w"),
            ("p#w", "p#w"),
            ("p?w", "p?w"),
            ("p?w=1", "p?w=1"),
            ("p/w", "p/w"),
            ("12/w", "12/w"),
            ("p@w", "p@w"),
            ("p@w/x", "p@w/x"),
            ("p@w?secret=x", "p@w?secret=x"),
            ("p@@/?#&=w", "p@@/?#&=w"),
            ("100%", "100%"),
            ("100%zz", "100%zz"),
            ("a b+c", "a b+c"),
            ("π%CF%80", "ππ"),
        ] {
            let url = format!("postgresql://ada:{encoded}@db:5432/shop?schema=s");
            assert_eq!(shown(&url), Ok(format!("ada {password} db 5432 shop schema=s")), "{url}");
        }
        // The way in which Azure named its users.
        let url = "postgresql://ada@server:p@w@db/shop";
        assert_eq!(shown(url).as_deref(), Ok("ada@server p@w db - shop"));
    }

    #[test]
    fn a_url_that_can_not_be_read_says_where() {
        for (url, want) in [
            ("mysql://db/shop", InvalidUrl::UnknownScheme),
            ("postgresql:db", InvalidUrl::UnknownScheme),
            ("postgresql://db:x/shop", InvalidUrl::Port),
            ("postgresql://db:0/shop", InvalidUrl::Port),
            ("postgresql://db:65536/shop", InvalidUrl::Port),
            ("postgresql://::1/shop", InvalidUrl::Port),
            ("postgresql://[::1/shop", InvalidUrl::Host),
            ("postgresql://[db]/shop", InvalidUrl::Host),
            ("postgresql://[::1]5432/shop", InvalidUrl::Host),
            ("postgresql://d b/shop", InvalidUrl::Host),
            ("postgresql://db/shop?=x", InvalidUrl::Query),
            ("postgresql://db/shop?a b=x", InvalidUrl::Query),
            ("postgresql://db/sh%op", InvalidUrl::Encoding { part: "database" }),
            ("postgresql://a%:pw@db/shop", InvalidUrl::Encoding { part: "user" }),
            ("postgresql://a%ff:pw@db/shop", InvalidUrl::Encoding { part: "user" }),
            ("postgresql://a:p%00@db/shop", InvalidUrl::Encoding { part: "password" }),
            ("postgresql://db/shop?schema=%f", InvalidUrl::Encoding { part: "parameters" }),
            ("postgresql://a:p/w@one/s?options=a@b", InvalidUrl::Ambiguous),
        ] {
            assert_eq!(shown(url), Err(want), "{url}");
        }
    }
}
