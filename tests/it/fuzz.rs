//! Every fuzz target, over its samples and over what a few changes make of them. `cargo xtask fuzz` searches deeper.

use std::any::Any;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use selfsame_rules::Phone;
use serde_json::json;
use support::fuzz::{Mutations, Reply, TARGETS, assert_contact, assert_phone, assert_problem};
use support::random::Random;
use support::size::{Size, proved};

/// The first input that a target does not take, if one of the samples or of so many changed ones is such.
fn search(
    mut inputs: Mutations,
    changed_max: usize,
    target: impl Fn(&[u8]),
) -> Result<usize, (Vec<u8>, String)> {
    let samples = inputs.samples().to_vec();
    let count = samples.len() + changed_max;
    let changed = (0..changed_max).map(|_| inputs.mutated());
    for input in samples.into_iter().chain(changed) {
        catch_unwind(AssertUnwindSafe(|| target(&input))).map_err(|panic| (input, said(&*panic)))?;
    }
    Ok(count)
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
}

#[test]
fn every_target_holds_over_its_samples_and_what_a_few_changes_make_of_them() {
    let mut random = Random::of_this_run();
    let changed_max = Size::of_this_run().pick(3_000, 100_000);
    std::thread::scope(|scope| {
        for (name, target) in TARGETS {
            let inputs = Mutations::of(name, random.fork());
            scope.spawn(move || match search(inputs, changed_max, target) {
                Ok(count) => proved(&format!("fuzz target {name}: {count} inputs without libFuzzer")),
                Err((input, said)) => panic!("{name}: {said}\nthe input: \"{}\"", input.escape_ascii()),
            });
        }
    });
}

/// The negative control: what no sample holds is found among the changed ones.
#[test]
fn a_planted_fault_is_found() {
    let planted = |data: &[u8]| assert!(!data.windows(2).any(|window| window == b"}{"), "planted");
    let inputs = Mutations::of("identify_body", Random::of_this_run());
    assert!(inputs.samples().iter().all(|sample| catch_unwind(|| planted(sample)).is_ok()));
    let (_, said) = search(inputs, 20_000, planted).expect_err("the fault is there");
    assert_eq!(said, "planted");
}

/// The negative control of the rules that values are held to.
#[test]
fn a_number_that_loses_a_digit_is_found() {
    let faulty = |text: &str| {
        let phone = Phone::parse(text)?.map(|phone| phone.as_str().to_owned());
        // As a number that went through a float would.
        Ok(phone.map(|phone| if phone.len() == 17 { format!("{}0", &phone[..16]) } else { phone }))
    };
    let target = |data: &[u8]| assert_phone(&String::from_utf8_lossy(data), faulty);
    let inputs = Mutations::of("canonical_values", Random::of_this_run());
    assert!(search(inputs, 20_000, target).is_err(), "a number was changed, and nobody saw it");
}

/// The negative control of what answers are held to.
#[test]
fn an_answer_that_no_document_promises_is_found() {
    let problem = json!({
        "type": "urn:selfsame:problem:empty_body", "title": "Bad Request", "status": 400, "detail": "It is empty.",
        "code": "empty_body", "requestId": "1", "error": "Bad Request",
    });
    let reply = |change: &str, value: serde_json::Value| {
        let mut problem = problem.clone();
        problem[change] = value;
        let headers = [
            ("x-request-id", "1"),
            ("cache-control", "no-store"),
            ("content-type", "application/problem+json"),
        ];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let status = u16::try_from(problem["status"].as_u64().unwrap()).unwrap();
        Reply { status, headers: headers.into_iter().collect(), body: Bytes::from(problem.to_string()) }
    };
    let holds = |reply: Reply| catch_unwind(|| assert_problem(&reply)).is_ok();
    assert!(holds(reply("title", json!("Bad Request"))));
    assert!(!holds(reply("status", json!(500))), "a fault of ours");
    assert!(!holds(reply("status", json!(413))), "another status than the code's");
    assert!(!holds(reply("code", json!("oops"))), "a code of no document");
    assert!(!holds(reply("stack", json!("at main"))), "a member of no document");
    assert!(!holds(reply("requestId", json!("2"))), "another request's");

    let contact = |emails: &[&str], secondaries: &[i64]| {
        json!({"contact": {
            "primaryContactId": 1, "emails": emails, "phoneNumbers": [], "secondaryContactIds": secondaries,
        }})
    };
    let holds = |body| catch_unwind(|| assert_contact(&body)).is_ok();
    assert!(holds(contact(&["a@b.c"], &[2])));
    assert!(!holds(contact(&["a@b.c"], &[1])), "its own secondary");
    assert!(!holds(contact(&["a@b.c", "a@b.c"], &[])), "a value twice");
    assert!(!holds(contact(&["A@b.c"], &[])), "not canonical");
    assert!(!holds(contact(&[], &[])), "nobody");
}

/// Each target of the table is one of cargo-fuzz's, with a folder of samples; there are no others.
#[test]
fn every_target_is_in_every_list() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let stems = |folder: PathBuf| -> BTreeSet<String> {
        let entries = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let manifest: toml::Table = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap().parse().unwrap();
    let programs: BTreeSet<String> = manifest["bin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|program| program["name"].as_str().unwrap().to_owned())
        .collect();
    let mut want: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(stems(fuzz.join("corpus")), want);
    want.insert("planted_fault".to_owned());
    assert_eq!(stems(fuzz.join("fuzz_targets")), want);
    assert_eq!(programs, want);
}
