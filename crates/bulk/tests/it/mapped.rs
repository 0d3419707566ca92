//! Columns that somebody names.

use selfsame_bulk::{ColumnMap, Format, OpenError, RowReader, Settings};

use crate::read::{all, policy, settings};

fn told(
    map: &str,
    file: &'static str,
    change: impl Fn(Settings<'_>) -> Settings<'_>,
) -> Result<Vec<String>, OpenError> {
    let policy = policy();
    let columns = Some(ColumnMap::parse(map, &policy).unwrap());
    let settings = change(Settings { columns, ..settings(&policy) });
    RowReader::open(file.as_bytes(), settings).map(all)
}

fn no_header(settings: Settings<'_>) -> Settings<'_> {
    Settings { has_header: false, ..settings }
}

#[test]
fn what_is_named_is_read_and_nothing_else() {
    let file = "Kontakt,Email,Tel, privat,Nr\n";
    let file = Box::leak(format!("{file}a@b.c,x,1,2,C7\n").into_boxed_str());
    for (map, want) in [
        ("email=Kontakt", "2: email=a@b.c"),
        ("email=KONTAKT,phone=tel,customerId=Nr", "2: email=a@b.c phone=1 customerId=C7"),
        ("phone=4", "2: phone=2"),
        ("source=Nr,phone=Tel", "2: phone=1 source=C7"),
    ] {
        assert_eq!(told(map, file, |settings| settings).unwrap(), [want], "{map}");
    }
}

#[test]
fn a_header_may_have_a_comma() {
    let file = "\"Mail, privat\",Email\na@b.c,b@b.c\n";
    assert_eq!(told("email=Mail, privat", file, |settings| settings).unwrap(), ["2: email=a@b.c"]);
}

#[test]
fn columns_without_a_header_are_named_by_their_numbers() {
    let file = "Ada;a@b.c;1\nBob;b@b.c;2\n";
    assert_eq!(
        told("email=2,phone=3", file, no_header).unwrap(),
        ["1: email=a@b.c phone=1", "2: email=b@b.c phone=2"]
    );
    assert_eq!(
        told("email=4", file, no_header).unwrap_err().to_string(),
        "the file has no column `4`\nhint: it has `1`, `2`, `3`"
    );
}

#[test]
fn a_header_that_is_not_there_or_stands_twice_is_told() {
    let file = "Email,Phone,Phone\na@b.c,1,2\n";
    let error = |map| told(map, file, |settings| settings).unwrap_err().to_string();
    assert_eq!(error("email=Mail"), "the file has no column `Mail`\nhint: it has `Email`, `Phone`, `Phone`");
    assert_eq!(
        error("phone=phone"),
        "the file has the column `phone` more than once\nhint: say which by its number: [2, 3]"
    );
}

#[test]
fn members_of_objects_are_named_by_their_path() {
    let file = "{\"a\":{\"mail\":\"a@b.c\"},\"ph\":1}\n{\"a.mail\":\"b@b.c\"}\n";
    assert_eq!(
        told("email=a.mail,phone=ph", file, |settings| settings).unwrap(),
        ["1: email=a@b.c phone=1", "2: email=b@b.c"]
    );
    let error = told("email=b.mail", file, |settings| settings).unwrap_err().to_string();
    assert_eq!(error, "the file has no column `b.mail`\nhint: it has `a.mail`, `ph`");
}

#[test]
fn a_map_that_says_nothing_clear_is_refused() {
    let policy = policy();
    for (map, want) in [
        ("", "a column is said as `kind=Header`\nhint: for example `email=E-Mail,phone=Telefon`"),
        ("email=", "a column is said as `kind=Header`\nhint: for example `email=E-Mail,phone=Telefon`"),
        (
            "mail=Mail",
            "`mail` is no kind of the workspace's policy\nhint: there are `email`, `phone`, `customerId`, `observedAt` and `source`",
        ),
        (
            "email=A,email=B",
            "`email` is said twice\nhint: a row has one value of a kind; import the file again with the other column",
        ),
        (
            "observedAt=A",
            "no column of an identifier is said\nhint: for example `email=E-Mail,phone=Telefon`",
        ),
    ] {
        assert_eq!(ColumnMap::parse(map, &policy).unwrap_err().to_string(), want, "{map}");
    }
}

#[test]
fn the_format_that_is_said_counts_more_than_the_name_and_the_name_more_than_the_look() {
    let file = "Email;x\tPhone\na@b.c;y\t1\n";
    let named = |name, format| {
        told("phone=Phone", file, |settings| Settings { file_name: name, format, ..settings }).map_err(|_| ())
    };
    assert_eq!(named(None, None), Err(()), "both delimiters split it in two, and `;` is tried before");
    assert_eq!(named(Some("a.tsv.gz"), None), Ok(vec!["2: phone=1".to_owned()]));
    assert_eq!(named(Some("a.jsonl"), Some(Format::Tsv)), Ok(vec!["2: phone=1".to_owned()]));
    assert_eq!(named(Some("a.jsonl"), None), Err(()));
}
