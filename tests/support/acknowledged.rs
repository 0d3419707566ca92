//! What a server acknowledged, and whether it is still there: the judge of the crash harnesses.
//!
//! An answer promises that its values and contacts are one person. People only ever grow together, so each
//! answer can be judged by itself, whatever was acknowledged after it.

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use hyper::StatusCode;
use selfsame_rules::{Contact, Identifier};
use selfsame_store::{Record, Scan, Store, WorkspaceKey};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::process::command;

/// The customer that a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The primary, then the secondaries.
    pub contacts: Vec<i64>,
    /// E-mail addresses and phone numbers; only the former have an `@`.
    pub values: Vec<String>,
}

impl Answer {
    /// The customer in the body of an answer with status 200; nothing if it is another sort of answer.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let contact = body.get("contact")?;
        let list = |name: &str| contact[name].as_array().cloned().unwrap_or_default();
        let mut contacts = vec![contact["primaryContactId"].as_i64()?];
        contacts.extend(list("secondaryContactIds").iter().filter_map(Value::as_i64));
        let values = list("emails").into_iter().chain(list("phoneNumbers"));
        let values = values.filter_map(|value| value.as_str().map(str::to_owned)).collect();
        Some(Self { contacts, values })
    }

    fn primary(&self) -> i64 {
        self.contacts[0]
    }
}

/// Something that was acknowledged and is not so any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// Nobody has the value.
    Value(String),
    /// No contact has the id.
    Contact(i64),
    /// The answer with this primary named what is now several people.
    Apart(i64),
}

/// What is there: the primary by contact and by value.
#[derive(Debug, Default)]
pub struct Found {
    pub contacts: HashMap<i64, i64>,
    /// Contacts that bear nothing which one before them does not bear: a request that was carried out twice.
    pub doubled: Vec<i64>,
    values: HashMap<String, i64>,
}

impl Found {
    /// What `selfsame export` tells of the database in `folder`, also beside a running server.
    pub fn by_export(folder: &Path) -> Self {
        let mut export = command(folder, &["export"]);
        let mut export = export.stdout(Stdio::piped()).spawn().expect("the program can be started");
        let mut found = Self::default();
        for line in BufReader::new(export.stdout.take().expect("it is piped")).lines() {
            let row: Value = serde_json::from_str(&line.expect("an export is UTF-8")).expect("JSON lines");
            let contact = row["id"].as_i64().expect("every row has an id");
            let values = ["email", "phoneNumber"].into_iter().filter_map(|name| row[name].as_str());
            found.add_row(contact, row["linkedId"].as_i64().unwrap_or(contact), values);
        }
        assert!(export.wait().expect("it is our child").success(), "the export failed");
        found
    }

    /// What a scan of `store` tells.
    pub async fn by_scan(store: &dyn Store) -> Self {
        let (sender, mut records) = mpsc::channel::<Vec<Record>>(4);
        let mut found = Self::default();
        let gather = async {
            while let Some(records) = records.recv().await {
                for record in records {
                    if let Record::Contact(contact) = record {
                        found.add_contact(&contact);
                    }
                }
            }
        };
        let (scanned, ()) = tokio::join!(store.scan(WorkspaceKey::DEFAULT, Scan::Contacts, sender), gather);
        scanned.unwrap_or_else(|error| panic!("{error}"));
        found
    }

    /// What the server at `address` answers when it is asked for every value in `answers`, each by itself.
    ///
    /// A value that was lost becomes a new contact by that: look in another way first. Nobody else may
    /// change the same people meanwhile.
    pub async fn by_asking(address: SocketAddr, answers: &[Answer]) -> Self {
        let values: BTreeSet<&String> = answers.iter().flat_map(|answer| &answer.values).collect();
        let values: Vec<String> = values.into_iter().cloned().collect();
        let mut asking = JoinSet::new();
        for values in values.chunks(values.len().div_ceil(8).max(1)) {
            asking.spawn(ask(address, values.to_vec()));
        }
        let mut found = Self::default();
        let mut people: HashMap<i64, Answer> = HashMap::new();
        for (value, answer) in asking.join_all().await.into_iter().flatten() {
            assert!(answer.values.contains(&value), "asked for {value}, the server left it out: {answer:?}");
            for contact in &answer.contacts {
                found.add(*contact, answer.primary(), []);
            }
            found.values.insert(value, answer.primary());
            let known = people.entry(answer.primary()).or_insert_with(|| answer.clone());
            assert_eq!(*known, answer, "one person, answered in two ways");
        }
        found
    }

    /// What `answers` promised and isn't there.
    pub fn losses(&self, answers: &[Answer]) -> BTreeSet<Loss> {
        let mut losses = BTreeSet::new();
        for answer in answers {
            let mut primaries = BTreeSet::new();
            for contact in &answer.contacts {
                match self.contacts.get(contact) {
                    Some(primary) => drop(primaries.insert(*primary)),
                    None => drop(losses.insert(Loss::Contact(*contact))),
                }
            }
            for value in &answer.values {
                match self.values.get(value) {
                    Some(primary) => drop(primaries.insert(*primary)),
                    None => drop(losses.insert(Loss::Value(value.clone()))),
                }
            }
            if primaries.len() > 1 {
                losses.insert(Loss::Apart(answer.primary()));
            }
        }
        losses
    }

    /// Adds the next row in the order of ids, which is that of their making.
    fn add_row<'value>(
        &mut self,
        contact: i64,
        primary: i64,
        values: impl Iterator<Item = &'value str> + Clone,
    ) {
        if values.clone().all(|value| self.values.contains_key(value)) {
            self.doubled.push(contact);
        }
        self.add(contact, primary, values);
    }

    fn add_contact(&mut self, contact: &Contact) {
        let values = contact.identifiers.iter().map(Identifier::value);
        self.add(contact.id.0, contact.primary().0, values);
    }

    fn add<'value>(&mut self, contact: i64, primary: i64, values: impl IntoIterator<Item = &'value str>) {
        self.contacts.insert(contact, primary);
        self.values.extend(values.into_iter().map(|value| (value.to_owned(), primary)));
    }
}

async fn ask(address: SocketAddr, values: Vec<String>) -> Vec<(String, Answer)> {
    let mut client = Client::connect(address).await.expect("the server accepts connections");
    let mut answers = Vec::with_capacity(values.len());
    for value in values {
        let (email, phone) = if value.contains('@') { (Some(&value), None) } else { (None, Some(&value)) };
        let reply = client.identify(email.map(String::as_str), phone.map(String::as_str)).await;
        let reply = reply.expect("the server answers");
        assert_eq!(reply.status, StatusCode::OK, "asked for somebody known: {}", reply.text());
        let answer = Answer::parse(&reply.body).expect("200 comes with a customer");
        answers.push((value, answer));
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(contacts: &[i64], values: &[&str]) -> Answer {
        Answer { contacts: contacts.into(), values: values.iter().map(|value| (*value).to_owned()).collect() }
    }

    fn found(rows: &[(i64, i64, &[&str])]) -> Found {
        let mut found = Found::default();
        for (contact, primary, values) in rows {
            found.add(*contact, *primary, values.iter().copied());
        }
        found
    }

    #[test]
    fn an_answer_that_grew_since_is_not_lost() {
        let found = found(&[(1, 1, &["a@x.y", "1"]), (2, 1, &["b@x.y", "1"])]);
        assert_eq!(found.losses(&[answer(&[2], &["b@x.y"])]), BTreeSet::new());
    }

    #[test]
    fn a_value_or_a_contact_that_is_gone_is_lost() {
        let found = found(&[(1, 1, &["a@x.y"])]);
        let lost = found.losses(&[answer(&[1, 2], &["a@x.y", "2"])]);
        assert_eq!(lost, BTreeSet::from([Loss::Contact(2), Loss::Value("2".to_owned())]));
    }

    #[test]
    fn a_contact_that_brings_nothing_new_is_doubled() {
        let mut found = Found::default();
        for (contact, values) in [(1, ["a@x.y", "1"]), (2, ["b@x.y", "1"]), (3, ["b@x.y", "1"])] {
            found.add_row(contact, 1, values.into_iter());
        }
        assert_eq!(found.doubled, [3]);
    }

    #[test]
    fn an_answer_that_became_two_people_is_lost() {
        let found = found(&[(1, 1, &["a@x.y"]), (2, 2, &["2"])]);
        let lost = found.losses(&[answer(&[1, 2], &["a@x.y", "2"])]);
        assert_eq!(lost, BTreeSet::from([Loss::Apart(1)]));
    }
}
