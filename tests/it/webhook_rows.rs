//! What every store promises of webhooks (crate `store`, "The contract", 9): rows as they were written, and one holder.

use selfsame_rules::{Sequence, Timestamp};
use selfsame_store::{WebhookChange, WebhookNote, WebhookProgress, WebhookRow, WebhookSecret};
use support::databases::Databases;
use support::webhooks::{change, note, row};

#[tokio::test]
async fn a_row_is_read_as_it_was_written_and_whoever_knows_an_older_one_writes_nothing() {
    for databases in [Databases::Sqlite, Databases::postgres()] {
        let database = databases.empty().await;
        let store = database.open().await;
        let (one, other) = (row("a"), row("b"));
        for row in [&one, &other] {
            change(&*store, Some(WebhookChange::Added(row.clone()))).await;
        }
        let all = async || store.webhooks().await.expect("it can be read");
        assert_eq!(all().await, [one.clone(), other.clone()], "{databases}");

        // Of two who know the same row, one takes it.
        assert!(store.note_webhook(note(&one, "first")).await.expect("it can be written"));
        assert!(!store.note_webhook(note(&one, "second")).await.expect("it can be written"));
        let held = WebhookRow { holder: "first".into(), is_held: true, revision: 2, ..one.clone() };
        assert_eq!(all().await, [held.clone(), other.clone()], "{databases}");

        let at = Timestamp::from_milliseconds;
        let progress = WebhookProgress {
            position: Sequence(7),
            is_parked: true,
            failures: 9,
            failing_since: Some(at(1)),
            last_attempt_at: Some(at(2)),
            last_status: Some(599),
            last_problem: Some("a sentence".into()),
            next_attempt_at: Some(at(3)),
        };
        let given_back = WebhookNote { is_held: false, progress: progress.clone(), ..note(&held, "first") };
        assert!(store.note_webhook(given_back).await.expect("it can be written"));
        let noted = WebhookRow { is_held: false, revision: 3, progress, ..held };
        assert_eq!(all().await, [noted.clone(), other.clone()], "{databases}");

        // What people change, whoever held it knows nothing of.
        assert!(store.note_webhook(note(&noted, "third")).await.expect("it can be written"));
        let former_secret = Some((WebhookSecret("whsec_AAAA".into()), at(4)));
        let changed = WebhookRow { former_secret, kinds: Vec::new(), ..noted };
        let seen = change(&*store, Some(WebhookChange::Changed(changed.clone()))).await;
        assert_eq!((seen.rows.len(), seen.last_sequence), (2, Sequence(0)));
        let there = all().await.remove(0);
        assert_eq!(there, WebhookRow { revision: 5, holder: "".into(), ..changed }, "{databases}");
        let stale = WebhookRow { revision: 4, ..there };
        assert!(!store.note_webhook(note(&stale, "third")).await.expect("it can be written"));

        change(&*store, Some(WebhookChange::Removed("a".into()))).await;
        assert_eq!(all().await, [other], "{databases}");
        assert!(!store.note_webhook(note(&stale, "third")).await.expect("it can be written"));
        store.close().await.expect("it closes");
    }
}
