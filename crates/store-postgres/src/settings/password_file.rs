//! `~/.pgpass`: lines of `host:port:database:user:password`, the first that fits gives the password.
//!
//! Source: PostgreSQL's documentation, "The Password File".

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a line has to fit.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The content of the file, or a warning about it. A file that isn't there is no matter.
pub(super) fn read(path: &Path) -> Result<String, Option<String>> {
    let metadata = fs::metadata(path).map_err(|_| None)?;
    let path_shown = path.display();
    if !metadata.is_file() {
        return Err(Some(format!("the password file `{path_shown}` is not a plain file, and is not read")));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Some(format!(
            "the password file `{path_shown}` is open to others than its owner, and is not read: `chmod 600` it"
        )));
    }
    fs::read_to_string(path)
        .map_err(|error| Some(format!("the password file `{path_shown}` can't be read: {error}")))
}

/// The password for `wanted`, if a line has one.
pub(super) fn password(content: &str, wanted: &Wanted<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    let wanted = [wanted.host, &port, wanted.database, wanted.user];
    content.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = fields(line).into_iter();
        let fits = wanted
            .iter()
            .all(|wanted| fields.next().is_some_and(|(raw, field)| raw == "*" || field == *wanted));
        let (_, password) = fields.next()?;
        (fits && !password.is_empty()).then_some(password)
    })
}

/// The fields of a line, as they stand and with `\:` and `\\` resolved.
fn fields(line: &str) -> Vec<(String, String)> {
    let mut fields = vec![(String::new(), String::new())];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let (raw, field) = fields.last_mut().expect("there is always a last field");
        match character {
            ':' => fields.push(Default::default()),
            '\\' => {
                let escaped = characters.next();
                raw.push('\\');
                raw.extend(escaped);
                field.extend(escaped);
            }
            _ => {
                raw.push(character);
                field.push(character);
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_gives_the_password() {
        let content = "# db:5432:shop:ada:comment\n\
                       db:5432:shop:ada:first\n\
                       db:*:*:ada:second\n\
                       other:5432:shop:a\\:b\\\\:co\\:lon\n\
                       ::1:5432:shop:ada:never\n\
                       \\:\\:1:5432:shop:ada:six\n\
                       *:*:*:nobody:\n\
                       short:5432\n\
                       \\*:*:*:eve:star\n";
        for (host, port, user, want) in [
            ("db", 5432, "ada", Some("first")),
            ("db", 6432, "ada", Some("second")),
            ("db", 5432, "bob", None),
            ("other", 5432, "a:b\\", Some("co:lon")),
            ("::1", 5432, "ada", Some("six")),
            ("db", 5432, "nobody", None),
            ("short", 5432, "ada", None),
            ("db", 5432, "eve", None),
            ("*", 5432, "eve", Some("star")),
        ] {
            let wanted = Wanted { host, port, database: "shop", user };
            assert_eq!(password(content, &wanted).as_deref(), want, "{host}:{port} {user}");
        }
    }
}
