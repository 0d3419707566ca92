//! A batch means what its lines mean one by one: over both stores, for every scenario and for random histories.

use std::collections::BTreeMap;
use std::sync::Arc;

use selfsame_service::EngineSettings;
use selfsame_service::check::check;
use selfsame_store::WorkspaceKey;
use serde_json::json;
use support::backend::{Backend, Http, answer_of, answer_or_code, rows_of};
use support::client::Client;
use support::clock::ManualClock;
use support::databases::Databases;
use support::judge::Operation;
use support::linearizability::linearizable;
use support::model::{Model, ModelAnswer};
use support::random::Random;
use support::recorder::{Recorder, Sent};
use support::scenario::{Answer, Scenario, Step};
use support::server::{ServerOptions, TestServer, sqlite_store};
use support::size::{Size, proved};

use crate::histories::model_rows;
use crate::scenarios::{given, of_emails_and_phones};

/// Every observation of a scenario, and the clock at the last.
fn sent(scenario: &Scenario) -> (Vec<&[(String, String)]>, i64) {
    let (mut all, mut clock) = (Vec::new(), 0);
    for (_, step) in &scenario.steps {
        if let Step::When { sent, at } = step {
            all.push(sent.as_slice());
            clock = clock.max(*at);
        }
    }
    (all, clock)
}

/// What the scenario says about each answer that it says something about, by the place of its observation.
fn wanted(scenario: &Scenario) -> BTreeMap<usize, Result<Answer, String>> {
    let (mut wanted, mut count) = (BTreeMap::new(), 0_usize);
    for (_, step) in &scenario.steps {
        match step {
            Step::When { .. } => count += 1,
            Step::Answer(answer) => drop(wanted.insert(count - 1, Ok(answer.clone()))),
            Step::Refused(code) => drop(wanted.insert(count - 1, Err(code.clone()))),
            Step::Given(_) | Step::Then(_) | Step::Event(_) => {}
        }
    }
    wanted
}

/// Each scenario as one body, and its observations one by one at the same time: all must be equal.
async fn check_scenarios(databases: Databases) {
    let mut told = 0;
    for scenario in of_emails_and_phones() {
        let (sent, clock) = sent(&scenario);
        let mut single = Http::given(&databases, &given(&scenario)).await;
        let mut want = Vec::new();
        for sent in &sent {
            want.push(single.identify(sent, clock).await);
        }
        let (want_rows, want_events) = (single.rows().await, single.events().await);
        drop(single);

        let mut batch = Http::given(&databases, &given(&scenario)).await;
        let got = batch.identify_all(&sent, clock).await;
        assert_eq!(got, want, "{databases}: {}", scenario.name);
        assert_eq!(batch.rows().await, want_rows, "{databases}: {}", scenario.name);
        assert_eq!(batch.events().await, want_events, "{databases}: {}", scenario.name);
        for (place, want) in wanted(&scenario) {
            assert_eq!(got[place], want, "{databases}: {}, observation {place}", scenario.name);
            told += 1;
        }
    }
    assert!(told > 30, "{told}: scenarios say what is answered");
}

#[tokio::test]
async fn every_scenario_as_one_body_over_sqlite_is_answered_as_one_by_one() {
    check_scenarios(Databases::Sqlite).await;
}

#[tokio::test]
async fn every_scenario_as_one_body_over_postgresql_is_answered_as_one_by_one() {
    check_scenarios(Databases::postgres()).await;
}

/// A line of a random body, and the observation that it holds, if it is a good one.
fn line(random: &mut Random, people: u64) -> (String, Option<Sent>) {
    if random.once_in(12) {
        let bad = ["{", "[]", "{}", "7", r#"{"email":"nobody"}"#, r#"{"email":7}"#, r#"{"phoneNumber":"x"}"#];
        let bad = bad[usize::try_from(random.below(7)).expect("it is small")];
        return (bad.to_owned(), None);
    }
    let sent = Sent::random(random, people, people);
    let json = json!({ "email": sent.email, "phoneNumber": sent.phone }).to_string();
    (if random.once_in(3) { format!(" {json}\t") } else { json }, Some(sent))
}

fn as_answer(answer: &ModelAnswer) -> Answer {
    let values = |wanted: &str| {
        let values = answer.values.iter().filter(|(kind, _)| kind == wanted);
        values.map(|(_, value)| value.clone()).collect()
    };
    Answer {
        primary: answer.primary,
        emails: values("email"),
        phones: values("phone"),
        secondaries: answer.secondaries.clone(),
    }
}

fn model_answer(model: &mut Model, sent: &Sent, clock: i64) -> Answer {
    let email = sent.email.as_deref().map(|email| ("email", email));
    let phone = sent.phone.as_deref().map(|phone| ("phone", phone));
    let seen: Vec<_> = email.into_iter().chain(phone).collect();
    as_answer(&model.identify(&seen, clock).0)
}

/// Random histories, cut into bodies and jobs anywhere, equal the model's; bad and blank lines change nothing.
async fn check_histories(databases: Databases, histories: u64) {
    let mut random = Random::of_this_run();
    let mut lines = 0;
    for number in 0..histories {
        let database = databases.empty().await;
        let store = database.open().await;
        let clock = ManualClock::new();
        let batch_observations_max = usize::try_from(1 + random.below(40)).expect("it is small");
        let options = ServerOptions {
            clock: Arc::<ManualClock>::clone(&clock),
            engine: EngineSettings { batch_observations_max, ..EngineSettings::default() },
            ..ServerOptions::default()
        };
        let server = TestServer::start(Arc::clone(&store), options).await;
        let mut client = server.client().await;
        let (mut model, people) = (Model::new(), 3 + random.below(30));
        for _ in 0..1 + random.below(10) {
            let at = i64::try_from(random.below(1_000)).expect("it is small");
            clock.set(at);
            let (mut body, mut want, mut place) = (String::new(), Vec::new(), 0_u64);
            for _ in 0..1 + random.below(60) {
                while random.once_in(10) {
                    body += ["\n", "\r\n", " \t\n"][usize::try_from(random.below(3)).expect("it is small")];
                    place += 1;
                }
                let (line, sent) = line(&mut random, people);
                body += &line;
                body += if random.once_in(2) { "\n" } else { "\r\n" };
                place += 1;
                want.push((place, sent.map(|sent| model_answer(&mut model, &sent, at))));
            }
            if random.once_in(3) {
                body.truncate(body.trim_end().len());
            }
            let reply = client.post_batch(body).await.expect("an answer");
            assert_eq!(reply.status, 200, "{}", reply.text());
            let got = reply.json_lines();
            assert_eq!(got.len(), want.len());
            for (got, (place, want)) in got.iter().zip(&want) {
                assert_eq!(answer_or_code(got).ok(), *want, "{databases}: history {number}, line {place}");
                assert!(want.is_some() || got["line"] == *place, "{got} is of line {place}");
            }
            lines += want.len();
        }
        assert_eq!(rows_of(&*store).await, model_rows(&model), "{databases}: history {number}");
        drop(client);
        server.drain().await;
    }
    proved(&format!(
        "{databases}: {histories} random histories ({lines} lines) in batches over HTTP equal the reference model"
    ));
}

#[tokio::test]
async fn random_histories_in_batches_over_sqlite_agree_with_the_reference_model() {
    check_histories(Databases::Sqlite, Size::of_this_run().pick(40, 1_000)).await;
}

#[tokio::test]
async fn random_histories_in_batches_over_postgresql_agree_with_the_reference_model() {
    check_histories(Databases::postgres(), Size::of_this_run().pick(20, 500)).await;
}

/// Sends bodies of a few lines; each line is an operation that took as long as its body.
async fn record_batches(
    mut client: Client,
    number: usize,
    bodies: Vec<Vec<Sent>>,
    recorder: &Recorder,
) -> Vec<Operation> {
    let mut history = Vec::new();
    for body in bodies {
        let lines = body.iter().map(|sent| json!({ "email": sent.email, "phoneNumber": sent.phone }));
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        let started = recorder.tick();
        let reply = client.post_batch(lines).await.expect("an answer");
        let ended = recorder.tick();
        for (place, (sent, line)) in body.into_iter().zip(reply.json_lines()).enumerate() {
            let Answer { primary, emails, phones, secondaries } = answer_of(&line);
            history.push(Operation {
                // Those of one body overlap, as no operations of one client do.
                client: number * 100 + place,
                started,
                ended: Some(ended),
                email: sent.email,
                phone: sent.phone,
                answer: Some(support::judge::Answer { primary, emails, phones, secondaries }),
            });
        }
    }
    history
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_beside_single_requests_are_linearizable() {
    let mut random = Random::of_this_run();
    for _ in 0..Size::of_this_run().pick(10, 200) {
        let (_folder, store) = sqlite_store();
        let server = TestServer::start(
            Arc::<selfsame_store_sqlite::SqliteStore>::clone(&store),
            ServerOptions::default(),
        )
        .await;
        let recorder = Arc::new(Recorder::new([server.address]));
        let mut batches = tokio::task::JoinSet::new();
        for number in 1..=3 {
            let mut body = || (0..4).map(|_| Sent::random(&mut random, 12, 4)).collect::<Vec<_>>();
            let bodies = (0..4).map(|_| body()).collect();
            let (client, recorder) = (server.client().await, Arc::clone(&recorder));
            batches.spawn(async move { record_batches(client, number, bodies, &recorder).await });
        }
        let mut operations = || (0..6).map(|_| Sent::random(&mut random, 12, 4)).collect::<Vec<_>>();
        let singles = (0..4).map(|_| operations()).collect();
        let mut history = recorder.record(singles).await;
        history.extend(batches.join_all().await.into_iter().flatten());
        linearizable(&history).unwrap_or_else(|violation| panic!("{violation:?}"));
        let report = check(&*store, WorkspaceKey::DEFAULT).await.expect("the store can be read");
        assert_eq!(report.faults, Vec::<String>::new());
        server.drain().await;
    }
}
