//! The fixed words of answers, for the description of the interface: what a member may say, as a closed list. The code that
//! writes an answer has them as texts.

#![expect(dead_code, reason = "they are what the description of the interface shows")]

use utoipa::ToSchema;

/// What came of an observation.
#[derive(ToSchema)]
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
    Adopted,
    KeyChanged,
    WorkspaceChanged,
}

/// A rule of the policy, or of what people decided.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", as = RuleName)]
pub(crate) enum RuleWord {
    KeptApart,
    Unique,
    Identifiers,
    Contacts,
}

/// What a key is good for.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase", as = Scope)]
pub(crate) enum ScopeWord {
    Identify,
    Read,
    Write,
    Admin,
}

/// What was found of the embedded store's files after an erasure.
#[derive(ToSchema)]
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
#[schema(rename_all = "camelCase", as = ErasureRemnantPart)]
pub(crate) enum RemnantWord {
    Reason,
    CausedBy,
    Source,
    Policy,
    Name,
}
