//! `cargo xtask supply`: what `deny.toml` says of every crate that the program is built of, through cargo-deny.
//!
//! Licences, sources, repeated and forbidden crates are checked everywhere. Advisories, and whether a crate was yanked,
//! need the RustSec database, which is a git repository: where it can't be reached, that is said, loudly.

use crate::{cargo, run, tools};

/// Fails if a crate breaks a rule, or has a known fault.
pub(crate) fn check() -> Result<(), String> {
    tools::install_missing_cargo("deny")?;
    run(cargo(&["deny", "--log-level", "error", "check", "bans", "licenses", "sources"]))?;
    let fetched = cargo(&["deny", "--log-level", "off", "fetch", "db"]).status();
    if !fetched.is_ok_and(|status| status.success()) {
        println!(
            "advisories SKIPPED: the RustSec database can't be reached from here, so nobody has looked for known faults\n\
             hint: run `cargo xtask supply` where it can be, before a release"
        );
        return Ok(());
    }
    run(cargo(&["deny", "--log-level", "error", "check", "advisories"]))
}
