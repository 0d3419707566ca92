//! The settings: whether they can be read and make sense together, and who else may read them.

use selfsame_api::Cors;
use selfsame_service::AdminKey;

use super::Check;
use super::finding::{Finding, ok, problem, problem_of, warning};
use super::installation::Installation;
use crate::database::Database;
use crate::{log, serve, told};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "settings", judge: readable },
    Check { name: "settings files", judge: private },
    Check { name: "log", judge: log },
    Check { name: "address", judge: address },
    Check { name: "admin key", judge: admin_key },
    Check { name: "shopify", judge: shopify },
    Check { name: "tls", judge: tls },
    Check { name: "web pages", judge: web_pages },
    Check { name: "drain timeout", judge: drain },
];

/// How long Docker Compose, by the files beside the source, and systemd, by the unit, wait for the end.
const PATIENCE_OF_DOCKER_SECONDS: u64 = 30;

fn readable(installation: &Installation) -> Vec<Finding> {
    if let Some(error) = &installation.settings_error {
        return vec![problem_of(error, "correct the file; until then `serve` does not start")];
    }
    let unknown = match &installation.database {
        Ok(Database::Postgres(settings)) => settings.warnings(),
        _ => &[],
    };
    let warnings = unknown
        .iter()
        .map(|warned| warning(format!("DATABASE_URL: {warned}"), "correct the URL, or leave that part out"));
    let mut findings: Vec<Finding> = warnings.collect();
    if findings.is_empty() {
        findings.push(ok("they can be read"));
    }
    findings
}

fn private(installation: &Installation) -> Vec<Finding> {
    let judged = installation.settings_files.iter().map(|file| {
        let (path, mode) = (file.path.display(), file.mode);
        match (mode & 0o077, file.has_secret) {
            (0, _) => ok(format!("`{path}` is for its owner only")),
            (_, false) => ok(format!("`{path}` has no password, so others may read it (mode {mode:04o})")),
            (_, true) => problem(
                format!("`{path}` holds a password, and others than its owner may use it (mode {mode:04o})"),
                format!("chmod 600 {path}"),
            ),
        }
    });
    judged.collect()
}

fn log(installation: &Installation) -> Vec<Finding> {
    let filter = installation.settings.log.as_deref().unwrap_or("info");
    match log::filter(filter) {
        Err(error) => vec![problem_of(&error.to_string(), "try `info`")],
        Ok(_) if filter.contains("trace") => vec![warning(
            format!("`{filter}` logs all that libraries say, which may name customers"),
            "use it for a moment only; `info` is the default",
        )],
        Ok(_) => vec![ok(format!("`{filter}`"))],
    }
}

/// What `serve` would say of the address, which knows whether strangers could come by it.
fn address(installation: &Installation) -> Vec<Finding> {
    let insecure = installation.settings.insecure_no_auth.unwrap_or(false);
    let finding = match &installation.addresses {
        Err(error) => problem_of(error, "correct HOST and PORT"),
        Ok(addresses) => {
            let list = crate::healthcheck::list(addresses);
            let reached = addresses.iter().any(|address| !address.ip().is_loopback());
            if reached && insecure {
                warning(
                    format!(
                        "{list} can be reached from other machines, and nobody is asked for a key \
                         (SELFSAME_INSECURE_NO_AUTH): whoever gets there reads and writes every customer"
                    ),
                    "let only a proxy that asks who it is get there, or listen on 127.0.0.1",
                )
            } else if reached && installation.will_have_a_key() == Some(false) {
                let refused = told(&serve::nobody_may_enter(addresses));
                problem_of(&refused, "make a key")
            } else if reached {
                ok(format!("{list} can be reached from other machines, which need a key"))
            } else {
                ok(format!("{list} can be reached from this machine only"))
            }
        }
    };
    vec![finding]
}

fn admin_key(installation: &Installation) -> Vec<Finding> {
    match &installation.admin_key {
        Err(error) => {
            vec![problem_of(error, "correct SELFSAME_ADMIN_KEY; until then `serve` does not start")]
        }
        Ok(Some(_)) => vec![match installation.given_key().flatten() {
            Some(AdminKey::Another) => problem_of(&told(&serve::another_key()), "give another"),
            Some(AdminKey::Revoked) => {
                warning("SELFSAME_ADMIN_KEY was revoked, and stays so", "give another, or leave it out")
            }
            _ => ok("SELFSAME_ADMIN_KEY can be a key"),
        }],
        Ok(None) => Vec::new(),
    }
}

fn shopify(installation: &Installation) -> Vec<Finding> {
    match &installation.shopify_secrets {
        Err(error) => {
            vec![problem_of(error, "correct SELFSAME_SHOPIFY_SECRETS; until then `serve` does not start")]
        }
        Ok(secrets) if secrets.is_empty() => Vec::new(),
        Ok(_) => vec![ok("SELFSAME_SHOPIFY_SECRETS can be secrets")],
    }
}

fn tls(installation: &Installation) -> Vec<Finding> {
    let Some(tls) = &installation.tls else { return Vec::new() };
    vec![match tls {
        Err(error) => problem_of(error, "correct --tls-certificate and --tls-key"),
        // A group may: it is how programs of several users come to one certificate.
        Ok(tls) if tls.key_mode & 0o007 != 0 => problem(
            format!("everybody may use the private key `{}` (mode {:04o})", tls.key.display(), tls.key_mode),
            format!("chmod o= {}", tls.key.display()),
        ),
        Ok(_) => ok("the certificate and its key go together"),
    }]
}

fn web_pages(installation: &Installation) -> Vec<Finding> {
    if installation.settings.edge.cors_origins != Some(Cors::Every) {
        return Vec::new();
    }
    let says = "every web page that somebody who can reach the server opens may read and write every customer \
                (SELFSAME_CORS_ORIGINS)";
    vec![warning(says, "name the origins that are yours in place of `*`")]
}

fn drain(installation: &Installation) -> Vec<Finding> {
    let settings = &installation.settings;
    let drain = settings.drain_timeout_seconds.unwrap_or(20);
    let answer = settings.answer_timeout_seconds.unwrap_or(10);
    let finding = if drain < answer {
        warning(
            format!(
                "at its end the server waits {drain} s for requests that may take {answer} s, and cuts the rest off"
            ),
            "--drain-timeout-seconds of at least --answer-timeout-seconds",
        )
    } else if drain >= PATIENCE_OF_DOCKER_SECONDS {
        warning(
            format!(
                "{drain} s: what stops the server may kill it before (Docker Compose after 30 s, systemd after 60 s)"
            ),
            "a longer `stop_grace_period` or `TimeoutStopSec`, or a shorter --drain-timeout-seconds",
        )
    } else {
        ok(format!("{drain} s"))
    };
    vec![finding]
}
