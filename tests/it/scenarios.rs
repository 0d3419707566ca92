//! Every scenario file, against the bare rules, both stores and HTTP over each.

use support::backend::{Backend, Http, Rules, Stored};
use support::databases::Databases;
use support::faulty::{Fault, FaultyStore};
use support::scenario::{Answer, Row, Scenario, Step, all, parse};

#[tokio::test]
async fn the_rules_follow_every_scenario() {
    for scenario in all() {
        follow(&scenario, &mut Rules::given(&given(&scenario))).await.unwrap();
    }
}

#[tokio::test]
async fn the_sqlite_store_follows_every_scenario() {
    check_store(Databases::Sqlite).await;
}

#[tokio::test]
async fn the_postgresql_store_follows_every_scenario() {
    check_store(Databases::postgres()).await;
}

#[tokio::test]
async fn http_over_sqlite_follows_every_scenario_of_emails_and_phones() {
    check_http(Databases::Sqlite).await;
}

#[tokio::test]
async fn http_over_postgresql_follows_every_scenario_of_emails_and_phones() {
    check_http(Databases::postgres()).await;
}

#[tokio::test]
async fn a_store_that_skips_a_relink_fails_a_scenario() {
    let text = "# a merge\n\
        when identify email=a@x.org at=1\n\
        when identify phone=1 at=2\n\
        when identify email=a@x.org phone=1 at=3\n\
        then #1 primary; #2 secondary of #1 updated=3\n";
    let scenario = parse("control", text).remove(0);
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let store = FaultyStore::new(database.open().await, Fault::SkippedRelink);
        let fault = follow(&scenario, &mut Stored::over(store, database)).await.unwrap_err();
        assert!(fault.starts_with("control:5"), "{databases}: {fault}");
    }
}

/// Every scenario, each on an empty database.
pub(crate) async fn check_store(databases: Databases) {
    for scenario in all() {
        follow(&scenario, &mut Stored::given(&databases, &given(&scenario)).await).await.unwrap();
    }
}

/// Every scenario that can be said in HTTP.
async fn check_http(databases: Databases) {
    for scenario in of_emails_and_phones() {
        follow(&scenario, &mut Http::given(&databases, &given(&scenario)).await).await.unwrap();
    }
}

/// Every scenario that can be said in HTTP.
pub(crate) fn of_emails_and_phones() -> Vec<Scenario> {
    let unsayable = |(_, step): &(String, Step)| matches!(step, Step::When { sent, .. } if sent.iter().any(|(kind, _)| kind != "email" && kind != "phone"));
    all().into_iter().filter(|scenario| !scenario.steps.iter().any(unsayable)).collect()
}

pub(crate) fn given(scenario: &Scenario) -> Vec<Row> {
    let steps = scenario.steps.iter();
    steps.filter_map(|(_, step)| if let Step::Given(row) = step { Some(row.clone()) } else { None }).collect()
}

/// Goes through the steps; the place and the difference of the first that doesn't hold.
async fn follow(scenario: &Scenario, backend: &mut impl Backend) -> Result<(), String> {
    let mut answered: Result<Answer, String> = Err("nothing was asked".to_owned());
    let mut event = "none".to_owned();
    for (place, step) in &scenario.steps {
        let difference = match step {
            Step::Given(_) => None,
            Step::When { sent, at } => {
                let before = backend.events().await.len();
                answered = backend.identify(sent, *at).await;
                let made = backend.events().await.split_off(before);
                event = if made.is_empty() { "none".to_owned() } else { made.join(" ") };
                None
            }
            Step::Then(want) => rows_differ(&backend.rows().await, want),
            Step::Answer(want) => (answered.as_ref() != Ok(want)).then(|| format!("{answered:?}")),
            Step::Event(want) => (event != *want).then(|| event.clone()),
            Step::Refused(want) => (answered.as_ref() != Err(want)).then(|| format!("{answered:?}")),
        };
        if let Some(difference) = difference {
            return Err(format!("{place}: «{}»: got {difference}", scenario.name));
        }
    }
    Ok(())
}

fn rows_differ(got: &[Row], want: &[Row]) -> Option<String> {
    let equal = got.len() == want.len()
        && got.iter().zip(want).all(|(got, want)| {
            got.id == want.id
                && got.linked_to == want.linked_to
                && (want.values.is_empty() || got.values == want.values)
                && (want.at.is_none() || got.at == want.at)
                && got.updated == want.updated.or(got.at)
        });
    (!equal).then(|| format!("{got:#?}"))
}
