//! `selfsame why`, `history`, `record`, `undo`, `split`, `merge` and `erase`: a person at a terminal asks and corrects.

use axum::http::Method;
use serde_json::{Value, json};

use crate::ask::Question;
use crate::keys::{PlaceArguments, text};
use crate::table::put_table;
use crate::workspaces::pages;
use crate::{Outcome, log, put};

/// What each of these commands takes.
#[derive(clap::Args)]
struct AboutArguments {
    /// The workspace [default: default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: PlaceArguments,
}

#[derive(clap::Args)]
pub(crate) struct WhyArguments {
    /// A contact's number
    contact: i64,
    /// Another contact's number
    other: i64,
    #[command(flatten)]
    about: AboutArguments,
}

#[derive(clap::Args)]
pub(crate) struct HistoryArguments {
    /// A contact's number: the events of its identity are listed
    contact: i64,
    #[command(flatten)]
    about: AboutArguments,
}

#[derive(clap::Args)]
pub(crate) struct RecordArguments {
    /// A contact's number: what is held about its person is told
    contact: i64,
    /// The workspace [default: default]
    #[arg(long, value_name = "NAME")]
    workspace: Option<String>,
    #[command(flatten)]
    place: PlaceArguments,
}

/// Why a correction is made, and whether it is.
#[derive(clap::Args)]
struct CorrectionArguments {
    /// Why: it stands in the event
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Tell what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    about: AboutArguments,
}

#[derive(clap::Args)]
pub(crate) struct UndoArguments {
    /// The number of the event: a merge or an attachment
    event: i64,
    #[command(flatten)]
    correction: CorrectionArguments,
}

#[derive(clap::Args)]
pub(crate) struct SplitArguments {
    /// The contacts that are somebody else: some of one identity
    #[arg(required = true)]
    contacts: Vec<i64>,
    #[command(flatten)]
    correction: CorrectionArguments,
}

#[derive(clap::Args)]
pub(crate) struct MergeArguments {
    /// A contact of the one identity
    contact: i64,
    /// A contact of the other
    other: i64,
    #[command(flatten)]
    correction: CorrectionArguments,
}

#[derive(clap::Args)]
pub(crate) struct EraseArguments {
    /// A contact of the person who is erased
    contact: i64,
    /// The same number again: this can't be undone
    #[arg(long, value_name = "CONTACT", required_unless_present = "dry_run")]
    confirm: Option<i64>,
    /// Tell what would go, and erase nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    about: AboutArguments,
}

pub(crate) async fn why(arguments: WhyArguments) -> anyhow::Result<Outcome> {
    let WhyArguments { contact, other, about } = arguments;
    let json = about.json;
    let path = format!("/v1/identities/{contact}/why?other={other}");
    let answer = match ask("why", Method::GET, path, None, about).await? {
        Ok(answer) => answer,
        Err(no) => return Ok(no),
    };
    let same = answer["samePerson"] == true;
    if json {
        put(&answer.to_string())?;
    } else if !same {
        put(&format!("contacts {contact} and {other} are not the same person"))?;
    } else if contact == other {
        put(&format!("{contact} is one contact, and so one person"))?;
    } else {
        let steps = answer["steps"].as_array().map_or(&[][..], Vec::as_slice);
        let row = |step: &Value| {
            let number = |member: &str| step[member].to_string();
            [number("fromContactId"), number("toContactId"), number("sequence"), evidence(&step["evidence"])]
        };
        put_table(["FROM", "TO", "EVENT", "SEEN"], &steps.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(if same { Outcome::Done } else { Outcome::No })
}

pub(crate) async fn history(arguments: HistoryArguments) -> anyhow::Result<Outcome> {
    let HistoryArguments { contact, about } = arguments;
    log::start("warn")?;
    let path = format!("/v1/identities/{contact}/events");
    let (json, workspace) = (about.json, about.workspace);
    let database = about.place.database()?;
    let events = match pages(&database, "history", &path, "events", workspace.as_deref()).await? {
        Ok(events) => events,
        Err(no) => return Ok(no),
    };
    if json {
        events.iter().try_for_each(|event| put(&event.to_string()))?;
    } else {
        put_events(&events)?;
    }
    Ok(Outcome::Done)
}

pub(crate) async fn record(arguments: RecordArguments) -> anyhow::Result<Outcome> {
    let RecordArguments { contact, workspace, place } = arguments;
    let path = format!("/v1/identities/{contact}/record");
    match ask("record", Method::GET, path, None, AboutArguments { workspace, json: true, place }).await? {
        Ok(record) => put(&serde_json::to_string_pretty(&record)?)?,
        Err(no) => return Ok(no),
    }
    Ok(Outcome::Done)
}

pub(crate) async fn undo(arguments: UndoArguments) -> anyhow::Result<Outcome> {
    let path = format!("/v1/events/{}/undo", arguments.event);
    correct("undo", path, json!({}), arguments.correction).await
}

pub(crate) async fn split(arguments: SplitArguments) -> anyhow::Result<Outcome> {
    let path = format!("/v1/identities/{}/split", arguments.contacts[0]);
    correct("split", path, json!({ "contactIds": arguments.contacts }), arguments.correction).await
}

pub(crate) async fn merge(arguments: MergeArguments) -> anyhow::Result<Outcome> {
    let path = format!("/v1/identities/{}/merge", arguments.contact);
    if arguments.correction.reason.is_none() {
        anyhow::bail!(
            "a merge by hand needs a reason\nhint: add `--reason 'wrote to us'`, or whatever shows that they are one"
        );
    }
    correct("merge", path, json!({ "withContactId": arguments.other }), arguments.correction).await
}

pub(crate) async fn erase(arguments: EraseArguments) -> anyhow::Result<Outcome> {
    let EraseArguments { contact, confirm, dry_run, about } = arguments;
    if confirm.is_some_and(|confirm| confirm != contact) {
        anyhow::bail!("`--confirm` names another contact than {contact}; nothing was erased");
    }
    let json = about.json;
    let path = format!("/v1/identities/{contact}?dryRun={dry_run}");
    let receipt = match ask("erase", Method::DELETE, path, None, about).await? {
        Ok(receipt) => receipt,
        Err(no) => return Ok(no),
    };
    if json {
        put(&receipt.to_string())?;
        return Ok(Outcome::Done);
    }
    let contacts = receipt["contactIds"].as_array().map_or(0, Vec::len);
    let (did, go) = if dry_run { ("would erase", "would go") } else { ("erased", "went") };
    put(&format!(
        "{did} {}: {} {go} from there, and from {}",
        counted(contacts, "contact"),
        counted(number(&receipt["values"]), "value"),
        counted(number(&receipt["eventsRewritten"]), "event")
    ))?;
    let others = receipt["borneByOthers"].as_array().map_or(&[][..], Vec::as_slice);
    others.iter().try_for_each(|other| {
        put(&format!(
            "{} stays with contact {}, who is somebody else",
            text(&other["kind"]),
            other["contactId"]
        ))
    })?;
    put_verified(&receipt["verified"])?;
    Ok(Outcome::Done)
}

/// What a receipt says of the time after it.
fn put_verified(verified: &Value) -> anyhow::Result<()> {
    let told = match verified["files"].as_str() {
        Some("clean") => "the database's files were read: nothing of it is left in them",
        Some("writtenAnew") => "the database's file was written anew: nothing of it is left in it",
        Some("heldByReader") => {
            "another program reads the time before: once that has ended, a running server removes the rest, or the next start"
        }
        Some("notYet") => {
            "the disk refuses, so copies may be left in the files: a server goes on trying, and so does each start"
        }
        Some("byCommand") => {
            "run `selfsame scrub` now: until then, PostgreSQL keeps copies in its tables and indexes"
        }
        _ => return Ok(()),
    };
    put(told)?;
    let found = verified["foundElsewhere"].as_array().map_or(&[][..], Vec::as_slice);
    found.iter().try_for_each(|place| {
        put(&format!("it stands in what people wrote: event {}, {}", place["sequence"], text(&place["part"])))
    })
}

async fn correct(
    command: &'static str,
    path: String,
    mut body: Value,
    correction: CorrectionArguments,
) -> anyhow::Result<Outcome> {
    let CorrectionArguments { reason, dry_run, about } = correction;
    if let Some(reason) = reason {
        body["reason"] = reason.into();
    }
    let json = about.json;
    let path = format!("{path}?dryRun={dry_run}");
    let corrected = match ask(command, Method::POST, path, Some(body), about).await? {
        Ok(corrected) => corrected,
        Err(no) => return Ok(no),
    };
    if json {
        put(&corrected.to_string())?;
    } else {
        put_events(std::slice::from_ref(&corrected["event"]))?;
        if dry_run {
            put("nothing was changed: this is what would happen")?;
        }
    }
    Ok(Outcome::Done)
}

async fn ask(
    command: &'static str,
    method: Method,
    path: String,
    body: Option<Value>,
    about: AboutArguments,
) -> anyhow::Result<Result<Value, Outcome>> {
    log::start("warn")?;
    let question = Question { command, method, path, body, workspace: about.workspace.as_deref() };
    let answer = question.ask(&about.place.database()?).await?.success()?;
    Ok(match answer {
        Ok(answer) => Ok(serde_json::from_str(&answer)?),
        Err(no) => Err(no),
    })
}

fn put_events(events: &[Value]) -> anyhow::Result<()> {
    let row = |event: &Value| {
        let seen = evidence(&event["evidence"]);
        let what = if seen.is_empty() { changed(&event["outcome"]) } else { seen };
        [
            event["sequence"].to_string(),
            text(&event["at"]),
            text(&event["kind"]),
            text(&event["causedBy"]),
            what,
        ]
    };
    put_table(["EVENT", "AT", "KIND", "BY", "WHAT"], &events.iter().map(row).collect::<Vec<_>>())
}

/// What was seen, in a line.
fn evidence(evidence: &Value) -> String {
    let seen = evidence.as_array().into_iter().flatten().map(|one| {
        let value = one["value"].as_str().unwrap_or("(erased)");
        format!("{} {value}", text(&one["kind"]))
    });
    seen.collect::<Vec<_>>().join(", ")
}

/// What a correction changed, in a line.
fn changed(outcome: &Value) -> String {
    let moves =
        outcome["moves"].as_array().into_iter().flatten().map(|moved| match moved["part"].as_array() {
            Some(part) => {
                let part: Vec<String> = part.iter().map(Value::to_string).collect();
                let contacts = if part.len() == 1 { "contact" } else { "contacts" };
                format!("{contacts} {} left", part.join(", "))
            }
            None => format!("contact {} joined {}", moved["join"], moved["to"]),
        });
    let contacts = outcome["contactIds"].as_array().into_iter().flatten();
    let erased = contacts.map(|contact| format!("contact {contact} erased"));
    moves.chain(erased).collect::<Vec<_>>().join("; ")
}

fn number(value: &Value) -> usize {
    value.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or_default()
}

/// `1 event`, `2 events`.
fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}
