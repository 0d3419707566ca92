//! The Rust client, against both stores, by HTTP and by HTTPS: all that a shop's backend asks and tells, and what it is told
//! where it is wrong.

use selfsame_client::{
    Checkout, Client, ContactId, Error, EventKind, InvalidSetting, Lookup, Observation, ObservedOutcome,
    Retries, RuleName, Sequence,
};
use support::client::Ask;
use support::databases::Databases;
use support::home::Home;
use support::process::{ServerProcess, command};
use support::shop::{ADMIN, Shop, named};
use support::tls::Authority;

/// A client of that server, with a key.
pub(crate) fn client_of(shop: &Shop, key: &str) -> Client {
    Client::new(&format!("http://{}", shop.server.address)).unwrap().key(key)
}

/// The code of the problem that something was answered with.
pub(crate) fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> String {
    let error = answer.unwrap_err();
    error.problem().unwrap_or_else(|| panic!("no problem: {error:?}")).code.clone()
}

/// Everything once, from somebody new to somebody erased. The log is empty but for what made the key.
async fn everything_once(client: &Client) {
    let before = last_event(client).await;
    let event = |number: i64| Sequence(before.0 + number);

    // Two people.
    let lorraine = Checkout::new().email("Lorraine@HillValley.edu").phone("123456");
    let customer = client.identify(&lorraine).await.unwrap();
    assert_eq!(customer.primary_contact_id, ContactId(1));
    assert_eq!(*customer.emails, ["lorraine@hillvalley.edu"]);
    assert_eq!(client.identify(&lorraine).await.unwrap(), customer);
    let george = Observation::new()
        .email("george@hillvalley.edu")
        .source("till 4")
        .observed_at("2026-01-31T12:00:00Z");
    let would = client.dry_run().observe(&george).await.unwrap();
    assert_eq!((would.outcome, would.dry_run, would.identity), (ObservedOutcome::Created, true, None));
    let observed = client.observe(&george).await.unwrap();
    assert_eq!((observed.outcome, observed.sequence), (ObservedOutcome::Created, Some(event(2))));
    assert_eq!(observed.identity.unwrap().primary_contact_id, ContactId(2));

    // A shared phone makes one of them.
    let shared = Observation::new().email("george@hillvalley.edu").verified("phone", "123456");
    let merged = client.observe(&shared).await.unwrap();
    assert_eq!((merged.outcome, merged.sequence), (ObservedOutcome::Merged, Some(event(3))));
    let person = client.find(&Lookup::phone("123456")).await.unwrap().unwrap();
    assert_eq!((person.primary_contact_id, person.contact_count), (ContactId(1), 2));
    assert_eq!(
        person.values("email").collect::<Vec<_>>(),
        ["lorraine@hillvalley.edu", "george@hillvalley.edu"]
    );
    let first = client.find(&Lookup::contact(ContactId(2)).limit(1)).await.unwrap().unwrap();
    assert_eq!(first.contacts.len(), 1);
    let cursor = first.next_cursor.expect("there is a second contact");
    let second = client.find(&Lookup::contact(ContactId(2)).limit(1).cursor(cursor)).await.unwrap().unwrap();
    assert_eq!((second.contacts[0].id, second.next_cursor), (ContactId(2), None));
    let earlier = Lookup::email("george@hillvalley.edu").after_event(event(2));
    assert_eq!(client.find(&earlier).await.unwrap().unwrap().primary_contact_id, ContactId(2));
    let at = client.find(&Lookup::contact(ContactId(2)).at("2100-01-01T00:00:00Z")).await.unwrap().unwrap();
    assert_eq!(at.primary_contact_id, ContactId(1));
    assert_eq!(client.find(&Lookup::email("nobody@hillvalley.edu")).await.unwrap(), None);
    let why = client.why(ContactId(1), ContactId(2)).await.unwrap();
    assert!(why.same_person);
    assert_eq!((why.steps[0].sequence, &*why.steps[0].evidence[0].kind), (event(3), "email"));

    // Undone, kept apart, and merged by hand.
    let would = client.dry_run().undo(event(3), None).await.unwrap();
    assert!(would.dry_run);
    let undone = client.undo(event(3), Some("a shared phone")).await.unwrap();
    let undone = undone.event.unwrap();
    assert_eq!((undone.sequence, &undone.kind), (event(4), &EventKind::Undone));
    assert_eq!(undone.outcome["reason"], "a shared phone");
    let refused = client.observe(&shared).await.unwrap();
    assert_eq!(refused.rule.unwrap().name, RuleName::KeptApart);
    assert_eq!(code(client.undo(event(3), None).await), "apart_already");
    let would = client.dry_run().merge(ContactId(1), ContactId(2), "they say so").await.unwrap();
    assert!(would.dry_run);
    let joined = client.merge(ContactId(1), ContactId(2), "they say so").await.unwrap();
    assert_eq!(joined.event.unwrap().kind, EventKind::Joined);
    let would = client.dry_run().split(ContactId(1), &[ContactId(2)], None).await.unwrap();
    assert!(would.dry_run);
    let split = client.split(ContactId(1), &[ContactId(2)], Some("they are two")).await.unwrap();
    assert_eq!(split.event.unwrap().kind, EventKind::Split);

    // Many at once, and one of them wrong.
    let checkouts = [lorraine, Checkout::new().email("mcfly"), Checkout::new().phone("555")];
    let batch = client.observe_batch(&checkouts).await.unwrap();
    assert_eq!(batch.lines[0].as_ref().unwrap().primary_contact_id, ContactId(1));
    let problem = batch.lines[1].as_ref().unwrap_err();
    assert_eq!((problem.status, &*problem.code, problem.line), (400, "invalid_email", Some(2)));
    let third = batch.lines[2].as_ref().unwrap().primary_contact_id;
    assert_eq!((batch.lines.len(), batch.stopped), (3, None));
    assert!(client.observe_batch(&[]).await.unwrap().lines.is_empty());

    // Erased.
    let would = client.dry_run().erase(third).await.unwrap();
    assert_eq!((would.values, would.verified), (1, None));
    let receipt = client.erase(third).await.unwrap();
    assert_eq!((receipt.contact_ids, receipt.values, receipt.dry_run), (vec![third], 1, false));
    assert_eq!(code(client.find(&Lookup::contact(third)).await), "contact_gone");

    // The log, page by page.
    let (mut after, mut kinds) = (before, Vec::new());
    loop {
        let page = client.events(after, 3).await.unwrap();
        for event in &page.events {
            assert_eq!(event.sequence, Sequence(after.0 + 1));
            after = event.sequence;
            kinds.push(event.kind.to_string());
        }
        if page.next_cursor.is_none() {
            break;
        }
    }
    let all = ["created", "created", "merged", "undone", "refused", "joined", "split", "created", "erased"]
        .map(str::to_owned);
    assert_eq!(kinds, all);
    let page = client.events(event(1), 1).await.unwrap();
    assert_eq!(page.events[0].source.as_deref(), Some("till 4"));
    assert_eq!(page.events[0].observed_at.as_deref(), Some("2026-01-31T12:00:00.000Z"));
}

async fn last_event(client: &Client) -> Sequence {
    let events = client.events(Sequence(0), 1000).await.unwrap().events;
    events.last().map_or(Sequence(0), |event| event.sequence)
}

async fn by_http(databases: Databases) {
    let shop = Shop::open(&databases).await;
    everything_once(&client_of(&shop, ADMIN)).await;
    shop.server.drain().await;
}

#[tokio::test]
async fn the_rust_client_asks_and_tells_everything_on_sqlite() {
    by_http(Databases::Sqlite).await;
}

#[tokio::test]
async fn the_rust_client_asks_and_tells_everything_on_postgresql() {
    by_http(Databases::postgres()).await;
}

async fn by_https(home: Home) {
    let authority = Authority::default();
    authority.sign().write(home.path());
    let mut serve = command(home.path(), &["serve", "--port=0"]);
    serve.args(["--tls-certificate=server.crt", "--tls-key=server.key"]).env("SELFSAME_ADMIN_KEY", ADMIN);
    let server = ServerProcess::spawn(serve).unwrap_or_else(|said| panic!("{said}"));
    let url = format!("https://localhost:{}", server.address.port());
    let client = Client::new(&url).unwrap().key(ADMIN).retries(Retries::none());
    let trusting = client.clone().trusting(authority.root_pem().as_bytes()).unwrap();
    everything_once(&trusting).await;

    // Whom nobody vouches for isn't sent anything, and neither is one whom another authority vouches for.
    let other = client.clone().trusting(Authority::default().root_pem().as_bytes()).unwrap();
    for stranger in [client, other] {
        let error = stranger.events(Sequence(0), 1).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
        assert!(format!("{error:?}").contains("InvalidCertificate"), "{error:?}");
    }
}

#[tokio::test]
async fn the_rust_client_speaks_tls_to_a_server_on_sqlite() {
    by_https(Home::sqlite()).await;
}

#[tokio::test]
async fn the_rust_client_speaks_tls_to_a_server_on_postgresql() {
    by_https(Home::postgres().await).await;
}

#[tokio::test]
async fn a_key_opens_its_workspace_and_what_is_wrong_is_told() {
    let mut shop = Shop::open(&Databases::Sqlite).await;
    let body = r#"{"name":"north"}"#;
    let made = shop.client.ask(Ask::new("POST", "/v1/workspaces").key(ADMIN).body(body)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let seen = Observation::new().phone("1");
    let north = client_of(&shop, ADMIN).workspace("north");
    north.observe(&seen).await.unwrap();
    assert!(north.find(&Lookup::phone("1")).await.unwrap().is_some());
    let client = client_of(&shop, ADMIN);
    assert_eq!(client.find(&Lookup::phone("1")).await.unwrap(), None);
    assert_eq!(code(client.clone().workspace("south").observe(&seen).await), "workspace_not_found");

    let reader = shop.key(named("reader", &["read"])).await;
    let error = client_of(&shop, &reader).observe(&seen).await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!((problem.status, &*problem.code), (403, "wrong_scope"));
    let told = "The key lacks the scope `identify`; use one that has it.";
    assert_eq!(error.to_string(), format!("403 wrong_scope: {told} (request {})", problem.request_id));
    assert!(!error.is_temporary());
    assert_eq!(code(client.observe(&Observation::new()).await), "nothing_to_identify");
    assert_eq!(code(client.find(&Lookup::contact(ContactId(99))).await), "contact_not_found");
    assert_eq!(code(client.find(&Lookup::identifier("customerId", "c1")).await), "invalid_query");

    // The same change by the same key is the same change, and another one by that is refused.
    let once = client.idempotency_key("order-4711");
    let first = once.observe(&seen).await.unwrap();
    assert_eq!(once.observe(&seen).await.unwrap(), first);
    assert_eq!(code(once.observe(&Observation::new().phone("2")).await), "idempotency_key_reused");

    // What can't be sent isn't.
    for unfit in [client.clone().key("a\nb"), client.clone().workspace("a\nb"), client.idempotency_key("")] {
        assert!(matches!(unfit.observe(&seen).await, Err(Error::Setting(_))));
    }
    for url in [
        "shop.example",
        "ftp://shop.example",
        "http://",
        "http://a:b@shop.example",
        "http://a?b",
        "http://a#b",
    ] {
        assert!(matches!(Client::new(url), Err(InvalidSetting::Url)), "{url}");
    }
    assert!(matches!(client.trusting(b"none"), Err(InvalidSetting::Certificate)));
    shop.server.drain().await;
}

/// Nothing that is printed tells a key, or a value of a person: neither what was sent nor what was answered.
#[tokio::test]
async fn what_is_printed_holds_neither_key_nor_values() {
    let shop = Shop::open(&Databases::Sqlite).await;
    let client = client_of(&shop, ADMIN);
    let checkout = Checkout::new().email("Lorraine@HillValley.edu").phone("123456");
    let observation = Observation::new().email("lorraine@hillvalley.edu").phone("7 17171");
    let mut printed = format!("{client:?} {checkout:?} {observation:?} {:?}", client.follow(Sequence(0)));
    printed += &format!("{:?}", client.identify(&checkout).await.unwrap());
    printed += &format!("{:?}", client.observe(&observation).await.unwrap());
    printed += &format!("{:?}", client.find(&Lookup::phone("123456")).await.unwrap());
    printed += &format!("{:?}", client.why(ContactId(1), ContactId(2)).await.unwrap());
    printed += &format!("{:?}", client.observe_batch(std::slice::from_ref(&checkout)).await.unwrap());
    printed += &format!("{:?}", client.undo(Sequence(3), Some("lorraine said so")).await);
    printed += &format!("{:?}", client.events(Sequence(0), 1000).await.unwrap());
    let wrong = Observation::new().email("lorraine").observed_at("now");
    printed += &format!("{:?}", client.observe(&wrong).await.unwrap_err());
    for value in [ADMIN, "orraine", "123456", "17171"] {
        assert!(!printed.contains(value), "{value}: {printed}");
    }
    // The negative control: it was all there to be printed.
    let person = client.find(&Lookup::phone("123456")).await.unwrap().unwrap();
    assert_eq!(person.values("email").next(), Some("lorraine@hillvalley.edu"));
    assert!(printed.contains("(personal)"));
    shop.server.drain().await;
}
