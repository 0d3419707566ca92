//! What a check says.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Level {
    Ok,
    /// It works, and may not go on so.
    Warning,
    /// It doesn't work, loses something, or shows something to strangers.
    Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    pub(super) says: String,
    /// What to do. Only what is well has none.
    pub(super) hint: Option<String>,
}

pub(super) fn ok(says: impl Into<String>) -> Finding {
    Finding { level: Level::Ok, says: says.into(), hint: None }
}

pub(super) fn warning(says: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { level: Level::Warning, says: says.into(), hint: Some(hint.into()) }
}

pub(super) fn problem(says: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { level: Level::Problem, says: says.into(), hint: Some(hint.into()) }
}

/// An error as a command would tell it. One without a hint gets `otherwise`.
pub(super) fn problem_of(told: &str, otherwise: &str) -> Finding {
    let (says, hint) = told.split_once("\nhint: ").unwrap_or((told, otherwise));
    problem(says.replace('\n', "; "), hint.replace("\nhint: ", "; ").replace('\n', "; "))
}

/// `12 MB`, `1.5 GB`: as people say it.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) if bytes / unit < 10 => {
            format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit)
        }
        Some((unit, name)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_said_as_people_say_them() {
        for (bytes, want) in
            [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 kB"), (64 << 20, "64 MB"), (5 << 29, "2.5 GB")]
        {
            assert_eq!(size(bytes), want);
        }
    }
}
