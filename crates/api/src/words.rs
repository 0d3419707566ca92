//! The fixed words of answers, for the description of the interface: what a member may say, as a closed list. The code that
//! writes an answer has them as texts.

use utoipa::ToSchema;

/// What came of an observation.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is what the description of the interface shows")]
#[schema(rename_all = "camelCase", as = ObservedOutcome)]
pub(crate) enum ObservedWord {
    Created,
    Attached,
    Merged,
    Unchanged,
    Refused,
}

/// What an event is about.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is what the description of the interface shows")]
#[schema(rename_all = "camelCase", as = EventKind)]
pub(crate) enum EventWord {
    Created,
    Attached,
    Merged,
    Refused,
    Undone,
    Split,
    Joined,
    Reviewed,
    Deleted,
    Erased,
    PolicyChanged,
    Refolded,
    Imported,
    Adopted,
    KeyChanged,
    WorkspaceChanged,
}

/// The same, as a request may name them.
pub(crate) const EVENT_KINDS: [&str; 16] = [
    "created",
    "attached",
    "merged",
    "refused",
    "undone",
    "split",
    "joined",
    "reviewed",
    "deleted",
    "erased",
    "policyChanged",
    "refolded",
    "imported",
    "adopted",
    "keyChanged",
    "workspaceChanged",
];

/// A rule of the policy, or of what people decided.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is what the description of the interface shows")]
#[schema(rename_all = "camelCase", as = RuleName)]
pub(crate) enum RuleWord {
    KeptApart,
    Unique,
    Identifiers,
    Contacts,
}

/// What a key is good for.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is what the description of the interface shows")]
#[schema(rename_all = "camelCase", as = Scope)]
pub(crate) enum ScopeWord {
    Identify,
    Read,
    Write,
    Admin,
}

/// What was found of the embedded store's files after an erasure.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is what the description of the interface shows")]
#[schema(rename_all = "camelCase", as = ErasureFiles)]
pub(crate) enum FilesWord {
    Clean,
    WrittenAnew,
    HeldByReader,
    NotYet,
    ByCommand,
}

/// A part of an event that people wrote.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is what the description of the interface shows")]
#[schema(rename_all = "camelCase", as = ErasureRemnantPart)]
pub(crate) enum RemnantWord {
    Reason,
    CausedBy,
    Source,
    Policy,
    Name,
}

/// How a webhook fares.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is what the description of the interface shows")]
#[schema(rename_all = "camelCase", as = WebhookState)]
pub(crate) enum WebhookStateWord {
    Delivering,
    Failing,
    Parked,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_that_a_request_may_name_are_those_that_are_described() {
        let description = crate::openapi::description();
        let described = description["components"]["schemas"]["EventKind"]["enum"].clone();
        assert_eq!(described, serde_json::json!(EVENT_KINDS));
    }
}
