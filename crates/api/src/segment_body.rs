//! What Segment's clients send, as their HTTP Tracking API has it: a message about a person, and batches of such messages. Members
//! that say nothing of who the person is are ignored.

use axum::http::StatusCode;
use metrics::Counter;
use selfsame_rules::{Actor, Policy, Timestamp};
use selfsame_store::{Once, WorkspaceKey};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Schema, SchemaType};

use crate::observation::LENGTH_BYTES_MAX;
use crate::problem::Problem;
use crate::sources::{Gathering, Message, object, text};
use crate::times;
use crate::write_body::parse_object;

/// The route in whose name messages are kept, whichever way they came: sent by itself and in a batch, one is the same.
const ROUTE: &str = "POST /v1/batch";

/// How events name the format.
const FORMAT: &str = "segment";

/// The most messages of a batch; the clients send a hundred.
const MESSAGES_MAX: usize = 10_000;

/// What a message tells of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Who they are; its `traits` are theirs.
    Identify,
    /// That an anonymous visitor is a user.
    Alias,
    /// What they did or saw. The `traits` of `group` are those of a company.
    Other,
}

impl Call {
    fn of_type(word: &str) -> Option<Self> {
        match word {
            "identify" => Some(Self::Identify),
            "alias" => Some(Self::Alias),
            "track" | "page" | "screen" | "group" => Some(Self::Other),
            _ => None,
        }
    }
}

/// A message. Other members may be there, and are ignored.
#[derive(Deserialize, Default, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = SegmentMessage)]
pub(crate) struct MessageBody<'text> {
    /// What it is, in a batch: `identify`, `alias`, `track`, `page`, `screen` or `group`.
    #[serde(borrow)]
    #[schema(schema_with = anything)]
    r#type: Option<&'text RawValue>,
    /// The person's id in your system: an identifier of the kind `userId`, if the policy declares that.
    #[schema(schema_with = anything)]
    user_id: Option<&'text RawValue>,
    /// A visitor's id: an identifier of the kind `anonymousId`, if the policy declares that.
    #[schema(schema_with = anything)]
    anonymous_id: Option<&'text RawValue>,
    /// Of `alias`, the visitor's id, in place of `anonymousId`.
    #[schema(schema_with = anything)]
    previous_id: Option<&'text RawValue>,
    /// Of `identify`, `email` and `phone` of the person.
    #[schema(schema_with = anything)]
    traits: Option<&'text RawValue>,
    /// `traits` of the person, and the name of the client's `library`.
    #[schema(schema_with = anything)]
    context: Option<&'text RawValue>,
    /// By what it is known when it comes again.
    #[schema(schema_with = anything)]
    message_id: Option<&'text RawValue>,
    /// When it happened: RFC 3339.
    #[schema(schema_with = anything)]
    timestamp: Option<&'text RawValue>,
    /// When it was sent: RFC 3339.
    #[schema(schema_with = anything)]
    sent_at: Option<&'text RawValue>,
}

/// Messages, in their order.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SegmentBatch)]
pub(crate) struct BatchBody<'text> {
    #[serde(borrow)]
    #[schema(schema_with = messages)]
    batch: Vec<&'text RawValue>,
    /// When they were sent: RFC 3339.
    #[serde(default)]
    #[schema(schema_with = anything)]
    sent_at: Option<&'text RawValue>,
}

/// A list of which anything may be an entry.
fn messages() -> Array {
    let entries = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(SchemaType::AnyValue));
    entries.description(Some("`SegmentMessage`s; an entry that can't be read as one is left out.")).build()
}

/// Junk is no fault of a message's: what can't be used is left out.
fn anything() -> Schema {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).into()
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Traits<'text> {
    #[serde(borrow)]
    email: Option<&'text RawValue>,
    phone: Option<&'text RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Context<'text> {
    #[serde(borrow)]
    traits: Option<&'text RawValue>,
    library: Option<&'text RawValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Library<'text> {
    #[serde(borrow)]
    name: Option<&'text RawValue>,
}

/// With what messages are read.
pub(crate) struct Reading<'caller> {
    pub(crate) workspace: WorkspaceKey,
    pub(crate) policy: &'caller Policy,
    /// Whom events name as their cause.
    pub(crate) actor: Actor,
    /// Counts values that can't be used.
    pub(crate) left_out: &'caller Counter,
    pub(crate) now: Timestamp,
}

impl Reading<'_> {
    /// The message that a body is; nothing if no identifier is in it.
    pub(crate) fn message(&self, call: Call, body: &[u8]) -> Result<Option<Message>, Problem> {
        Ok(self.read(call, &parse_object(body)?, None))
    }

    /// The messages of a batch, in their order, without those that can't be read, and those in which no identifier is.
    pub(crate) fn batch(&self, body: &[u8]) -> Result<Vec<Message>, Problem> {
        let BatchBody { batch, sent_at } = parse_object(body)?;
        if batch.len() > MESSAGES_MAX {
            let detail = format!("A batch may hold {MESSAGES_MAX} messages; send fewer at a time.");
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail));
        }
        let mut messages = Vec::with_capacity(batch.len());
        for raw in batch {
            // Whoever sent one that can't be read would lose the others with it, or send all of them for ever.
            if raw.get().len() > LENGTH_BYTES_MAX {
                self.gathering().leave_out("message", "it is too long");
                continue;
            }
            let Some(body) = object::<MessageBody<'_>>(raw) else {
                self.gathering().leave_out("message", "it is no object that has each member once");
                continue;
            };
            let word = body.r#type.and_then(text).unwrap_or_default();
            match Call::of_type(&word) {
                Some(call) => messages.extend(self.read(call, &body, sent_at)),
                None => self.gathering().leave_out("message", "its type is not known"),
            }
        }
        Ok(messages)
    }

    fn gathering(&self) -> Gathering<'_> {
        Gathering::new(FORMAT, self.policy, self.left_out)
    }

    /// `sent_at`: when its batch was sent.
    fn read(&self, call: Call, body: &MessageBody<'_>, sent_at: Option<&RawValue>) -> Option<Message> {
        let mut seen = self.gathering();
        let context: Context<'_> = seen.members("context", body.context);
        let library: Library<'_> = seen.members("context.library", context.library);
        let own: Traits<'_> = seen.members("traits", body.traits.filter(|_| call == Call::Identify));
        let usual: Traits<'_> = seen.members("context.traits", context.traits);
        seen.take("email", [own.email, usual.email]);
        seen.take("phone", [own.phone, usual.phone]);
        seen.take("userId", [body.user_id]);
        // Of one kind, an observation has one value; a message of its own tells of the other.
        let previous = body.previous_id.filter(|_| call == Call::Alias);
        seen.take("anonymousId", [previous, body.anonymous_id]);

        let times = [body.timestamp, body.sent_at, sent_at].into_iter().flatten();
        let at = times.filter_map(text).find_map(|text| times::read(&text));
        let library = library.name.and_then(text);
        let observation = seen.observation(&self.actor, library.as_deref(), at)?;
        let id = body.message_id.and_then(text).filter(|id| !id.is_empty());
        // Nothing but its id: a digest of what it holds could be guessed from.
        let once = id.map(|id| Once::new(self.workspace, ROUTE, &id, [""; 0], self.now));
        Some(Message { observation, once })
    }
}

#[cfg(test)]
mod tests {
    use selfsame_rules::PolicyDocument;
    use serde_json::{Value, json};

    use super::*;

    /// The identifiers that are taken of each message of a batch, and by which it is known.
    fn read(batch: &Value) -> Vec<(Vec<String>, bool)> {
        let kinds = vec!["userId".to_owned(), "anonymousId".to_owned()];
        let document = PolicyDocument { kinds, ..PolicyDocument::default() };
        let policy = Policy::read(&document).unwrap();
        let reading = Reading {
            workspace: WorkspaceKey::DEFAULT,
            policy: &policy,
            actor: Actor::named("test"),
            left_out: &Counter::noop(),
            now: Timestamp::from_milliseconds(1),
        };
        let body = json!({ "batch": batch }).to_string();
        let messages = reading.batch(body.as_bytes()).unwrap_or_else(|problem| panic!("{}", problem.detail));
        let told = messages.iter().map(|message| {
            let seen = message.observation.identifiers();
            let seen = seen.map(|one| format!("{}={}", one.kind().name(), one.value())).collect();
            (seen, message.once.is_some())
        });
        told.collect()
    }

    #[test]
    fn each_type_of_message_tells_what_is_the_person_s_own() {
        let traits = json!({ "email": "a@x.org", "phone": 123, "name": "A" });
        let usual = json!({ "traits": { "email": "usual@x.org" } });
        for (message, want) in [
            (
                json!({ "type": "identify", "userId": "u", "traits": traits }),
                "email=a@x.org phone=123 userId=u",
            ),
            (json!({ "type": "identify", "userId": 7, "context": usual }), "email=usual@x.org userId=7"),
            (
                json!({ "type": "identify", "traits": { "email": " " }, "context": usual, "anonymousId": "v" }),
                "email=usual@x.org anonymousId=v",
            ),
            (json!({ "type": "group", "userId": "u", "groupId": "g", "traits": traits }), "userId=u"),
            (json!({ "type": "track", "userId": "u", "properties": traits }), "userId=u"),
            (
                json!({ "type": "page", "anonymousId": "v", "context": usual }),
                "email=usual@x.org anonymousId=v",
            ),
            (json!({ "type": "screen", "anonymousId": "v", "userId": null }), "anonymousId=v"),
            (json!({ "type": "alias", "previousId": "v", "userId": "u" }), "anonymousId=v userId=u"),
            (
                json!({ "type": "alias", "previousId": "v", "anonymousId": "w", "userId": "u" }),
                "anonymousId=v userId=u",
            ),
            (json!({ "type": "alias", "previousId": " ", "anonymousId": "w" }), "anonymousId=w"),
            (json!({ "type": "track", "previousId": "v", "userId": "u" }), "userId=u"),
            // Junk is left out, and the rest is taken.
            (json!({ "type": "identify", "userId": "u", "traits": { "email": "none" } }), "userId=u"),
            (
                json!({ "type": "identify", "userId": { "a": 1 }, "traits": traits }),
                "email=a@x.org phone=123",
            ),
            (json!({ "type": "identify", "userId": "u", "traits": [1], "context": "x" }), "userId=u"),
        ] {
            let got = read(&json!([message]));
            assert_eq!(got.iter().map(|(seen, _)| seen.join(" ")).collect::<Vec<_>>(), [want], "{message}");
        }
    }

    #[test]
    fn a_message_is_known_by_its_id() {
        let batch = json!([
            { "type": "track", "userId": "u", "messageId": "m1" },
            { "type": "track", "userId": "u", "messageId": "" },
            { "type": "track", "userId": "u" },
        ]);
        assert_eq!(read(&batch).iter().map(|(_, known)| *known).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn what_tells_of_nobody_is_no_message() {
        for message in [
            json!({ "type": "track", "event": "Opened" }),
            json!({ "type": "delete", "userId": "u" }),
            json!({ "userId": "u" }),
            json!({ "type": 1, "userId": "u" }),
            json!({}),
        ] {
            assert_eq!(read(&json!([message])), [], "{message}");
        }
    }
}
