//! A busy shop by HTTP: random observations, and random corrections of what came of them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{Ask, Client, Reply};
use crate::databases::{Database, Databases};
use crate::process::command;
use crate::random::Random;
use crate::shop::{ADMIN, Shop};

/// A request to be sent, perhaps more than once.
#[derive(Clone, Debug)]
pub struct Wish {
    pub method: &'static str,
    pub path: String,
    pub body: Option<Value>,
}

/// What is known of what came of the wishes before, from their answers.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// How many contacts there are at least.
    pub contacts: i64,
    /// The events that joined or attached somebody.
    pub joins: Vec<i64>,
    /// The events that refused something.
    pub refused: Vec<i64>,
    /// How many requests were answered, by what came of them.
    pub made: BTreeMap<String, u64>,
    /// Whether it declares a kind.
    pub has_policy: bool,
}

impl Wish {
    pub fn post(path: String, body: Value) -> Self {
        Self { method: "POST", path, body: Some(body) }
    }

    /// The same as a dry run; nothing where it can't be asked as one.
    pub fn dry(&self) -> Option<Self> {
        (self.path.as_str() != "/v1/policy" && !self.path.starts_with("/v1/policy?"))
            .then(|| Self { path: format!("{}?dryRun=true", self.path), ..self.clone() })
    }

    /// Whether it corrects something.
    pub fn is_correction(&self) -> bool {
        self.path != "/v1/observations"
    }

    /// Sends it. No request may meet a fault.
    pub async fn send(&self, client: &mut Client) -> Reply {
        let body = self.body.as_ref().map(Value::to_string);
        let mut ask = Ask::new(self.method, &self.path).key(ADMIN);
        ask.body = body.as_deref();
        let reply = client.ask(ask).await;
        // A correction of what isn't there, or isn't one person, is refused; an observation isn't.
        let known = [200, 404, 409, 410, 422].contains(&reply.status.as_u16());
        assert!(
            known || (reply.status == 400 && self.is_correction()),
            "{self:?}: {} {}",
            reply.status,
            reply.text()
        );
        reply
    }
}

impl Past {
    /// What a busy shop does next.
    pub fn wish(&self, random: &mut Random) -> Wish {
        if self.contacts > 3 && random.once_in(4) {
            self.correction(random)
        } else {
            self.observation(random)
        }
    }

    /// Keeps what an answer tells.
    pub fn took(&mut self, wish: &Wish, reply: &Reply) {
        let answer = reply.json();
        self.has_policy |= wish.path.starts_with("/v1/policy") && reply.status == 200;
        let event = &answer["event"];
        let kind = answer["outcome"].as_str().or(event["kind"].as_str()).or(answer["code"].as_str());
        let kind = kind.unwrap_or("nothing");
        *self.made.entry(kind.to_owned()).or_default() += 1;
        let sequence = answer["sequence"].as_i64();
        match kind {
            "created" => self.contacts += 1,
            "attached" | "merged" => {
                self.contacts += i64::from(kind == "attached");
                self.joins.extend(sequence);
            }
            "refused" => self.refused.extend(sequence),
            _ => {}
        }
    }

    fn observation(&self, random: &mut Random) -> Wish {
        let mut identifiers = Vec::new();
        if random.below(4) > 0 {
            let letter = if random.once_in(3) { 'e' } else { 'E' };
            let value = format!("{letter}{}@shop.example", random.below(7));
            identifiers.push(json!({ "kind": "email", "value": value, "verified": random.once_in(3) }));
        }
        if random.below(3) > 0 || identifiers.is_empty() {
            let value = match (1 + random.below(7), random.below(4)) {
                // Two spellings of a number in some country, and otherwise what is none anywhere.
                (number, 0) => format!("020 7946 001{number}"),
                (number, 1) => format!("+44 20 7946 001{number}"),
                (number, _) => number.to_string(),
            };
            identifiers.push(json!({ "kind": "phone", "value": value, "verified": random.once_in(2) }));
        }
        if self.has_policy && random.once_in(3) {
            let value = format!("c{}", random.below(4));
            identifiers.push(json!({ "kind": "customerId", "value": value }));
        }
        Wish::post("/v1/observations".to_owned(), json!({ "identifiers": identifiers }))
    }

    fn correction(&self, random: &mut Random) -> Wish {
        let most = u64::try_from(self.contacts).expect("it counts");
        let mut contact = || 1 + i64::try_from(random.below(most)).expect("it is small");
        let (one, other) = (contact(), contact());
        match random.below(9) {
            0 => split(one, &[one]),
            1 => split(one, &[one, other]),
            2 | 3 if !self.joins.is_empty() => undo(*random.pick(&self.joins)),
            2..=4 => merge(one, other),
            5 if !self.refused.is_empty() => {
                let decision = if random.once_in(2) { "merge" } else { "keepApart" };
                let review = random.pick(&self.refused);
                Wish::post(format!("/v1/reviews/{review}"), json!({ "decision": decision }))
            }
            5 | 6 => Wish { method: "DELETE", path: format!("/v1/contacts/{one}"), body: None },
            7 => Wish { method: "DELETE", path: format!("/v1/identities/{one}"), body: None },
            _ => {
                let refold = if random.once_in(2) { "?refold=true" } else { "" };
                Wish { method: "PUT", path: format!("/v1/policy{refold}"), body: Some(policy(random)) }
            }
        }
    }
}

/// Contacts that are somebody else than the rest of their identity.
pub fn split(of: i64, contacts: &[i64]) -> Wish {
    Wish::post(format!("/v1/identities/{of}/split"), json!({ "contactIds": contacts }))
}

/// Two contacts of the same person.
pub fn merge(one: i64, other: i64) -> Wish {
    let body = json!({ "withContactId": other, "reason": "they say so" });
    Wish::post(format!("/v1/identities/{one}/merge"), body)
}

/// An event that was wrong.
pub fn undo(event: i64) -> Wish {
    Wish::post(format!("/v1/events/{event}/undo"), json!({}))
}

/// A random policy.
pub fn policy(random: &mut Random) -> Value {
    let mut policy = json!({ "kinds": ["customerId"] });
    if random.once_in(3) {
        let blocked =
            [json!({ "kind": "email", "pattern": "e0@*" }), json!({ "kind": "phone", "pattern": "1" })];
        policy["blocked"] = json!(blocked);
    }
    if random.once_in(3) {
        policy["contactsMax"] = json!(2 + random.below(4));
    }
    if random.once_in(3) {
        policy["limits"] = json!([{ "kind": "email", "most": 2 }]);
    }
    if random.once_in(2) {
        policy["unique"] = json!(["customerId"]);
    }
    if random.once_in(3) {
        policy["claims"] = json!(["phone"]);
    }
    if random.once_in(3) {
        policy["exactEmail"] = json!(true);
    }
    if random.once_in(3) {
        policy["defaultRegion"] = json!("GB");
    }
    policy
}

/// A shop that is busy, one request after another, with the time told.
pub struct Play {
    pub shop: Shop,
    pub past: Past,
    /// What was sent, in order.
    pub sent: Vec<Wish>,
    at: i64,
}

impl Play {
    pub async fn open(databases: &Databases) -> Self {
        Self::over(databases.empty().await).await
    }

    pub async fn over(database: Database) -> Self {
        Self { shop: Shop::over(database).await, past: Past::default(), sent: Vec::new(), at: 2_000 }
    }

    /// Sends something random.
    pub async fn step(&mut self, random: &mut Random) -> Reply {
        let wish = self.past.wish(random);
        self.send(wish).await
    }

    pub async fn send(&mut self, wish: Wish) -> Reply {
        self.at += 7;
        self.shop.clock.set(self.at);
        let reply = wish.send(&mut self.shop.client).await;
        self.past.took(&wish, &reply);
        self.sent.push(wish);
        reply
    }

    /// Asks for something that is there.
    pub async fn get(&mut self, path: &str) -> Value {
        let reply = self.shop.client.ask(Ask::new("GET", path).key(ADMIN)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    /// The whole log.
    pub async fn log(&mut self) -> Vec<Value> {
        let (mut events, mut path) = (Vec::new(), "/v1/events?limit=1000".to_owned());
        loop {
            let page = self.get(&path).await;
            events.extend(page["events"].as_array().expect("a list").clone());
            let Some(cursor) = page["nextCursor"].as_str() else { return events };
            path = format!("/v1/events?limit=1000&cursor={cursor}");
        }
    }
}

/// The contacts as `selfsame export` writes them, beside a running server. An erased value is none, whatever stands for it.
pub fn exported(database: &Database) -> Vec<Value> {
    exported_from(&database.url())
}

/// The same of the database of that URL.
pub fn exported_from(url: &str) -> Vec<Value> {
    let folder = std::env::temp_dir();
    let output = command(&folder, &["export"]).env("DATABASE_URL", url).output();
    let output = output.expect("the program can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("an export is UTF-8");
    let mut rows: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    for row in &mut rows {
        for member in ["email", "phoneNumber"] {
            if row[member].as_str().is_some_and(|value| value.starts_with(' ')) {
                row[member] = Value::Null;
            }
        }
    }
    rows
}
