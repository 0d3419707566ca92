//! What the receipt of an erasure says of the time after it: the store's files, and what people wrote.

use selfsame_service::{RemnantPart, Verified};
use selfsame_store::Scrubbed;
use serde::Serialize;
use utoipa::ToSchema;

use crate::words::{FilesWord, RemnantWord};

/// What was found after an erasure.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ErasureVerified)]
pub(crate) struct VerifiedBody {
    /// `clean`: every file of the embedded store was read, and holds nothing of it, not in unused places either.
    /// `writtenAnew`: copies were left there, so the file was written anew from what is stored.
    /// `heldByReader`: another program reads a state from before; it is done when that one ends.
    /// `notYet`: the disk refuses; it is tried again until it is done.
    /// `byCommand`: the database is in PostgreSQL, where `selfsame scrub` does it.
    #[schema(value_type = FilesWord)]
    files: &'static str,
    /// Where an erased value stands in what people wrote, which stays: up to 100 places. Null if that could not be searched.
    #[schema(required = true)]
    found_elsewhere: Option<Vec<RemnantBody>>,
    /// How many such places there are.
    #[schema(required = true)]
    found_elsewhere_count: Option<usize>,
}

/// A place where an erased value stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ErasureRemnant)]
struct RemnantBody {
    /// The event that holds it.
    sequence: i64,
    /// Which part of that.
    #[schema(value_type = RemnantWord)]
    part: &'static str,
}

impl VerifiedBody {
    pub(crate) fn of(verified: &Verified) -> Self {
        let files = match verified.files {
            Some(Scrubbed::Clean) => "clean",
            Some(Scrubbed::WrittenAnew) => "writtenAnew",
            Some(Scrubbed::HeldByReader) => "heldByReader",
            Some(Scrubbed::ByCommand) => "byCommand",
            None => "notYet",
        };
        let remnants = verified.remnants.as_ref();
        let listed = remnants.map(|remnants| {
            let body = |part| match part {
                RemnantPart::Reason => "reason",
                RemnantPart::CausedBy => "causedBy",
                RemnantPart::Source => "source",
                RemnantPart::Policy => "policy",
                RemnantPart::Name => "name",
            };
            let of = remnants.listed.iter();
            of.map(|one| RemnantBody { sequence: one.event.0, part: body(one.part) }).collect()
        });
        Self {
            files,
            found_elsewhere: listed,
            found_elsewhere_count: remnants.map(|remnants| remnants.count),
        }
    }
}
