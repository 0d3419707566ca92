//! A refold under a policy that spells values otherwise, by HTTP and by the program, on both stores: what were two customers is
//! one, as the preview told, and everything that people do afterwards goes by the new spelling.

use serde_json::{Value, json};
use support::client::{Ask, Client};
use support::home::Home;
use support::process::{ServerProcess, command, run};
use support::traces_of::{files_beneath, traces_of};

use crate::backup::{done, told};

/// One number as it is dialled in its country, and from anywhere.
const SENT: [&str; 2] = ["020 7946 0018", "+44 20 7946 0018"];

/// What stands for it: before the refold, and since.
const CANONICAL: [&str; 2] = ["02079460018", "+442079460018"];

const OF_ADA: &str = "Ada@Spelling.example";

struct Shop {
    home: Home,
    server: ServerProcess,
    client: Client,
}

impl Shop {
    async fn open(home: Home) -> Self {
        let server = ServerProcess::start(home.path());
        let client = Client::connect(server.address).await.expect("it listens");
        Self { home, server, client }
    }

    async fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut ask = Ask::new(method, path);
        if !body.is_empty() {
            ask = ask.body(&body);
        }
        let reply = self.client.ask(ask).await;
        (reply.status.as_u16(), reply.json())
    }

    async fn done(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    async fn get(&mut self, path: &str) -> Value {
        self.done("GET", path, &Value::Null).await
    }

    /// Observes identifiers, each with its kind; the answer.
    async fn saw(&mut self, identifiers: &[(&str, &str)]) -> Value {
        let seen = identifiers.iter().map(|(kind, value)| json!({ "kind": kind, "value": value }));
        let body = json!({ "identifiers": seen.collect::<Vec<_>>() });
        self.done("POST", "/v1/observations", &body).await
    }

    async fn events(&mut self) -> Vec<Value> {
        self.get("/v1/events?limit=1000").await["events"].as_array().expect("a list").clone()
    }

    /// Runs `check`, beside the server.
    fn is_sound(&self) {
        done(self.home.path(), &["check"]);
    }
}

/// What an answer says of what happens; not who did it, nor when.
fn what(answer: &Value) -> Value {
    let mut what = answer.clone();
    let event = what["event"].as_object_mut().expect("there is an event");
    event.remove("causedBy");
    event.remove("at");
    what
}

fn contacts(identity: &Value) -> Vec<i64> {
    let contacts = identity["contacts"].as_array().expect("a list");
    contacts.iter().map(|contact| contact["id"].as_i64().expect("a number")).collect()
}

fn british() -> Value {
    json!({ "defaultRegion": "GB" })
}

fn by_phone(number: &str, at: &str) -> String {
    format!("/v1/identities?phone={}{at}", number.replace('+', "%2B").replace(' ', "%20"))
}

/// Two customers of one number, and a household of the second; the refold makes the two one. The shop, and the refold.
async fn refolded(home: Home) -> (Shop, Value) {
    let mut shop = Shop::open(home).await;
    assert_eq!(shop.saw(&[("email", OF_ADA), ("phone", SENT[0])]).await["outcome"], "created");
    assert_eq!(shop.saw(&[("phone", SENT[1])]).await["outcome"], "created");
    assert_eq!(
        shop.saw(&[("email", "bob@spelling.example"), ("phone", SENT[1])]).await["outcome"],
        "attached"
    );
    assert_eq!(shop.saw(&[("email", "cleo@spelling.example"), ("phone", "1")]).await["outcome"], "created");

    for path in ["/v1/policy", "/v1/policy?refold=true"] {
        let (status, refused) = shop.ask("PUT", path, &json!({ "defaultRegion": "UK" })).await;
        assert_eq!((status, &refused["code"]), (400, &json!("invalid_policy")), "{refused}");
    }
    let (status, refused) = shop.ask("PUT", "/v1/policy", &british()).await;
    assert_eq!((status, &refused["code"]), (409, &json!("spelt_otherwise")), "{refused}");
    std::fs::write(shop.home.path().join("policy.json"), british().to_string()).unwrap();
    let preview = shop.done("POST", "/v1/policy/preview", &british()).await;
    let mut previewed = command(shop.home.path(), &["policy", "preview", "policy.json", "--json"]);
    if let Some(url) = shop.home.url() {
        previewed.env("DATABASE_URL", url);
    }
    let previewed = previewed.output().unwrap();
    let previewed: Value = serde_json::from_slice(&previewed.stdout).expect("it is JSON");
    assert_eq!(what(&previewed), what(&preview), "the program tells what the server does");
    assert_eq!(shop.events().await.len(), 4, "a preview changes nothing");

    let set = shop.done("PUT", "/v1/policy?refold=true", &british()).await;
    assert_eq!(what(&set), what(&preview));
    assert_eq!(set["refolding"]["respeltContacts"], json!([1]), "{set}");
    let outcome = &set["event"]["outcome"];
    let spelt = json!([{ "contactId": 1, "identifiers": [
        { "kind": "email", "value": OF_ADA.to_lowercase() }, { "kind": "phone", "value": CANONICAL[1] },
    ] }]);
    assert_eq!(outcome["respelt"], spelt);
    assert_eq!(outcome["moves"], json!([{ "join": 2, "to": 1 }]));
    shop.is_sound();
    (shop, set["event"].clone())
}

async fn tell(home: Home) -> Shop {
    let (mut shop, refold) = refolded(home).await;
    // Both spellings are of one customer, and are no news to anybody.
    for number in SENT {
        let ada = shop.get(&by_phone(number, "")).await;
        assert_eq!(contacts(&ada), [1, 2, 3]);
        assert_eq!(ada["contacts"][0]["identifiers"][1]["value"], CANONICAL[1], "{ada}");
        assert_eq!(shop.saw(&[("email", OF_ADA), ("phone", number)]).await["outcome"], "unchanged");
        let body = json!({ "phoneNumber": number });
        let answer = shop.done("POST", "/identify", &body).await;
        assert_eq!(answer["contact"]["phoneNumbers"], json!([CANONICAL[1]]), "{answer}");
    }
    assert_eq!(shop.events().await.len(), 5);
    let why = shop.get("/v1/identities/1/why?other=3").await;
    assert_eq!(why["steps"][0]["sequence"], refold["sequence"], "{why}");
    // As it was before, by whichever spelling; and what is held.
    // By any spelling of today, whoever owned what it was spelt as then.
    assert_eq!(contacts(&shop.get(&by_phone(SENT[0], "&at=1")).await), [1]);
    let then = shop.get(&by_phone(SENT[1], "&at=4")).await;
    assert_eq!(contacts(&then), [2, 3], "{then}");
    let then = shop.get("/v1/identities/1?at=4").await;
    assert_eq!((contacts(&then), &then["identifiers"][1]["value"]), (vec![1], &json!(CANONICAL[0])));
    let record = shop.get("/v1/identities/1/record").await;
    let held: Vec<&Value> = record["identifiers"].as_array().unwrap().iter().collect();
    let phones: Vec<_> = held.into_iter().filter(|held| held["kind"] == "phone").collect();
    assert_eq!(phones.len(), 1, "{record}");
    assert_eq!(phones[0]["spellings"], json!([SENT[1], SENT[0]]), "{record}");
    assert_eq!(phones[0]["contactIds"], json!([1, 2, 3]));

    // The refold itself is none of those that are undone; what it joined is split.
    let path = |sequence: &Value| format!("/v1/events/{sequence}/undo");
    let (status, refused) = shop.ask("POST", &path(&refold["sequence"]), &json!({})).await;
    assert_eq!((status, &refused["code"]), (409, &json!("not_undoable")), "{refused}");
    // An attachment from before is undone as values are spelt now: Bob stands alone, and the number stays Ada's.
    shop.done("POST", &path(&json!(3)), &json!({ "reason": "a household" })).await;
    let bob = shop.get("/v1/identities/3").await;
    assert_eq!(contacts(&bob), [3]);
    assert_eq!(bob["unownedIdentifiers"], json!([{ "kind": "phone", "value": CANONICAL[1] }]), "{bob}");
    // Whatever the spelling, it is one refusal.
    let mut refusals = Vec::new();
    for number in SENT {
        let refused = shop.saw(&[("email", "bob@spelling.example"), ("phone", number)]).await;
        assert_eq!(refused["outcome"], "refused", "{refused}");
        refusals.push(refused["sequence"].clone());
    }
    assert_eq!(refusals[0], refusals[1]);
    shop.is_sound();
    // Also after a start, and after the refold that takes the spelling back: the first and the second number are two again.
    assert_eq!(shop.server.terminate().code(), Some(0));
    shop.server = ServerProcess::start(shop.home.path());
    shop.client = Client::connect(shop.server.address).await.expect("it listens");
    let again = shop.saw(&[("email", "bob@spelling.example"), ("phone", SENT[0])]).await;
    assert_eq!((&again["outcome"], &again["sequence"]), (&json!("refused"), &refusals[0]));
    let back = shop.done("PUT", "/v1/policy?refold=true", &json!({})).await;
    assert_eq!(back["refolding"]["respeltContacts"], json!([1]), "{back}");
    let [one, other] = [shop.get(&by_phone(SENT[0], "")).await, shop.get(&by_phone(SENT[1], "")).await];
    assert_eq!((&one["primaryContactId"], &other["primaryContactId"]), (&json!(1), &json!(2)));
    shop.is_sound();
    shop.done("PUT", "/v1/policy?refold=true", &british()).await;
    assert_eq!(contacts(&shop.get(&by_phone(SENT[0], "")).await), [1, 2]);
    shop.is_sound();

    // Whoever is erased leaves no spelling behind.
    for contact in [1, 3] {
        let receipt = shop.done("DELETE", &format!("/v1/identities/{contact}"), &Value::Null).await;
        assert_eq!(receipt["verified"]["foundElsewhere"], json!([]), "{receipt}");
        shop.is_sound();
    }
    let log = json!(shop.events().await).to_string();
    for text in SENT.iter().chain(&CANONICAL).chain(&[OF_ADA]) {
        assert!(!log.contains(text), "{text} stands in the log");
    }
    assert_eq!(shop.server.terminate().code(), Some(0));
    shop.is_sound();
    shop
}

fn traces(files: &[std::path::PathBuf]) -> Vec<&'static str> {
    traces_of(&[SENT, CANONICAL].concat(), files).into_iter().collect()
}

#[tokio::test]
async fn another_spelling_is_told_done_and_erased_on_sqlite() {
    let shop = tell(Home::sqlite()).await;
    assert_eq!(traces(&files_beneath(shop.home.path(), &[".sock", "policy.json"])), [""; 0]);
}

#[tokio::test]
async fn another_spelling_is_told_done_and_erased_on_postgresql() {
    let mut shop = tell(Home::postgres().await).await;
    let cluster = shop.home.cluster();
    cluster.execute("shop", "CHECKPOINT").await;
    let data = cluster.data_folder().join("base");
    assert!(
        !traces(&files_beneath(&data, &[])).is_empty(),
        "tables and indexes keep copies until they are scrubbed"
    );
    let url = shop.home.cluster().socket_url("shop");
    let (code, said) = told(&run(shop.home.path(), &["scrub", "--database-url", &url]));
    assert_eq!(code, Some(0), "{said}");
    shop.home.cluster().execute("shop", "CHECKPOINT").await;
    assert_eq!(traces(&files_beneath(&data, &[])), [""; 0]);
}
