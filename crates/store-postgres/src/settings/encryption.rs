//! What `sslmode` and its relatives ask for, in libpq's words and in Prisma's. No file is read here.

use std::path::{Path, PathBuf};

use tokio_postgres::config::{SslMode, SslNegotiation};

use super::invalid::InvalidUrl;
use super::parameters::{Given, Said};
use crate::tls::{ClientIdentity, Roots, TlsSettings};

/// From weak to strong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    Disable,
    /// TLS if the server has it. `allow` would rather go without, which we don't offer: it is never safer.
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

const MODES: &[(&str, Mode)] = &[
    ("disable", Mode::Disable),
    ("allow", Mode::Prefer),
    ("prefer", Mode::Prefer),
    ("require", Mode::Require),
    ("verify-ca", Mode::VerifyCa),
    ("verify-full", Mode::VerifyFull),
    // As JavaScript's `pg` spells "require, and trust anybody".
    ("no-verify", Mode::Require),
];

/// How a connection is encrypted.
#[derive(Clone, Debug)]
pub(super) struct Encryption {
    pub(super) mode: SslMode,
    pub(super) negotiation: SslNegotiation,
    pub(super) tls: TlsSettings,
}

/// Reads all of it. `all_are_sockets`: there is nothing to encrypt, so what is asked for is only checked.
pub(super) fn encryption(given: &Given<'_>, all_are_sockets: bool) -> Result<Encryption, InvalidUrl> {
    for name in ["sslidentity", "sslpassword"] {
        if let Some(said) = given.text(name) {
            return Err(InvalidUrl::Pkcs12 { place: said.place });
        }
    }
    let home = given.variable("HOME").map(|home| Path::new(&home).join(".postgresql"));
    let by_default = |name: &str| home.as_ref().map(|home| home.join(name)).filter(|path| path.exists());

    let (mode, trusts_anybody) = mode(given)?;
    let direct = given.choice("sslnegotiation", &[("postgres", false), ("direct", true)])?.unwrap_or(false);
    if direct && mode < Mode::Require {
        let said = given.get("sslnegotiation").expect("it has just asked for `direct`");
        return Err(said.refused("`postgres`; or `direct`, with sslmode `require` or stronger"));
    }
    let sends_name = given.choice("sslsni", &[("1", true), ("0", false)])?.unwrap_or(true);
    let mut tls = TlsSettings { roots: None, checks_name: false, client: None, direct, sends_name };
    let negotiation = if direct { SslNegotiation::Direct } else { SslNegotiation::Postgres };
    if all_are_sockets || mode == Mode::Disable {
        let negotiation = SslNegotiation::Postgres;
        return Ok(Encryption { mode: SslMode::Disable, negotiation, tls });
    }

    let mut root = given.text("sslrootcert").map(|said| said.text);
    tls.client = match (given.text("sslcert"), given.text("sslkey")) {
        (Some(certificate), Some(key)) => Some(identity(certificate.text, key.text)),
        // In Prisma's URLs this is the root.
        (Some(certificate), None) if certificate.is_in_url() && root.is_none() => {
            root = Some(certificate.text);
            None
        }
        (Some(certificate), None) => {
            let key = by_default("postgresql.key").ok_or_else(|| half(&certificate))?;
            Some(identity(certificate.text, key))
        }
        (None, Some(key)) => {
            let certificate = by_default("postgresql.crt").ok_or_else(|| half(&key))?;
            Some(identity(certificate, key.text))
        }
        (None, None) => by_default("postgresql.crt")
            .zip(by_default("postgresql.key"))
            .map(|(certificate, key)| identity(certificate, key)),
    };
    let root = match root {
        _ if trusts_anybody => None,
        Some(word) if word == "system" => Some(Roots::System),
        Some(path) => Some(Roots::File(path.into())),
        // libpq looks there whatever the mode; only with these does it fail when the root isn't the right one.
        None if mode >= Mode::Require => by_default("root.crt").map(Roots::File),
        None => None,
    };
    tls.checks_name = mode == Mode::VerifyFull;
    tls.roots = match (mode, root) {
        (Mode::VerifyCa, None) => return Err(InvalidUrl::NoRoot),
        (Mode::VerifyFull, None) => Some(Roots::System),
        (Mode::Disable | Mode::Prefer | Mode::Require | Mode::VerifyCa | Mode::VerifyFull, root) => root,
    };
    let mode = if mode == Mode::Prefer { SslMode::Prefer } else { SslMode::Require };
    Ok(Encryption { mode, negotiation, tls })
}

/// The mode, and whether any certificate will do.
fn mode(given: &Given<'_>) -> Result<(Mode, bool), InvalidUrl> {
    let said = given.get("sslmode");
    let mut mode = said.as_ref().map(|said| said.one_of(MODES)).transpose()?;
    let said_in_url = said.clone().filter(Said::is_in_url);
    let is_no_verify = said.as_ref().is_some_and(|said| said.text == "no-verify");

    // JDBC's, which libpq takes too.
    let ssl = given.choice("ssl", &[("true", true), ("1", true), ("false", false), ("0", false)])?;
    match ssl {
        Some(true) if said_in_url.is_none() => mode = mode.max(Some(Mode::Require)),
        Some(false) if said_in_url.is_none() => mode = Some(Mode::Disable),
        Some(_) | None => {}
    }

    let accepts = given.choice(
        "sslaccept",
        &[("strict", false), ("accept_invalid_certs", true), ("accept_invalid", true)],
    )?;
    let contradiction = |said: &Said, other: &'static str, hint| {
        let second = given.get(other).expect("it was just read").place;
        Err(InvalidUrl::Contradiction { first: said.place.clone(), second, hint })
    };
    match (accepts, &said_in_url) {
        (Some(false), Some(said)) if mode == Some(Mode::Disable) || is_no_verify => {
            return contradiction(said, "sslaccept", "`strict` means sslmode `verify-full`: leave one out");
        }
        (Some(true), Some(said)) if mode >= Some(Mode::VerifyCa) => {
            return contradiction(
                said,
                "sslaccept",
                "a certificate is either verified or not: leave one out",
            );
        }
        (Some(false), _) => return Ok((Mode::VerifyFull, false)),
        (Some(true), _) => return Ok((mode.unwrap_or(Mode::Prefer).min(Mode::Require), true)),
        (None, _) => {}
    }

    let trusts_system = given.text("sslrootcert").filter(|said| said.text == "system");
    match (&trusts_system, &said, mode) {
        (Some(_), None, _) => mode = Some(Mode::VerifyFull),
        // As libpq: any of a hundred authorities signs a certificate for anybody, so the name has to be checked.
        (Some(_), Some(said), Some(weak)) if weak < Mode::VerifyFull => {
            let hint = "with the system's roots use sslmode `verify-full`, or name a root of your own";
            return contradiction(said, "sslrootcert", hint);
        }
        (_, _, _) => {}
    }
    Ok((mode.unwrap_or(Mode::Prefer), is_no_verify))
}

fn identity(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> ClientIdentity {
    ClientIdentity { certificate: certificate.into(), key: key.into() }
}

fn half(said: &Said) -> InvalidUrl {
    InvalidUrl::HalfOfACertificate { place: said.place.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::url::UrlParts;

    /// `mode`, then `name` if the name is checked, the roots, and the client's certificate and key.
    fn shown(query: &str, variables: &[(&str, &str)]) -> Result<String, String> {
        let parts =
            UrlParts::parse(&format!("postgresql://db/?{query}")).expect("only its values may be bad");
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, text)| (*text).to_owned())
        };
        let given = Given::new(parts.parameters, &variable);
        let Encryption { mode, tls, .. } = encryption(&given, false).map_err(|error| error.to_string())?;
        let mut text = format!("{mode:?}");
        if tls.checks_name {
            text += " name";
        }
        match tls.roots {
            None => {}
            Some(Roots::System) => text += " system",
            Some(Roots::File(path)) => text += &format!(" {}", path.display()),
        }
        if let Some(ClientIdentity { certificate, key }) = tls.client {
            text += &format!(" as {} {}", certificate.display(), key.display());
        }
        Ok(text)
    }

    #[test]
    fn the_words_of_libpq_and_of_prisma_say_how_strict_to_be() {
        let nothing: &[(&str, &str)] = &[];
        for (query, variables, want) in [
            ("", nothing, "Prefer"),
            ("sslmode=disable", nothing, "Disable"),
            ("sslmode=disable&sslrootcert=/r", nothing, "Disable"),
            ("sslmode=allow", nothing, "Prefer"),
            ("sslmode=prefer&sslrootcert=/r", nothing, "Prefer /r"),
            ("sslmode=require", nothing, "Require"),
            ("sslmode=no-verify&sslrootcert=/r", nothing, "Require"),
            ("sslmode=require&sslrootcert=/r", nothing, "Require /r"),
            ("sslmode=verify-ca&sslrootcert=/r", nothing, "Require /r"),
            ("sslmode=verify-full", nothing, "Require name system"),
            ("sslmode=verify-full&sslrootcert=/r", nothing, "Require name /r"),
            ("sslrootcert=system", nothing, "Require name system"),
            ("sslmode=require", &[("PGSSLROOTCERT", "/r"), ("PGSSLMODE", "disable")], "Require /r"),
            ("", &[("PGSSLMODE", "verify-full")], "Require name system"),
            ("ssl=true", nothing, "Require"),
            ("ssl=true", &[("PGSSLMODE", "verify-full")], "Require name system"),
            ("ssl=false", nothing, "Disable"),
            ("sslaccept=strict", nothing, "Require name system"),
            ("sslaccept=strict&sslcert=/r", nothing, "Require name /r"),
            ("sslaccept=strict", &[("PGSSLMODE", "disable")], "Require name system"),
            ("sslaccept=accept_invalid_certs", nothing, "Prefer"),
            ("sslmode=require&sslaccept=accept_invalid_certs&sslcert=/r", nothing, "Require"),
            ("sslaccept=accept_invalid_certs", &[("PGSSLMODE", "verify-full")], "Require"),
            ("sslmode=require&sslcert=/c&sslkey=/k", nothing, "Require as /c /k"),
            ("sslmode=require&sslcert=/r", nothing, "Require /r"),
            ("sslmode=require", &[("PGSSLCERT", "/c"), ("PGSSLKEY", "/k")], "Require as /c /k"),
        ] {
            assert_eq!(shown(query, variables).as_deref(), Ok(want), "{query} {variables:?}");
        }
    }

    #[test]
    fn what_can_not_be_meant_is_refused_by_name() {
        let nothing: &[(&str, &str)] = &[];
        for (query, variables, want) in [
            (
                "sslmode=on",
                nothing,
                "the parameter `sslmode` of DATABASE_URL has a value that it doesn't take\nhint: it takes `disable`, `allow`, `prefer`, `require`, `verify-ca`, `verify-full`, `no-verify`",
            ),
            ("sslmode=", nothing, "the parameter `sslmode` of DATABASE_URL has a value"),
            ("", &[("PGSSLMODE", "on")], "the variable PGSSLMODE has a value that it doesn't take"),
            ("sslmode=verify-ca", nothing, "sslmode `verify-ca` needs a root certificate"),
            (
                "sslmode=require&sslrootcert=system",
                nothing,
                "the parameter `sslmode` of DATABASE_URL and the parameter `sslrootcert` of DATABASE_URL contradict each other",
            ),
            (
                "sslaccept=strict&sslmode=disable",
                nothing,
                "the parameter `sslmode` of DATABASE_URL and the parameter `sslaccept`",
            ),
            ("sslaccept=accept_invalid_certs&sslmode=verify-full", nothing, "the parameter `sslmode` of"),
            ("sslidentity=/p", nothing, "the parameter `sslidentity` of DATABASE_URL names"),
            (
                "sslmode=require&sslkey=/k",
                nothing,
                "the parameter `sslkey` of DATABASE_URL needs its other half",
            ),
            ("sslmode=require", &[("PGSSLCERT", "/c")], "the variable PGSSLCERT needs its other half"),
            ("sslnegotiation=direct", nothing, "the parameter `sslnegotiation` of DATABASE_URL has a value"),
        ] {
            let refusal = shown(query, variables).expect_err(query);
            assert!(refusal.starts_with(want), "{query}: {refusal}");
        }
    }

    #[test]
    fn the_files_that_libpq_would_look_for_are_found() {
        let home = std::env::temp_dir().join(format!("selfsame-home-{}", std::process::id()));
        let folder = home.join(".postgresql");
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["root.crt", "postgresql.crt", "postgresql.key"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let variables = [("HOME", home.to_str().unwrap())];
        let path = |name: &str| folder.join(name).display().to_string();
        let (root, certificate, key) = (path("root.crt"), path("postgresql.crt"), path("postgresql.key"));
        for (query, want) in [
            ("sslmode=prefer", format!("Prefer as {certificate} {key}")),
            ("sslmode=require", format!("Require {root} as {certificate} {key}")),
            ("sslmode=verify-full", format!("Require name {root} as {certificate} {key}")),
            ("sslmode=verify-full&sslrootcert=system", format!("Require name system as {certificate} {key}")),
        ] {
            assert_eq!(shown(query, &variables), Ok(want), "{query}");
        }
        std::fs::remove_dir_all(home).unwrap();
    }
}
