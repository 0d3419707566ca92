//! Scenario files: given, when, then, in lines that can be checked by eye. `tests/scenarios/README.md` has the
//! language; this file reads it.

use std::path::Path;

/// One scenario of a file.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The sentence that it proves.
    pub name: String,
    /// Its lines, each with its place (`file:line`).
    pub steps: Vec<(String, Step)>,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A stored contact before anything happens.
    Given(Row),
    /// An observation: kinds and texts as sent, and the clock.
    When { sent: Vec<(String, String)>, at: i64 },
    /// All stored contacts, in id order.
    Then(Vec<Row>),
    /// The answer to the observation above.
    Answer(Answer),
    /// The kind of the event that the observation above made, or `none`.
    Event(String),
    /// The code with which the observation above was refused.
    Refused(String),
}

/// A contact as a scenario writes it. In `then`, values and times that aren't written aren't compared,
/// but for `updated`, which then is the time of creation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pub id: i64,
    pub linked_to: Option<i64>,
    pub values: Vec<(String, String)>,
    pub at: Option<i64>,
    pub updated: Option<i64>,
}

/// An answer as a scenario writes it, and as every backend gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub primary: i64,
    pub emails: Vec<String>,
    pub phones: Vec<String>,
    pub secondaries: Vec<i64>,
}

/// Rows, the oldest first.
pub fn by_age(rows: &[Row]) -> Vec<&Row> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| (row.at, row.id));
    rows
}

/// All scenarios of all files in `tests/scenarios`.
pub fn all() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder of scenarios is there")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "scenario"))
        .collect();
    files.sort();
    let scenarios: Vec<_> = files
        .iter()
        .flat_map(|path| {
            let name = path.file_name().expect("it was listed").to_string_lossy().into_owned();
            parse(&name, &std::fs::read_to_string(path).expect("a scenario is readable"))
        })
        .collect();
    assert!(!scenarios.is_empty(), "there are no scenarios to run");
    scenarios
}

/// The scenarios of one file. A line that can't be read is a mistake of the test, and panics with its place.
pub fn parse(file: &str, text: &str) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        if let Some(name) = line.strip_prefix("# ") {
            scenarios.push(Scenario { name: name.to_owned(), steps: Vec::new() });
        } else if !line.trim().is_empty() {
            let scenario = scenarios.last_mut().unwrap_or_else(|| panic!("{place}: no `# name` above"));
            let step = step(line).unwrap_or_else(|| panic!("{place}: can't be read: {line}"));
            scenario.steps.push((place, step));
        }
    }
    scenarios
}

fn step(line: &str) -> Option<Step> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    Some(match word {
        "given" => Step::Given(row(rest)?),
        "when" => {
            let mut sent = Vec::new();
            let mut at = None;
            for (name, value) in pairs(rest.strip_prefix("identify")?)? {
                match name.as_str() {
                    "at" => at = value.parse().ok(),
                    _ => sent.push((name, value)),
                }
            }
            Step::When { sent, at: at? }
        }
        "then" => Step::Then(rest.split(';').map(|text| row(text.trim())).collect::<Option<_>>()?),
        "answer" => Step::Answer(answer(rest)?),
        "event" => Step::Event(rest.to_owned()),
        "refused" => Step::Refused(rest.to_owned()),
        _ => return None,
    })
}

/// `#2 secondary of #1 email=doc@hill.edu at=2 updated=3`
fn row(text: &str) -> Option<Row> {
    let (id, rest) = text.strip_prefix('#')?.split_once(' ')?;
    let rest = rest.trim_start();
    let (linked_to, rest) = if let Some(rest) = rest.strip_prefix("primary") {
        (None, rest)
    } else {
        let rest = rest.strip_prefix("secondary of #")?;
        let (primary, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        (Some(primary.parse().ok()?), rest)
    };
    let mut row = Row { id: id.parse().ok()?, linked_to, ..Row::default() };
    for (name, value) in pairs(rest)? {
        match name.as_str() {
            "at" => row.at = Some(value.parse().ok()?),
            "updated" => row.updated = Some(value.parse().ok()?),
            _ => row.values.push((name, value)),
        }
    }
    Some(row)
}

/// `#1 emails=a@b.c,d@e.f phones=1 secondaries=#2,#3`; what isn't written is empty.
fn answer(text: &str) -> Option<Answer> {
    let (primary, rest) = text.strip_prefix('#')?.split_once(' ').unwrap_or((text.strip_prefix('#')?, ""));
    let mut answer = Answer { primary: primary.parse().ok()?, ..Answer::default() };
    for (name, value) in pairs(rest)? {
        let values = || value.split(',').map(str::to_owned).collect();
        match name.as_str() {
            "emails" => answer.emails = values(),
            "phones" => answer.phones = values(),
            "secondaries" => {
                let id = |id: &str| id.strip_prefix('#')?.parse().ok();
                answer.secondaries = value.split(',').map(id).collect::<Option<_>>()?;
            }
            _ => return None,
        }
    }
    Some(answer)
}

/// `name=value` pairs; a value with spaces or escapes stands as a JSON string.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = if after.starts_with('"') {
            let mut strings = serde_json::Deserializer::from_str(after).into_iter::<String>();
            let value = strings.next()?.ok()?;
            (value, &after[strings.byte_offset()..])
        } else {
            let (value, after) = after.split_once(' ').unwrap_or((after, ""));
            (value.to_owned(), after)
        };
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Some(pairs)
}
