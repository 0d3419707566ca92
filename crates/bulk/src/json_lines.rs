//! Rows that are objects of JSON, one on each line, and the members of them that are columns.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::input::ReadError;
use crate::lines::{Ahead, Lines};
use crate::reject::Reason;
use crate::separated::Found;

/// How deep members are looked for that could be columns.
const DEPTH_MAX: usize = 4;

/// How many members are listed as columns.
const NAMES_MAX: usize = 1000;

/// What serde says of a member that stands twice. No text of a file gets into it.
const REPEATED: &str = "a member stands there twice";

/// The line that was read last.
pub(crate) struct JsonLines {
    line: Range<usize>,
}

impl JsonLines {
    pub(crate) fn new() -> Self {
        Self { line: 0..0 }
    }

    /// Reads the next line; nothing at the end.
    pub(crate) fn next(&mut self, lines: &mut Lines) -> Result<Option<Found>, ReadError> {
        self.line = 0..0;
        let terminator = lines.terminator();
        match lines.ahead(terminator)? {
            Ahead::Line(length) => {
                self.line = lines.take_line(length);
                let is_blank = self.bytes(lines).iter().all(u8::is_ascii_whitespace);
                Ok(Some(if is_blank { Found::Blank } else { Found::Row }))
            }
            Ahead::TooLong => {
                lines.drop_line()?;
                Ok(Some(Found::Broken(Reason::RowTooLong)))
            }
            // Nothing is looked for but the end of the line.
            Ahead::Marked | Ahead::End => Ok(None),
        }
    }

    /// The line without its end.
    pub(crate) fn bytes<'row>(&self, lines: &'row Lines) -> &'row [u8] {
        lines.slice(&self.line)
    }

    /// The line as text.
    pub(crate) fn text<'row>(&self, lines: &'row Lines) -> Result<&'row str, Reason> {
        std::str::from_utf8(self.bytes(lines)).map_err(|_| Reason::NotUtf8)
    }
}

/// Members that are columns, by their names and those of the objects that they are in.
#[derive(Default)]
pub(crate) struct Members {
    nodes: Vec<Node>,
    columns: usize,
}

struct Node {
    name: String,
    column: Option<usize>,
    below: Vec<Node>,
}

impl Members {
    /// The members of these paths. `a.b` is the member `b` of the object `a`, or a member whose name is `a.b`.
    pub(crate) fn new<'path>(paths: impl IntoIterator<Item = &'path str>) -> Self {
        let mut members = Self::default();
        for (column, path) in paths.into_iter().enumerate() {
            members.columns += 1;
            add(&mut members.nodes, path, column);
            if path.contains('.') {
                node(&mut members.nodes, path).column = Some(column);
            }
        }
        members
    }

    /// The values of the columns in a line.
    ///
    /// # Errors
    ///
    /// What is wrong with the line, and in which column if it is one.
    pub(crate) fn find<'row>(
        &self,
        text: &'row str,
    ) -> Result<Vec<Option<&'row RawValue>>, (Option<usize>, Reason)> {
        if !text.trim_start().starts_with('{') {
            return Err((None, Reason::NotAnObject));
        }
        let mut search = Search { values: vec![None; self.columns], repeated: None };
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let seed = Object { nodes: &self.nodes, search: &mut search };
        match seed.deserialize(&mut deserializer).and_then(|()| deserializer.end()) {
            Ok(()) => Ok(search.values),
            Err(_) if search.repeated.is_some() => Err((search.repeated, Reason::RepeatedMember)),
            Err(error) => Err((None, Reason::MalformedJson { at: error.column() })),
        }
    }
}

fn node<'nodes>(nodes: &'nodes mut Vec<Node>, name: &str) -> &'nodes mut Node {
    let place = nodes.iter().position(|node| node.name == name).unwrap_or_else(|| {
        nodes.push(Node { name: name.to_owned(), column: None, below: Vec::new() });
        nodes.len() - 1
    });
    &mut nodes[place]
}

fn add(nodes: &mut Vec<Node>, path: &str, column: usize) {
    match path.split_once('.') {
        Some((name, rest)) => add(&mut node(nodes, name).below, rest, column),
        None => node(nodes, path).column = Some(column),
    }
}

/// What was found of the columns.
struct Search<'row> {
    values: Vec<Option<&'row RawValue>>,
    repeated: Option<usize>,
}

/// Looks for members in an object.
struct Object<'nodes, 'search, 'row> {
    nodes: &'nodes [Node],
    search: &'search mut Search<'row>,
}

impl<'row> DeserializeSeed<'row> for Object<'_, '_, 'row> {
    type Value = ();

    fn deserialize<D: Deserializer<'row>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'row> Visitor<'row> for Object<'_, '_, 'row> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'row>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(known) = map.next_key_seed(Key { nodes: self.nodes })? {
            let Some(place) = known else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let node = &self.nodes[place];
            let value = map.next_value::<&RawValue>()?;
            if let Some(column) = node.column
                && self.search.values[column].replace(value).is_some()
            {
                self.search.repeated = Some(column);
                return Err(A::Error::custom(REPEATED));
            }
            if !node.below.is_empty() && value.get().starts_with('{') {
                let below = Object { nodes: &node.below, search: &mut *self.search };
                let mut within = serde_json::Deserializer::from_str(value.get());
                below.deserialize(&mut within).map_err(A::Error::custom)?;
            }
        }
        Ok(())
    }
}

/// Which of the nodes a member is.
struct Key<'nodes> {
    nodes: &'nodes [Node],
}

impl<'row> DeserializeSeed<'row> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'row>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.nodes.iter().position(|node| node.name == name))
    }
}

/// The text of a value: a JSON string, or the digits of a whole number, however many; nothing for null.
pub(crate) fn text(value: &RawValue) -> Result<Option<Cow<'_, str>>, Reason> {
    let raw = value.get();
    match raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Some(Cow::Borrowed(plain))),
        // It was valid JSON when it was cut out, but an escape may spell half a character.
        Some(_) => match serde_json::from_str(raw) {
            Ok(text) => Ok(Some(Cow::Owned(text))),
            Err(error) => Err(Reason::MalformedJson { at: error.column() }),
        },
        None if raw == "null" => Ok(None),
        None if raw.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Some(Cow::Borrowed(raw))),
        None if raw.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']) => {
            Err(Reason::NotAWholeNumber)
        }
        None => Err(Reason::NeitherTextNorNumber),
    }
}

/// Adds the paths of an object's members that hold values to a list.
pub(crate) fn list_members(text: &str, names: &mut Vec<String>) {
    let Ok(Value::Object(object)) = serde_json::from_str(text) else { return };
    list("", &object, DEPTH_MAX, names);
}

fn list(before: &str, object: &serde_json::Map<String, Value>, depth: usize, names: &mut Vec<String>) {
    for (name, value) in object {
        let path = format!("{before}{name}");
        match value {
            Value::Object(below) if depth > 1 => list(&format!("{path}."), below, depth - 1, names),
            Value::Object(_) | Value::Array(_) => {}
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                if names.len() < NAMES_MAX && !names.contains(&path) {
                    names.push(path);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(paths: &[&str], line: &str) -> Result<Vec<Option<String>>, (Option<usize>, Reason)> {
        let members = Members::new(paths.iter().copied());
        let values = members.find(line)?;
        values
            .into_iter()
            .map(|value| match value.map(text) {
                None | Some(Ok(None)) => Ok(None),
                Some(Ok(Some(text))) => Ok(Some(text.into_owned())),
                Some(Err(reason)) => Err((None, reason)),
            })
            .collect()
    }

    #[test]
    fn members_are_found_by_name_and_by_path() {
        let paths = ["email", "customer.phone", "a.b.c"];
        for (line, want) in [
            (r#"{"email":"a@b.c","customer":{"phone":123},"x":[{}]}"#, [Some("a@b.c"), Some("123"), None]),
            (r#"{"customer.phone":"1","a":{"b":{"c":null}}}"#, [None, Some("1"), None]),
            (r#"{"a":{"b":{"c":"\u00e9"}},"customer":"no object"}"#, [None, None, Some("é")]),
            (r#" { "e\u006dail" : "a@b.c" } "#, [Some("a@b.c"), None, None]),
            ("{}", [None, None, None]),
        ] {
            let want: Vec<_> = want.into_iter().map(|text| text.map(str::to_owned)).collect();
            assert_eq!(found(&paths, line), Ok(want), "{line}");
        }
    }

    #[test]
    fn digits_of_a_number_are_kept_however_many_they_are() {
        let want = Some("123456789012345678901234567890".to_owned());
        assert_eq!(found(&["p"], r#"{"p":123456789012345678901234567890}"#), Ok(vec![want]));
    }

    #[test]
    fn what_is_no_row_is_told() {
        for (line, want) in [
            ("[1]", (None, Reason::NotAnObject)),
            ("email", (None, Reason::NotAnObject)),
            (r#"{"p":1"#, (None, Reason::MalformedJson { at: 6 })),
            (r#"{"p":1} 2"#, (None, Reason::MalformedJson { at: 9 })),
            (r#"{"p":1,"p":2}"#, (Some(0), Reason::RepeatedMember)),
            (r#"{"p":1.5e11}"#, (None, Reason::NotAWholeNumber)),
            (r#"{"p":-1}"#, (None, Reason::NotAWholeNumber)),
            (r#"{"p":true}"#, (None, Reason::NeitherTextNorNumber)),
            (r#"{"p":["1"]}"#, (None, Reason::NeitherTextNorNumber)),
            (r#"{"p":"\ud800"}"#, (None, Reason::MalformedJson { at: 8 })),
        ] {
            assert_eq!(found(&["p"], line), Err(want), "{line}");
        }
    }

    #[test]
    fn members_that_hold_values_are_listed_by_their_paths() {
        let mut names = Vec::new();
        list_members(
            r#"{"id":1,"customer":{"email":"a","tags":[],"x":{"y":{"z":1,"deep":{"er":2}}}}}"#,
            &mut names,
        );
        assert_eq!(names, ["customer.email", "customer.x.y.z", "id"]);
    }
}
