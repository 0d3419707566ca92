//! Every correction, and every question about the past, asked of a small workspace.

use selfsame_rules::{
    Actor, ContactId, Event, Identifier, IdentifierKind, Judgement, Moment, Observation, Policy,
    PolicyDocument, SeenIdentifier, Sequence, Timestamp,
};
use selfsame_service::{CorrectError, Engine, Erased, Order, Ordered, Repeatable, Whom};
use selfsame_store::{KeptAnswer, Once, WorkspaceKey};

/// Lets an engine, whose workspace may hold contacts already, correct and tell all that it can.
///
/// # Panics
///
/// If something is refused.
pub async fn use_everything(engine: &Engine) {
    let kinds = vec!["customerId".to_owned()];
    let unique = kinds.clone();
    let document = PolicyDocument { kinds, unique, contacts_max: Some(3), ..PolicyDocument::default() };
    govern(engine, Order::Govern(policy(&document))).await;
    let one = seen(engine, &[("email", "one@correct.example"), ("customerId", "1")]).await;
    let other = seen(engine, &[("email", "other@correct.example"), ("customerId", "2")]).await;
    let meets = [("email", "one@correct.example"), ("customerId", "2")];
    let held = seen(engine, &meets).await;
    assert_eq!(held, other, "the owner of the value of the unique kind");
    let waiting = engine.open_reviews(Sequence(0), 10).await.expect("it can be read").events;
    let review = waiting.last().expect("it was refused").sequence;
    order(engine, Order::Review(review, Judgement::KeepApart)).await;

    let third = seen(engine, &[("email", "third@correct.example"), ("phone", "333")]).await;
    let attached = seen(engine, &[("email", "fourth@correct.example"), ("phone", "333")]).await;
    assert_eq!(attached, third);
    // The second contact bears the number that the first one owns.
    let page = engine.page(&Whom::Contact(third), None, None, 10).await.expect("the person is there");
    assert_eq!((page.contacts.len(), page.owned.len()), (2, 3));
    let last = last_event(engine).await;
    order(engine, Order::Undo(last.sequence)).await;
    let parted = last.outcome.contact().expect("it attached one").id;
    order(engine, Order::Join(vec![third, parted])).await;
    order(engine, Order::Split(third, vec![parted])).await;
    order(engine, Order::Delete(parted)).await;

    for whom in [Whom::Contact(third), Whom::Identifier(phone("333"))] {
        engine.person(&whom, None).await.expect("the person is there");
        engine.person(&whom, Some(Moment::Sequence(last.sequence))).await.expect("the person was there");
    }
    engine.history(third).await.expect("it can be read");
    engine.why(one, other).await.expect("it can be read");

    let dialled = seen(engine, &[("phone", "0444")]).await;
    let region = PolicyDocument { default_region: Some("GB".to_owned()), ..document };
    govern(engine, Order::Refold(policy(&region), british)).await;
    let person = engine.person(&Whom::Identifier(phone("+44444")), None).await.expect("it is spelt so now");
    assert_eq!(person.primary, dialled);
    let then = Some(Moment::Sequence(last.sequence));
    engine.person(&Whom::Identifier(phone("+44333")), then).await.expect_err("nobody was ever seen with it");
    erase(engine, dialled).await;
    erase(engine, one).await;
    govern(engine, Order::Refold(Policy::default(), british)).await;
}

/// Numbers as they are dialled in the only country of these tests.
pub fn british(_: &str, digits: &str) -> Option<String> {
    if digits.starts_with('+') {
        return Some(digits.to_owned());
    }
    Some(format!("+44{}", digits.strip_prefix('0')?))
}

/// Erases a person twice by the same request: the second time, the answer is what was kept.
async fn erase(engine: &Engine, whom: ContactId) {
    let key = format!("a key for {whom}");
    let at = Timestamp::from_milliseconds(1);
    let once = Once::new(WorkspaceKey::DEFAULT, "DELETE", &key, ["a request"], at);
    let answer = |erased: &Result<Erased, CorrectError>| {
        let verified = erased.as_ref().is_ok_and(|erased| erased.verified.is_some());
        Some(KeptAnswer { status: 200, location: None, body: Some(format!("{verified}").into()) })
    };
    let by = || Actor::named("test");
    let erased = engine.erase_once(whom, by(), once.clone(), answer).await.expect("there is such a person");
    assert!(erased.now().expect("it was not asked for before").receipt.events > 0);
    let again = engine.erase_once(whom, by(), once, answer).await.expect("it was asked for before");
    let Repeatable::Before(kept) = again else { panic!("it was carried out twice") };
    assert_eq!(kept.answer.body.as_deref(), Some("true"), "what was verified, too");
}

async fn seen(engine: &Engine, identifiers: &[(&str, &str)]) -> ContactId {
    let identifiers = identifiers.iter().map(|(kind, value)| {
        let kind = IdentifierKind::from_name(kind).expect("a kind");
        SeenIdentifier::parse(&kind, value).expect("a value").expect("it isn't blank")
    });
    let seen = Observation::new(Actor::named("test"), identifiers).expect("each kind once");
    let answer = engine.identify(seen).await.expect("the store works");
    answer.identity.expect("it links").primary
}

async fn order(engine: &Engine, order: Order) -> Ordered {
    let told = format!("{order:?}");
    let ordered = engine.correct(order, Actor::named("test"), Some("a reason".into()), false).await;
    ordered.unwrap_or_else(|error| panic!("{told}: {error}"))
}

async fn govern(engine: &Engine, policy: Order) {
    assert!(order(engine, policy).await.event.is_some(), "it is another policy");
}

async fn last_event(engine: &Engine) -> Event {
    let events = engine.events(Sequence(0), 1_000).await.expect("it can be read");
    events.into_iter().next_back().expect("something happened")
}

fn phone(value: &str) -> Identifier {
    let seen = SeenIdentifier::parse(&IdentifierKind::Phone, value).expect("a number");
    seen.expect("it isn't blank").identifier().clone()
}

fn policy(document: &PolicyDocument) -> Policy {
    Policy::read(document).expect("it is sound")
}
