//! Real-looking people that nobody here invented (`shared/data`), sent through `POST /identify`.
//!
//! What must hold is said in its README: who shares a canonical value is joined, nobody else is, and broken
//! values are refused. How a value becomes canonical and who shares one is worked out here once more, in a few
//! plain lines, so that the product isn't judged by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use support::backend::answer_of;
use support::server::{ServerOptions, TestServer, sqlite_store};
use support::size::proved;

/// A record as its file has it, and the cluster that its authors put it in.
struct Person {
    email: String,
    phone: String,
    cluster: String,
}

fn data(file: &str) -> Vec<BTreeMap<String, String>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let mut reader =
        csv::Reader::from_path(folder.join(file)).expect("shared/data stands beside the repository");
    reader.deserialize().map(|record| record.expect("a CSV record")).collect()
}

fn splink() -> Vec<Person> {
    let field = |record: &BTreeMap<String, String>, name: &str| record[name].clone();
    data("splink-fake-1000.csv")
        .iter()
        .map(|record| Person {
            email: field(record, "email"),
            phone: String::new(),
            cluster: field(record, "cluster"),
        })
        .collect()
}

fn senzing() -> Vec<Person> {
    let key: BTreeMap<_, _> = data("senzing-actual_truthset_key.csv")
        .into_iter()
        .map(|record| {
            ((record["DATA_SOURCE"].clone(), record["RECORD_ID"].clone()), record["CLUSTER_ID"].clone())
        })
        .collect();
    let field = |record: &BTreeMap<String, String>, name: &str| record.get(name).cloned().unwrap_or_default();
    ["senzing-customers.csv", "senzing-reference.csv", "senzing-watchlist.csv"]
        .iter()
        .flat_map(|file| data(file))
        .map(|record| Person {
            email: field(&record, "EMAIL_ADDRESS"),
            phone: field(&record, "PHONE_NUMBER"),
            cluster: key[&(field(&record, "DATA_SOURCE"), field(&record, "RECORD_ID"))].clone(),
        })
        .collect()
}

/// The canonical values of a record of these files, or nothing if it must be refused.
fn canonical(person: &Person) -> Option<Vec<String>> {
    let email = person.email.trim().to_lowercase();
    let phone: String = person.phone.chars().filter(|character| !" .-()[]/".contains(*character)).collect();
    let mut values = Vec::new();
    if !email.is_empty() {
        let [local, domain] = email.split('@').collect::<Vec<_>>()[..] else { return None };
        let labels: Vec<_> = domain.split('.').collect();
        let sound = !local.is_empty()
            && labels.len() > 1
            && labels.iter().all(|label| !label.is_empty())
            && !email.contains(char::is_whitespace);
        sound.then(|| values.push(email.clone()))?;
    }
    if !phone.is_empty() {
        let digits = phone.strip_prefix('+').unwrap_or(&phone);
        let sound = (1..=32).contains(&digits.len()) && digits.chars().all(|digit| digit.is_ascii_digit());
        sound.then(|| values.push(phone.clone()))?;
    }
    (!values.is_empty()).then_some(values)
}

/// For each record the smallest record that it is joined with, through whoever shares a value with whom.
fn components(values: &[Option<Vec<String>>]) -> Vec<Option<usize>> {
    let mut component: Vec<_> =
        values.iter().enumerate().map(|(number, values)| values.as_ref().map(|_| number)).collect();
    loop {
        let mut changed = false;
        for left in 0..values.len() {
            for right in 0..left {
                let (Some(one), Some(other)) = (&values[left], &values[right]) else { continue };
                if component[left] != component[right] && one.iter().any(|value| other.contains(value)) {
                    let joined = component[left].min(component[right]);
                    (component[left], component[right]) = (joined, joined);
                    changed = true;
                }
            }
        }
        if !changed {
            return component;
        }
    }
}

/// Pairs of records with the same label.
fn pairs<T: PartialEq>(labels: &[Option<T>]) -> BTreeSet<(usize, usize)> {
    let mut pairs = BTreeSet::new();
    for left in 0..labels.len() {
        for right in 0..left {
            if labels[left].is_some() && labels[left] == labels[right] {
                pairs.insert((right, left));
            }
        }
    }
    pairs
}

/// Sends all people, asks for each of them again, and compares with the components worked out here.
async fn judge(name: &str, people: &[Person]) {
    let (_folder, store) = sqlite_store();
    let server = TestServer::start(store, ServerOptions::default()).await;
    let mut client = server.client().await;
    let values: Vec<_> = people.iter().map(canonical).collect();
    for (person, values) in people.iter().zip(&values) {
        let reply = client.identify(Some(&person.email), Some(&person.phone)).await.expect("an answer");
        assert_eq!(reply.status, if values.is_some() { 200 } else { 400 }, "{}", reply.text());
    }
    let mut primaries = Vec::new();
    for (person, values) in people.iter().zip(&values) {
        let reply = client.identify(Some(&person.email), Some(&person.phone)).await.expect("an answer");
        primaries.push(values.as_ref().map(|values| {
            let answer = answer_of(&reply.json());
            let shown: Vec<_> = answer.emails.iter().chain(&answer.phones).collect();
            assert!(values.iter().all(|value| shown.contains(&value)), "an answer holds what was asked for");
            answer.primary
        }));
    }
    server.drain().await;

    let joined = pairs(&primaries);
    assert_eq!(joined, pairs(&components(&values)), "joined are exactly those who share a value");
    let truth = pairs(&people.iter().map(|person| Some(&person.cluster)).collect::<Vec<_>>());
    let right = joined.intersection(&truth).count();
    let refused = values.iter().filter(|values| values.is_none()).count();
    assert!(right > 0 && refused > 0, "the data has pairs to find and values to refuse");
    let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole as f64;
    proved(&format!(
        "{name}: {} records, {refused} refused, {} pairs joined; precision {:.1} %, recall {:.1} % of the key's {} pairs",
        people.len(),
        joined.len(),
        percent(right, joined.len()),
        percent(right, truth.len()),
        truth.len()
    ));
}

#[tokio::test]
async fn splinks_people_are_joined_exactly_where_they_share_a_value() {
    judge("splink-fake-1000", &splink()).await;
}

#[tokio::test]
async fn senzings_customers_are_joined_exactly_where_they_share_a_value() {
    judge("senzing truth set", &senzing()).await;
}

#[test]
fn a_join_too_many_or_too_few_is_seen() {
    let values = [
        Some(vec!["a".to_owned()]),
        Some(vec!["a".to_owned(), "b".to_owned()]),
        Some(vec!["b".to_owned()]),
        None,
    ];
    assert_eq!(components(&values), [Some(0), Some(0), Some(0), None]);
    assert_ne!(pairs(&[Some(1), Some(1), Some(1), None]), pairs(&[Some(1), Some(1), Some(2), None]));
    assert_eq!(pairs(&[Some(1), Some(1), Some(2), None]), BTreeSet::from([(0, 1)]));
}
