//! Two customers of very many contacts: shown in pages, merged by a checkout, undone, merged by hand and split, by HTTP.

use std::time::{Duration, Instant};

use selfsame_rules::{Identities, Observation, Timestamp, decide};
use selfsame_service::check::check;
use selfsame_store::{Store, WorkspaceKey};
use serde_json::{Value, json};
use support::backend::observation;
use support::client::Ask;
use support::databases::Databases;
use support::shop::{ADMIN, Shop};
use support::size::{Size, proved};

/// How many contacts the answers to one batch of joins list at most.
const LISTED_MAX: u64 = 50_000;

fn seen(email: u64, phone: u64) -> Observation {
    let sent =
        [("email".to_owned(), format!("person{email}@x.org")), ("phone".to_owned(), phone.to_string())];
    observation(&sent).expect("both are valid")
}

async fn write(store: &dyn Store, seen: Vec<Observation>) {
    let asked = seen.clone();
    let decision =
        Box::new(move |stored: &dyn Identities| decide(stored, &seen, Timestamp::from_milliseconds(1)));
    store.write(WorkspaceKey::DEFAULT, asked, decision).await.expect("there is room");
}

/// One customer of so many contacts, of the numbers from `first` on. Joined in a tree: one after the other, each answer would
/// list all before it.
async fn build(store: &dyn Store, first: u64, contacts: u64) {
    for begin in (0..contacts).step_by(1_000) {
        let numbers = first + begin..first + contacts.min(begin + 1_000);
        write(store, numbers.map(|number| seen(number, number)).collect()).await;
    }
    let mut width = 1;
    while width < contacts {
        let at_once = usize::try_from((LISTED_MAX / (2 * width)).max(1)).expect("few");
        let pairs: Vec<Observation> = (0..contacts - width)
            .step_by(usize::try_from(2 * width).expect("few"))
            .map(|begin| seen(first + begin, first + begin + width))
            .collect();
        for pairs in pairs.chunks(at_once) {
            write(store, pairs.to_vec()).await;
        }
        width *= 2;
    }
}

/// Two customers, and what was done with them.
struct Large {
    shop: Shop,
    contacts: u64,
    /// How long each took.
    took: Vec<(&'static str, Duration)>,
}

impl Large {
    async fn open(databases: &Databases, contacts: u64) -> Self {
        let database = databases.empty().await;
        let store = database.open().await;
        build(&*store, 0, contacts).await;
        build(&*store, contacts, contacts).await;
        store.close().await.expect("it closes");
        Self { shop: Shop::over(database).await, contacts, took: Vec::new() }
    }

    async fn send(&mut self, what: &'static str, path: &str, body: Value) -> Value {
        let (body, begun) = (body.to_string(), Instant::now());
        let reply = self.shop.client.ask(Ask::new("POST", path).key(ADMIN).body(&body)).await;
        self.took.push((what, begun.elapsed()));
        assert_eq!(reply.status, 200, "{what}: {}", reply.text().chars().take(300).collect::<String>());
        reply.json()
    }

    /// The same as a dry run tells before.
    async fn correct(&mut self, what: &'static str, path: &str, body: Value) -> Value {
        let dry = self.send("dry run", &format!("{path}?dryRun=true"), body.clone()).await;
        let done = self.send(what, path, body).await;
        assert_eq!(dry["event"]["outcome"], done["event"]["outcome"], "{what}");
        done
    }

    /// The contacts of whoever owns an address, from all pages.
    async fn pages(&mut self, email: u64) -> Vec<i64> {
        let route = format!("/v1/identities?email=person{email}@x.org&limit=1000");
        let (mut contacts, mut path, mut counted) = (Vec::new(), route.clone(), None);
        loop {
            let begun = Instant::now();
            let page = self.shop.client.ask(Ask::new("GET", &path).key(ADMIN)).await;
            self.took.push(("page", begun.elapsed()));
            assert_eq!(page.status, 200, "{}", page.text());
            let page = page.json();
            let listed = page["contacts"].as_array().expect("a list").iter();
            contacts.extend(listed.map(|contact| contact["id"].as_i64().expect("a number")));
            counted = counted.or(page["contactCount"].as_u64());
            assert_eq!(page["contactCount"].as_u64(), counted, "on each page");
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            path = format!("{route}&cursor={cursor}");
        }
        assert_eq!(u64::try_from(contacts.len()).ok(), counted);
        contacts
    }

    async fn prove(mut self) {
        let contacts = self.contacts;
        let (mut one, other) = (self.pages(0).await, self.pages(contacts).await);
        assert_eq!([one.len(), other.len()].map(|count| u64::try_from(count).ok()), [Some(contacts); 2]);

        // A checkout joins them; the original's answer stays whole.
        let bridge = json!({ "email": "person0@x.org", "phoneNumber": contacts.to_string() });
        let merged = self.send("merge by a checkout", "/identify", bridge).await;
        let secondaries = merged["contact"]["secondaryContactIds"].as_array().expect("a list").len();
        assert_eq!(u64::try_from(secondaries).ok(), Some(2 * contacts - 1));
        let head = self.shop.client.ask(Ask::new("GET", "/v1/workspaces/default").key(ADMIN)).await.json();
        let undo = format!("/v1/events/{}/undo", head["events"]);
        self.correct("undo", &undo, json!({ "reason": "a shared phone" })).await;
        assert_eq!((self.pages(0).await, self.pages(contacts).await), (one.clone(), other.clone()));

        let path = format!("/v1/identities/{}/merge", one[0]);
        let body = json!({ "withContactId": other[0], "reason": "they say so" });
        self.correct("merge by hand", &path, body).await;
        one.extend(&other);
        assert_eq!(self.pages(contacts).await, one);
        let path = format!("/v1/identities/{}/split", one[0]);
        self.correct("split", &path, json!({ "contactIds": other })).await;
        assert_eq!(self.pages(contacts).await, other);

        self.shop.server.drain().await;
        let store = self.shop.database.open().await;
        let report = check(&*store, WorkspaceKey::DEFAULT).await.expect("it can be read");
        assert_eq!((report.faults, report.identities), (Vec::new(), 2));
        store.close().await.expect("it closes");
        let longest = |what| {
            let took = self.took.iter().filter(|(name, _)| *name == what).map(|(_, took)| *took);
            took.max().expect("it was done").as_secs_f64()
        };
        let names = ["page", "merge by a checkout", "undo", "merge by hand", "split"];
        let told = names.map(|name| format!("{name} {:.2} s", longest(name)));
        proved(&format!("two customers of {contacts} contacts: {}", told.join(", ")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_customers_are_shown_merged_undone_and_split_on_sqlite() {
    Large::open(&Databases::Sqlite, Size::of_this_run().pick(2_500, 100_000)).await.prove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn large_customers_are_shown_merged_undone_and_split_on_postgresql() {
    Large::open(&Databases::postgres(), Size::of_this_run().pick(2_500, 100_000)).await.prove().await;
}
