//! Webhooks in tests: asked for by the API, and as rows of a store.

use selfsame_rules::{Sequence, Timestamp};
use selfsame_store::{
    Decided, Store, WebhookChange, WebhookNote, WebhookProgress, WebhookRow, WebhookSecret, WebhooksSeen,
    WorkspaceKey,
};
use serde_json::{Value, json};

use crate::client::{Ask, Client, Reply};
use crate::shop::ADMIN;

/// An endpoint that was added: its id and its secret.
pub struct Added {
    pub id: String,
    pub secret: String,
}

/// Adds an endpoint that gets everything from the beginning, of these kinds, if any is named.
pub async fn add(client: &mut Client, url: &str, kinds: &[&str]) -> Added {
    let body = json!({ "url": url, "kinds": kinds, "after": 0 });
    let reply = post(client, "/v1/webhooks", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let added = reply.json();
    let text = |member: &str| added[member].as_str().expect("a text").to_owned();
    assert_eq!(reply.headers["location"].to_str().expect("ASCII"), format!("/v1/webhooks/{}", text("id")));
    Added { id: text("id"), secret: text("secret") }
}

/// Posts something as an administrator.
pub async fn post(client: &mut Client, path: &str, body: &Value) -> Reply {
    let body = body.to_string();
    client.ask(Ask::new("POST", path).key(ADMIN).body(&body)).await
}

/// What is told of an endpoint now.
pub async fn told(client: &mut Client, id: &str) -> Value {
    let path = format!("/v1/webhooks/{id}");
    let reply = client.ask(Ask::new("GET", &path).key(ADMIN)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// Asks until an endpoint is told to be so.
pub async fn until(client: &mut Client, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let told = told(client, id).await;
        if is_so(&told) {
            return told;
        }
        assert!(begun.elapsed().as_secs() < 60, "never {what}: {told}");
        tokio::task::yield_now().await;
    }
}

/// The number of the last event of the log of the default workspace.
pub async fn last_event(client: &mut Client) -> i64 {
    let reply = client.ask(Ask::new("GET", "/v1/workspaces/default").key(ADMIN)).await;
    reply.json()["events"].as_i64().expect("a number")
}

/// A row as it is added.
pub fn row(id: &str) -> WebhookRow {
    WebhookRow {
        workspace: WorkspaceKey::DEFAULT,
        id: id.into(),
        url: "https://shop.example/hook".into(),
        kinds: vec!["created".into(), "merged".into()],
        secret: WebhookSecret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".into()),
        former_secret: None,
        created_at: Timestamp::from_milliseconds(5),
        progress: WebhookProgress::after(Sequence(0)),
        holder: "".into(),
        is_held: false,
        revision: 1,
    }
}

/// Has a store make that change; what it was shown.
pub async fn change(store: &dyn Store, change: Option<WebhookChange>) -> WebhooksSeen {
    let (sender, seen) = std::sync::mpsc::channel();
    let decision = Box::new(move |seen: &WebhooksSeen| {
        sender.send(seen.clone()).expect("the test waits");
        Decided::from(change.clone())
    });
    store.change_webhooks(WorkspaceKey::DEFAULT, None, decision).await.expect("the store works");
    seen.try_iter().last().expect("it was called")
}

/// A note about a row: that somebody holds it.
pub fn note(row: &WebhookRow, holder: &str) -> WebhookNote {
    WebhookNote {
        workspace: row.workspace,
        id: row.id.clone(),
        revision: row.revision,
        holder: holder.into(),
        is_held: true,
        progress: row.progress.clone(),
    }
}

/// Has a store do all that it can with webhooks.
pub async fn use_everything(store: &dyn Store) {
    let added = row("a");
    change(store, Some(WebhookChange::Added(added.clone()))).await;
    assert!(store.note_webhook(note(&added, "one")).await.expect("the store works"));
    let held = store.webhooks().await.expect("the store works").remove(0);
    change(store, Some(WebhookChange::Changed(held))).await;
    change(store, None).await;
    change(store, Some(WebhookChange::Removed("a".into()))).await;
}
