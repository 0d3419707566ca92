//! People by number: a store filled with any count of them, and their values without looking them up.

use selfsame_rules::{Actor, IdentifierKind, Identities, Observation, SeenIdentifier, Timestamp, decide};
use selfsame_store::{Store, WorkspaceKey};

/// How many people are one transaction.
const BATCH_PEOPLE: u64 = 10_000;

/// When the first batch came; the next one came as many milliseconds later as it has people.
const FIRST_AT_MS: i64 = 1_700_000_000_000;

/// The e-mail address of a person.
pub fn email(person: u64) -> String {
    format!("person{person}@shop{}.example", person % 97)
}

/// The phone number of a person.
pub fn phone(person: u64) -> String {
    format!("+44{person:09}")
}

/// Lets the people from 0 to just below `people` identify themselves in `store`, which is empty: person `n`
/// becomes contact `n + 1`.
pub async fn fill(store: &dyn Store, people: u64) {
    let mut first = 0;
    while first < people {
        let next = people.min(first + BATCH_PEOPLE);
        let batch: Vec<Observation> = (first..next).map(observation).collect();
        let at = Timestamp::from_milliseconds(FIRST_AT_MS + i64::try_from(first).expect("people are few"));
        let asked = batch.clone();
        let decision = Box::new(move |identities: &dyn Identities| decide(identities, &batch, at));
        let plan = store.write(WorkspaceKey::DEFAULT, asked, decision).await;
        let plan = plan.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plan.events.len() as u64, next - first, "the store was not empty");
        first = next;
    }
}

fn observation(person: u64) -> Observation {
    let seen = |kind, text: &str| SeenIdentifier::parse(&kind, text).expect("it is valid");
    let email = seen(IdentifierKind::Email, &email(person));
    let phone = seen(IdentifierKind::Phone, &phone(person));
    Observation::new(Actor::named("fill"), email.into_iter().chain(phone)).expect("one of each kind")
}
