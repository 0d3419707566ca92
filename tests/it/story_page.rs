//! `docs/STORY.md`, followed: its commands in their order against a new server, and each answer as the page shows it. What it
//! tells is proved in `story`.

use std::process::Command;

use serde_json::Value;
use support::home::Home;
use support::process::{ServerProcess, clean, command};

const PAGE: &str = include_str!("../../docs/STORY.md");

/// Where the page's server is.
const ADDRESS: &str = "127.0.0.1:3000";

/// What parts the answers of a shell that runs all commands.
const BETWEEN: &str = "--- that was one ---";

/// A command of the page, and the answer that it shows.
struct Step {
    command: String,
    answer: String,
}

/// The page's commands, each the first thing in its block, but for the one that starts the server.
fn steps(page: &str) -> Vec<Step> {
    let blocks = page.split("```console\n$ ").skip(1);
    let blocks = blocks.map(|rest| rest.split_once("\n```").expect("the block ends").0);
    // A command goes on where the next line is indented.
    let step = |block: &str| {
        let begins = block.match_indices('\n').map(|(at, _)| at);
        let mut ends = begins.filter(|at| !block[at + 1..].starts_with("    "));
        let end = ends.next().unwrap_or(block.len());
        let (command, answer) = block.split_at(end);
        Step { command: command.to_owned(), answer: answer.to_owned() }
    };
    blocks.map(step).filter(|step| !step.command.starts_with("selfsame serve")).collect()
}

/// Follows a page against a new server of that home; how many of its answers were so, or the first that wasn't.
fn follow(page: &str, home: &Home) -> Result<usize, String> {
    let server = ServerProcess::spawn(command(home.path(), &["serve", "--port", "0"])).unwrap();
    let steps = steps(page);
    let commands = steps.iter().map(|step| format!("{}\necho; echo '{BETWEEN}'\n", step.command));
    let script = commands.collect::<String>().replace(ADDRESS, &server.address.to_string());
    // One shell, since a later command may use what an earlier one noted.
    let mut shell = Command::new("bash");
    let output = clean(&mut shell, home.path()).args(["-c", &script]).output().expect("there is a shell");
    let told = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<&str> = told.split(BETWEEN).collect();
    assert_eq!(answers.len(), steps.len() + 1, "each command ran");
    for (step, answer) in steps.iter().zip(&answers) {
        if readable(&step.answer) != readable(answer) {
            return Err(format!(
                "$ {}\nis answered\n{answer}\nand the page shows\n{}",
                step.command, step.answer
            ));
        }
    }
    Ok(steps.len())
}

/// An answer without what differs from run to run; null of a command that answers nothing.
fn readable(answer: &str) -> Value {
    if answer.trim().is_empty() {
        return Value::Null;
    }
    let mut value = serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    settle(&mut value);
    value
}

fn settle(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if ["at", "createdAt", "updatedAt", "requestId"].contains(&name.as_str()) {
                    *member = Value::Null;
                }
                settle(member);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_page_s_answers_are_those_of_a_new_server() {
    let followed = follow(PAGE, &Home::sqlite()).unwrap_or_else(|told| panic!("{told}"));
    assert!(followed >= 15, "{followed}");
}

#[tokio::test]
async fn on_postgresql_they_differ_in_what_searches_the_files() {
    let page = PAGE.replace(r#""files": "clean""#, r#""files": "byCommand""#);
    assert_ne!(page, PAGE);
    follow(&page, &Home::postgres().await).unwrap_or_else(|told| panic!("{told}"));
}

/// The negative control: a page that tells something else is caught, at the command that is answered otherwise.
#[test]
fn a_page_that_is_not_so_is_caught() {
    for (page, fault) in [
        (PAGE.replace(r#""outcome": "refused""#, r#""outcome": "merged""#), "/v1/observations"),
        (PAGE.replace(r#""value": null"#, r#""value": "marty@hillvalley.edu""#), "/v1/identities/2?at="),
        (PAGE.replace("other=2", "other=1"), "/why?other=1"),
        (PAGE.replace("?dryRun=true' -H", "' -H"), "/v1/events/3/undo"),
    ] {
        assert_ne!(page, PAGE);
        let told = follow(&page, &Home::sqlite()).expect_err("it is not so");
        let command = told.lines().next().unwrap();
        assert!(command.contains(fault), "{fault}: {told}");
    }
}
