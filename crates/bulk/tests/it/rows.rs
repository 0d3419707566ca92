//! What rows say.

use selfsame_bulk::{RowReader, Settings};
use selfsame_rules::{Actor, IdentifierKind, Observation, Origin, Policy, PolicyDocument, Timestamp};

use crate::read::{all, open, policy, settings, told};

#[test]
fn a_row_is_what_the_same_values_are_when_they_are_sent() {
    fn british(_: &str, digits: &str) -> Option<String> {
        Some(format!("+44{}", digits.strip_prefix('0')?))
    }
    let document =
        PolicyDocument { exact_email: true, default_region: Some("GB".into()), ..PolicyDocument::default() };
    let policy = Policy::read(&document).unwrap();
    let actor = Actor::named("test");
    let file = "Email,Phone,Created at,Source\n Doc@Hill.edu ,020 7946,2026-01-31 12:00:00,checkout\n";
    let settings = Settings::new(&policy, british, actor.clone());
    let row = RowReader::open(file.as_bytes(), settings).unwrap().next().unwrap().unwrap();

    let sent = [(IdentifierKind::Email, " Doc@Hill.edu "), (IdentifierKind::Phone, "020 7946")];
    let seen = sent.map(|(kind, text)| policy.parse(&kind, text, british).unwrap().unwrap());
    let origin = Origin {
        observed_at: Some(Timestamp::from_milliseconds(1_769_860_800_000)),
        source: Some("checkout".into()),
        imported: false,
    };
    let sent = Observation::new(actor, seen).unwrap().with_origin(origin).read_by(policy.spelling(british));
    assert_eq!(row.outcome.unwrap(), sent);
}

#[test]
fn lines_are_counted_as_an_editor_shows_them() {
    let file = "\u{feff}Email,Note\r\n\r\n\"a@b.c\",\"two\r\nlines\"\r\n,,\r\n , \r\nb@b.c,x\r\nc@b.c,\"y\"";
    let mut rows = open(file).unwrap();
    let lines: Vec<_> = rows.by_ref().map(|row| row.unwrap().line).collect();
    assert_eq!(lines, [3, 7, 8], "{:?}", told(file));
    assert_eq!((rows.progress().rows, rows.progress().blank), (3, 3));
    assert_eq!(rows.progress().bytes, u64::try_from(file.len()).unwrap());
}

#[test]
fn what_stands_for_nothing_is_nothing() {
    let file = "Email,Phone,customer_id\na@b.c,NULL,n/a\n\\N,12,-\nNone,null,NaN\n";
    assert_eq!(
        told(file),
        [
            "2: email=a@b.c",
            "3: phone=12",
            "4: there is nothing to identify: each column of an identifier is blank",
        ]
    );
}

#[test]
fn what_cannot_be_used_is_told_with_its_column_and_never_with_its_value() {
    let file = "Email,Phone,customerId,Created at\n\
        a@b.c,1.23457E+11,7,\nsecret,1,,\na@b.c,7029191300.0,,\na@b.c,#N/A,,\na@b.c,,#REF!,\na@b.c,call secret,,\n\
        a@b.c,,1.5E+10,\na@b.c,1,2\na@b.c,1,2,2026-01-31,secret\na@b.c,1,2,secret\n";
    let told = told(file);
    assert_eq!(
        told,
        [
            "2: Phone: a spreadsheet has shortened the number (1.2E+11), and its digits are lost; format the column as text and export it again",
            "3: Email: the value can't be used: it has no `@`",
            "4: Phone: it ends in `.0`, as if it were an amount; export the column as text",
            "5: Phone: it is the error of a spreadsheet's formula, not a value; export the values",
            "6: customerId: it is the error of a spreadsheet's formula, not a value; export the values",
            "7: Phone: the value can't be used: it has a character that is no digit, separator or leading `+`",
            "8: customerId: a spreadsheet has shortened the number (1.2E+11), and its digits are lost; format the column as text and export it again",
            "9: the row has 3 fields and the header 4; a quote, a delimiter or a line break may be in the wrong place",
            "10: the row has 5 fields and the header 4; a quote, a delimiter or a line break may be in the wrong place",
            "11: email=a@b.c phone=1 customerId=2",
        ],
        "a column of times that can't be read is not guessed"
    );
    assert!(!told.iter().any(|told| told.contains("secret")));
}

#[test]
fn a_guise_for_spreadsheets_is_taken_off() {
    let file = "Email,Phone\na@b.c,\"=\"\"0151 23\"\"\"\nb@b.c,'+49 151\n";
    assert_eq!(told(file), ["2: email=a@b.c phone=015123", "3: email=b@b.c phone=+49151"]);
}

#[test]
fn only_what_is_read_must_be_utf_8() {
    let file = b"Email,Pr\xe9nom,Phone\na@b.c,Andr\xe9,1\nb\xe9@b.c,x,2\n";
    assert_eq!(
        told(file),
        [
            "2: email=a@b.c phone=1",
            "3: Email: it is not UTF-8; save the file as UTF-8 (in Excel: `CSV UTF-8`)",
        ]
    );
}

#[test]
fn objects_on_lines_are_rows_too() {
    let file = "{\"customer\":{\"email\":\"A@b.c\",\"phone\":4915123},\"created_at\":1700000000,\"customerId\":7}\n\n\
        {\"customer\":{\"email\":null}}\n{\"customer\":\n[1]\n{\"customer\":{\"email\":true}}\n\
        {\"customer\":{\"email\":\"b@b.c\",\"email\":\"c@b.c\"}}\n{\"customer\":{\"phone\":1.5e3}}";
    assert_eq!(
        told(file),
        [
            "1: email=a@b.c phone=4915123 customerId=7 at=1700000000000",
            "3: there is nothing to identify: each column of an identifier is blank",
            "4: it is not valid JSON (at character 12)",
            "5: it is not a JSON object; write one object on each line",
            "6: customer.email: it is neither a text nor a whole number",
            "7: customer.email: the member stands there twice",
            "8: customer.phone: it is a number with a sign, a fraction or an exponent, whose digits may be lost; write it as a text",
        ]
    );
}

#[test]
fn the_source_that_is_said_is_that_of_rows_without_one() {
    let policy = policy();
    let settings = Settings { source: Some("old shop"), ..settings(&policy) };
    let file = "Email,Source\na@b.c,fair\nb@b.c,\n".as_bytes();
    let rows = RowReader::open(file, settings).unwrap();
    assert_eq!(all(rows), ["2: email=a@b.c source=fair", "3: email=b@b.c source=old shop"]);
}

#[test]
fn dates_are_read_in_the_order_that_the_first_rows_tell() {
    let day_first = "Email,Order date\na@b.c,1/2/2024\nb@b.c,31/1/2024\nc@b.c,1/31/2024\n";
    let mut rows = open(day_first.replace("c@b.c,1/31/2024\n", "")).unwrap();
    assert_eq!(rows.columns().read.len(), 2);
    let told: Vec<_> = rows.by_ref().map(|row| crate::read::row_told(&row.unwrap())).collect();
    assert_eq!(told, ["2: email=a@b.c at=1706745600000", "3: email=b@b.c at=1706659200000"]);
    assert_eq!(rows.dates().order(), Some(selfsame_bulk::DateOrder::DayFirst));

    let contradicting = open(day_first).unwrap();
    assert_eq!(contradicting.columns().read.len(), 1, "its dates contradict each other");
    assert_eq!(&*contradicting.columns().unread_times[0].0, "Order date");
}
