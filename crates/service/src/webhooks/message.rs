//! A signed message, as Standard Webhooks has it.
//!
//! Source: <https://www.standardwebhooks.com>, "Specification", "Webhook metadata" and "Signature scheme".

use selfsame_rules::{Event, Timestamp};
use selfsame_store::{StoreError, WebhookRow, WebhookSecret};

/// What is posted to an endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// `webhook-id`: the same however often it is sent.
    pub id: String,
    /// `webhook-timestamp`: when this attempt began, in Unix seconds.
    pub timestamp: i64,
    /// `webhook-signature`: one for each secret that holds, with a space between.
    pub signature: String,
    /// JSON.
    pub body: String,
}

impl Message {
    /// Signs it with each secret of the endpoint that holds now.
    ///
    /// # Errors
    ///
    /// [`StoreError::Failed`] if a secret is none.
    pub(super) fn signed(
        row: &WebhookRow,
        id: String,
        body: String,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let timestamp = now.as_milliseconds().div_euclid(1_000);
        let former = row.former_secret.as_ref().filter(|(_, until)| now < *until).map(|(secret, _)| secret);
        let signatures = [Some(&row.secret), former].into_iter().flatten();
        let signatures = signatures.map(|secret| sign(secret, &id, timestamp, &body));
        let signature = signatures.collect::<Result<Vec<_>, _>>()?.join(" ");
        Ok(Self { id, timestamp, signature, body })
    }

    /// The id of an event's message. Its time is in it, since after a restore of an older state another event may get the
    /// same number.
    pub(super) fn id_of(row: &WebhookRow, event: &Event) -> String {
        format!("evt_{}_{}_{}", row.workspace, event.sequence, event.at.as_milliseconds())
    }
}

fn sign(secret: &WebhookSecret, id: &str, timestamp: i64, body: &str) -> Result<String, StoreError> {
    // What it says of a secret that can't be read may be a part of it.
    let unreadable = |_| StoreError::failed("the secret of a webhook can't be read");
    let webhook = standardwebhooks::Webhook::new(&secret.0).map_err(unreadable)?;
    webhook.sign(id, timestamp, body.as_bytes()).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use selfsame_rules::Sequence;
    use selfsame_store::{WebhookProgress, WorkspaceKey};

    use super::*;

    #[test]
    fn the_former_secret_signs_besides_until_its_time_is_over() {
        let at = Timestamp::from_milliseconds;
        let secret = |text: &str| WebhookSecret(text.into());
        let row = WebhookRow {
            workspace: WorkspaceKey(1),
            id: "a".into(),
            url: "https://a.example".into(),
            kinds: Vec::new(),
            secret: secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"),
            former_secret: Some((secret("whsec_AAAA"), at(1_649_367_554_000))),
            created_at: at(0),
            progress: WebhookProgress::after(Sequence(0)),
            holder: "".into(),
            is_held: false,
            revision: 1,
        };
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        let signed = |now| {
            let id = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk".to_owned();
            Message::signed(&row, id, body.to_owned(), at(now)).unwrap().signature
        };
        // Of the crate's own tests.
        let known = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
        let both = signed(1_649_367_553_999);
        assert_eq!(both.split(' ').next(), Some(known));
        assert_eq!(both.split(' ').count(), 2);
        let later = signed(1_649_367_554_000);
        assert_eq!(later.split(' ').count(), 1);
    }
}
