//! The database, of either sort: whether it is there, and whether it is of this version.

use selfsame_store_postgres::Examined as PostgresExamined;
use selfsame_store_sqlite::{Contents, Examined, OpenError};

use super::Check;
use super::finding::{Finding, ok, problem, problem_of, warning};
use super::installation::Installation;
use crate::told;

pub(super) const CHECKS: &[Check] =
    &[Check { name: "database", judge: reachable }, Check { name: "schema", judge: schema }];

fn reachable(installation: &Installation) -> Vec<Finding> {
    let database = match &installation.database {
        Ok(database) => database,
        Err(error) => return vec![problem_of(error, "correct DATABASE_URL")],
    };
    let seen = match (&installation.embedded, &installation.postgres) {
        (Some(embedded), _) => match &embedded.examined {
            Err(OpenError::Missing(_)) => return vec![missing(installation)],
            // That is for the next check.
            Err(OpenError::Newer { .. }) | Ok(_) => Ok(()),
            Err(OpenError::NoFolder(_)) if embedded.folder.is_none() => Err(format!(
                "the folder of `{}` is not there\nhint: make it, or check DATABASE_URL",
                embedded.path.display()
            )),
            Err(_) if embedded.is_denied => Err(format!(
                "`{}` may not be used by this user\nhint: run this as the owner of the file, as the server is",
                embedded.path.display()
            )),
            Err(error) => Err(told_of(error)),
        },
        (None, Some(examined)) => examined.as_ref().map(|_| ()).map_err(Clone::clone),
        (None, None) => Ok(()),
    };
    vec![match seen {
        Ok(()) => ok(format!("{database} is there")),
        Err(error) => {
            problem_of(&error, "a backup may be the way back: docs/OPERATIONS.md, \"Backup and restore\"")
        }
    }]
}

fn missing(installation: &Installation) -> Finding {
    let path = installation.embedded.as_ref().map(|embedded| embedded.path.display().to_string());
    let says = format!("`{}` is not there yet", path.unwrap_or_default());
    if installation.settings.migrate == Some(false) {
        problem(
            says,
            "with --migrate=false `serve` does not make it: run `selfsame migrate`, or check DATABASE_URL",
        )
    } else {
        warning(says, "`selfsame serve` makes a new one; if there should be one, check DATABASE_URL")
    }
}

fn schema(installation: &Installation) -> Vec<Finding> {
    let (found, known) = match (&installation.embedded, &installation.postgres) {
        (Some(embedded), _) => match &embedded.examined {
            Ok(Examined { contents, .. }) => (contents.schema, Contents::known_schema()),
            Err(OpenError::Newer { found, known, .. }) => (*found, *known),
            Err(_) => return Vec::new(),
        },
        (None, Some(Ok(PostgresExamined { schema, known_schema, .. }))) => {
            (i64::from(*schema), i64::from(*known_schema))
        }
        (None, _) => return Vec::new(),
    };
    let may_migrate = installation.settings.migrate.unwrap_or(true);
    vec![match found.cmp(&known) {
        std::cmp::Ordering::Equal => ok(format!("{found}, which is this version's")),
        std::cmp::Ordering::Greater => problem(
            format!("{found}, of a newer version of selfsame; this one knows {known}"),
            "run that version or a later one",
        ),
        std::cmp::Ordering::Less if may_migrate => warning(
            format!("{found}, and this version has {known}"),
            "make a backup; the next start of `selfsame serve` brings it to this version's",
        ),
        std::cmp::Ordering::Less => problem(
            format!("{found}, and this version needs {known}; with --migrate=false `serve` does not start"),
            "make a backup, then run `selfsame migrate`",
        ),
    }]
}

/// As a command would tell it; the store's error is not ours to take.
fn told_of(error: &OpenError) -> String {
    told(&anyhow::anyhow!("{error}"))
}
