//! Questions about the past: as of N is what a replay to N makes, and each step of a `why` is an event that joined the two.

use std::collections::BTreeSet;

use serde_json::Value;
use support::busy::{Play, split, undo};
use support::client::Ask;
use support::consumer::Consumer;
use support::databases::Databases;
use support::random::Random;
use support::shop::ADMIN;
use support::size::{Size, proved};

/// What the log adds up to after each of its events, from before the first.
fn replays(log: &[Value]) -> Vec<Consumer> {
    let mut replays = vec![Consumer::default()];
    for event in log {
        let mut next = replays.last().expect("there is a first").clone();
        next.take(event);
        replays.push(next);
    }
    replays
}

fn place(number: &Value) -> usize {
    usize::try_from(number.as_i64().expect("a number")).expect("it counts")
}

fn values(identifiers: &Value) -> BTreeSet<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let identifiers = identifiers.as_array().expect("a list").iter();
    identifiers.map(|one| (text(&one["kind"]).expect("a kind"), text(&one["value"]))).collect()
}

/// Whether the answer to a question of then is what the replay has.
fn is_as_replayed(replay: &Consumer, contact: i64, status: u16, answer: &Value) -> bool {
    if !replay.contacts.contains_key(&contact) {
        return status == 404;
    }
    let Some((primary, contacts)) = replay.identity(contact) else { return status == 410 };
    let listed = answer["contacts"].as_array().map_or(&[][..], Vec::as_slice);
    let borne = listed.iter().zip(&contacts).all(|(one, id)| {
        let held = &replay.contacts[id];
        let borne: BTreeSet<_> = held.values.clone().into_iter().collect();
        one["id"] == *id
            && one["createdAt"] == held.created_at.as_str()
            && one["updatedAt"] == held.updated_at.as_str()
            && values(&one["identifiers"]) == borne
    });
    status == 200
        && answer["primaryContactId"] == primary
        && listed.len() == contacts.len()
        && borne
        && values(&answer["identifiers"]) == replay.owned(&contacts)
}

/// Asks of contacts as they were at random moments; how many questions had a person as their answer.
async fn ask_of_then(play: &mut Play, random: &mut Random, questions: u64) -> u64 {
    let log = play.log().await;
    let replays = replays(&log);
    let (mut people, mut otherwise) = (0, 0);
    for _ in 0..questions {
        let number = usize::try_from(random.below(1 + log.len() as u64)).expect("few");
        let contact = 1 + i64::try_from(random.below(replays[log.len()].contacts.len() as u64)).expect("few");
        // By number, or by the time of the event, which each has for itself but for the first of a shop.
        let by_time = number > 2 && random.once_in(3);
        let at = if by_time {
            log[number - 1]["at"].as_str().expect("a time").to_owned()
        } else {
            number.to_string()
        };
        let path = format!("/v1/identities/{contact}?at={at}&limit=1000");
        let reply = play.shop.client.ask(Ask::new("GET", &path).key(ADMIN)).await;
        let then = if by_time {
            log.iter().rposition(|event| event["at"] == at.as_str()).expect("there is one") + 1
        } else {
            number
        };
        let (status, answer) = (reply.status.as_u16(), reply.json());
        assert!(is_as_replayed(&replays[then], contact, status, &answer), "{path}: {answer}");
        people += u64::from(status == 200);
        // The negative control: most replays to another moment have something else.
        otherwise += u64::from(!is_as_replayed(&replays[log.len() - then], contact, status, &answer));
    }
    assert!(otherwise > 0, "a replay to another moment is not told apart");
    people
}

/// What is wrong with a chain from one contact to another; nothing if it is real.
fn flaw(steps: &[Value], one: i64, other: i64, log: &[Value], replays: &[Consumer]) -> Option<String> {
    let mut at = one;
    for step in steps {
        let (from, to) = (step["fromContactId"].as_i64()?, step["toContactId"].as_i64()?);
        if from != at {
            return Some(format!("a step begins at {from} and not at {at}"));
        }
        at = to;
        let Some(event) = log.get(place(&step["sequence"]).wrapping_sub(1)) else {
            return Some(format!("there is no event {}", step["sequence"]));
        };
        let after = &replays[place(&step["sequence"])];
        let is_there = |id: &i64| after.contacts.contains_key(id);
        if ![from, to].iter().all(is_there) {
            return Some(format!("event {} has not both contacts", step["sequence"]));
        }
        let primary = |id: i64| after.contacts[&id].linked_to.unwrap_or(id);
        if primary(from) != primary(to) {
            return Some(format!("after event {event} {from} and {to} were not one person"));
        }
        if !values(&step["evidence"]).is_subset(&values(&event["evidence"])) {
            return Some(format!("event {} has not seen that", step["sequence"]));
        }
    }
    (at != other).then(|| format!("the chain ends at {at}"))
}

/// Whether an event joined two contacts that were apart: of those that can be undone.
fn joined(event: &Value, before: &Consumer, one: i64, other: i64) -> bool {
    let made = event["outcome"]["contactId"].as_i64();
    match event["kind"].as_str() {
        Some("attached") => [one, other].iter().any(|id| made == Some(*id)),
        Some("merged") => {
            let primary = |id: i64| before.contacts.get(&id).map(|held| held.linked_to.unwrap_or(id));
            primary(one).zip(primary(other)).is_some_and(|(one, other)| one != other)
        }
        _ => false,
    }
}

/// The contacts that stand for what an event joined.
fn sides(event: &Value) -> Vec<i64> {
    let outcome = &event["outcome"];
    let former = outcome["formerPrimaryContactIds"].as_array().map_or(&[][..], Vec::as_slice);
    let attached = Some(&outcome["contactId"]).filter(|_| event["kind"] == "attached");
    let all = former.iter().chain([&outcome["primaryContactId"]]).chain(attached);
    all.filter_map(Value::as_i64).collect()
}

/// Asks why random people are one, and takes what joined them away again. How many chains were real, and how many joints cut.
async fn ask_why(play: &mut Play, random: &mut Random, questions: u64) -> (u64, u64, u64) {
    let (mut real, mut undone, mut parted) = (0, 0, 0);
    for _ in 0..questions {
        let log = play.log().await;
        let played = replays(&log);
        let now = &played[log.len()];
        let several =
            |id: &&i64| now.identity(**id).is_some_and(|(_, all)| all.len() > 1 && all.contains(id));
        let people: Vec<i64> = now.contacts.keys().filter(several).copied().collect();
        if people.is_empty() {
            break;
        }
        let one = *random.pick(&people);
        let (_, all) = now.identity(one).expect("it lives");
        let other = *random.pick(&all);
        let why = play.get(&format!("/v1/identities/{one}/why?other={other}")).await;
        assert_eq!(why["samePerson"], true, "{why}");
        let steps = why["steps"].as_array().expect("a list");
        assert_eq!(flaw(steps, one, other, &log, &played), None, "{why}");
        real += 1;
        if steps.is_empty() {
            continue;
        }
        // The negative control: a chain with a step left out, and one whose event is another.
        assert!(flaw(&steps[1..], one, other, &log, &played).is_some());
        let mut forged = steps.clone();
        forged[0]["sequence"] = (log.len() + 1).into();
        assert!(flaw(&forged, one, other, &log, &played).is_some());

        let step = random.pick(steps);
        let (from, to) = (step["fromContactId"].as_i64().unwrap(), step["toContactId"].as_i64().unwrap());
        let event = &log[place(&step["sequence"]) - 1];
        let is_cut = joined(event, &played[place(&step["sequence"]) - 1], from, to)
            && play.send(undo(event["sequence"].as_i64().unwrap())).await.status == 200;
        if is_cut {
            undone += 1;
        } else if play.send(split(from, &[to])).await.status == 200 {
            parted += 1;
        } else {
            continue;
        }
        let why = play.get(&format!("/v1/identities/{from}/why?other={to}")).await;
        let sides = sides(event);
        // Other observations may hold some of what an event joined together: of several sides, or since a refold.
        if !is_cut || (sides.len() == 2 && log.iter().all(|event| event["kind"] != "refolded")) {
            assert_eq!(why["samePerson"], false, "event {} was taken away: {why}", step["sequence"]);
        }
        if is_cut {
            let after = replays(&play.log().await).pop().expect("something happened");
            let primaries: BTreeSet<i64> = sides.iter().map(|side| after.primary(*side)).collect();
            assert!(primaries.len() > 1, "event {} was undone, and parts nobody", step["sequence"]);
        }
    }
    (real, undone, parted)
}

async fn prove(databases: Databases, histories: u64) {
    let mut random = Random::of_this_run();
    let (mut people, mut real, mut undone, mut parted) = (0, 0, 0, 0);
    for _ in 0..histories {
        let mut random = random.fork();
        let mut play = Play::open(&databases).await;
        for _ in 0..120 {
            play.step(&mut random).await;
        }
        people += ask_of_then(&mut play, &mut random, 60).await;
        let asked = ask_why(&mut play, &mut random, 20).await;
        (real, undone, parted) = (real + asked.0, undone + asked.1, parted + asked.2);
        play.shop.server.drain().await;
    }
    assert!(people > 0 && real > 0 && undone > 0 && parted > 0, "{people} {real} {undone} {parted}");
    proved(&format!(
        "{databases}: {histories} histories; {people} people as of a moment are what a replay makes, {real} chains are real, \
         and {undone} undone and {parted} parted joints separated the two"
    ));
}

#[tokio::test]
async fn the_past_is_a_replay_and_why_is_real_on_sqlite() {
    prove(Databases::Sqlite, Size::of_this_run().pick(6, 200)).await;
}

#[tokio::test]
async fn the_past_is_a_replay_and_why_is_real_on_postgresql() {
    prove(Databases::postgres(), Size::of_this_run().pick(4, 100)).await;
}
