//! The statements that look at identities and their past, and that carry corrections out.

/// A contact's own columns, and which of its values it owns.
macro_rules! row {
    () => {
        "contact.id, contact.email, contact.phone, contact.declared, contact.linked_id, contact.created_at_ms,
        contact.updated_at_ms, contact.deleted_at_ms,
        EXISTS (
            SELECT 1 FROM selfsame.identifiers
            WHERE workspace = $1 AND kind = 'email' AND value = contact.email AND contact_id = contact.id
        ) AS owns_email,
        EXISTS (
            SELECT 1 FROM selfsame.identifiers
            WHERE workspace = $1 AND kind = 'phone' AND value = contact.phone AND contact_id = contact.id
        ) AS owns_phone,
        ARRAY(
            SELECT borne.key
            FROM json_each_text(contact.declared::json) AS borne (key, value)
            CROSS JOIN LATERAL (
                SELECT contact_id FROM selfsame.identifiers
                WHERE workspace = $1 AND kind = borne.key AND value = borne.value
                LIMIT 1
            ) AS owner
            WHERE owner.contact_id = contact.id
        ) AS owns_declared"
    };
}

macro_rules! event {
    () => {
        "event.sequence, event.at_ms, event.kind, event.format, event.caused_by, event.evidence, event.outcome,
        event.origin"
    };
}

/// Where the workspace's log stands, and its policy.
pub(crate) const STANDING: &str = "SELECT last_sequence, last_contact_id, last_event_at_ms, policy
    FROM selfsame.workspaces WHERE workspace = $1 AND erased_at_ms IS NULL";

pub(crate) const OWNERS: &str = "SELECT DISTINCT owner.contact_id
    FROM unnest($2::text[], $3::text[]) AS wanted (kind, value)
    CROSS JOIN LATERAL (
        SELECT contact_id FROM selfsame.identifiers
        WHERE workspace = $1 AND kind = wanted.kind AND value = wanted.value
        LIMIT 1
    ) AS owner";

pub(crate) const CONTACTS_BY_ID: &str = concat!(
    "SELECT ",
    row!(),
    "
    FROM unnest($2::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT * FROM selfsame.contacts WHERE workspace = $1 AND id = wanted.id LIMIT 1
    ) AS contact"
);

pub(crate) const CONTACTS_BY_PRIMARY: &str = concat!(
    "SELECT ",
    row!(),
    "
    FROM unnest($2::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT * FROM selfsame.contacts WHERE workspace = $1 AND id = wanted.id
        UNION ALL
        SELECT * FROM selfsame.contacts WHERE workspace = $1 AND linked_id = wanted.id
        OFFSET 0
    ) AS contact"
);

/// The live ones of a primary ($2) and all that link to it.
macro_rules! identity {
    () => {
        "(
            SELECT * FROM selfsame.contacts WHERE workspace = $1 AND id = $2
            UNION ALL
            SELECT * FROM selfsame.contacts WHERE workspace = $1 AND linked_id = $2
        ) AS identity
        WHERE deleted_at_ms IS NULL"
    };
}

/// So many ($5) of an identity's live contacts, oldest first, after that age ($3, $4).
pub(crate) const PAGE_OF_IDENTITY: &str = concat!(
    "SELECT ",
    row!(),
    "
    FROM (
        SELECT * FROM ",
    identity!(),
    " AND (created_at_ms > $3 OR (created_at_ms = $3 AND id > $4))
        ORDER BY created_at_ms, id LIMIT $5
    ) AS contact
    ORDER BY contact.created_at_ms, contact.id"
);

pub(crate) const COUNT_OF_IDENTITY: &str = concat!("SELECT count(*) AS contacts FROM ", identity!());

/// Those of some identifiers ($2, $3) that contacts of the identity of a primary ($4) own.
pub(crate) const OWNED_BY_IDENTITY: &str = "SELECT wanted.kind, wanted.value
    FROM unnest($2::text[], $3::text[]) AS wanted (kind, value)
    CROSS JOIN LATERAL (
        SELECT contact_id FROM selfsame.identifiers
        WHERE workspace = $1 AND kind = wanted.kind AND value = wanted.value
        LIMIT 1
    ) AS owner
    CROSS JOIN LATERAL (
        SELECT id, linked_id FROM selfsame.contacts WHERE workspace = $1 AND id = owner.contact_id LIMIT 1
    ) AS contact
    WHERE coalesce(contact.linked_id, contact.id) = $4";

/// The live contacts of every identity, the identities in the order of their primaries, each oldest first.
pub(crate) const SCAN_IDENTITIES: &str = concat!(
    "SELECT ",
    row!(),
    "
    FROM selfsame.contacts AS contact
    WHERE workspace = $1 AND deleted_at_ms IS NULL
    ORDER BY coalesce(contact.linked_id, contact.id), contact.created_at_ms, contact.id"
);

/// Reads all contacts of the workspace: no index knows who bears what nobody or somebody else owns.
pub(crate) const CONTACTS_BEARING: &str = concat!(
    "SELECT ",
    row!(),
    "
    FROM selfsame.contacts AS contact
    WHERE workspace = $1 AND deleted_at_ms IS NULL AND EXISTS (
        SELECT 1 FROM unnest($2::text[], $3::text[]) AS wanted (kind, value)
        WHERE (wanted.kind = 'email' AND wanted.value = contact.email)
            OR (wanted.kind = 'phone' AND wanted.value = contact.phone)
            OR wanted.value = contact.declared::json ->> wanted.kind
    )"
);

pub(crate) const EVENTS_OF: &str = concat!(
    "SELECT ",
    event!(),
    "
    FROM (
        SELECT contact.event_sequence AS sequence
        FROM unnest($2::bigint[]) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT event_sequence FROM selfsame.contacts WHERE workspace = $1 AND id = wanted.id LIMIT 1
        ) AS contact
        UNION
        SELECT concerned.sequence
        FROM unnest($2::bigint[]) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT sequence FROM selfsame.event_contacts WHERE workspace = $1 AND contact_id = wanted.id OFFSET 0
        ) AS concerned
    ) AS found
    CROSS JOIN LATERAL (
        SELECT * FROM selfsame.events WHERE workspace = $1 AND sequence = found.sequence LIMIT 1
    ) AS event"
);

pub(crate) const EVENTS_BY_SEQUENCE: &str = concat!(
    "SELECT ",
    event!(),
    "
    FROM unnest($2::bigint[]) AS wanted (sequence)
    CROSS JOIN LATERAL (
        SELECT * FROM selfsame.events WHERE workspace = $1 AND sequence = wanted.sequence LIMIT 1
    ) AS event"
);

pub(crate) const EVENTS_GOVERNING: &str = concat!(
    "SELECT ",
    event!(),
    "
    FROM selfsame.events AS event WHERE workspace = $1 AND kind IN ('policyChanged', 'refolded')"
);

pub(crate) const EVENTS_OF_PAIRS: &str = concat!(
    "SELECT ",
    event!(),
    "
    FROM (
        SELECT DISTINCT apart.sequence
        FROM unnest($2::bigint[]) AS wanted (id)
        CROSS JOIN LATERAL (
            SELECT sequence FROM selfsame.kept_apart WHERE workspace = $1 AND contact_id = wanted.id OFFSET 0
        ) AS apart
    ) AS found
    CROSS JOIN LATERAL (
        SELECT * FROM selfsame.events WHERE workspace = $1 AND sequence = found.sequence LIMIT 1
    ) AS event"
);

/// Reads the whole log for evidence in which one of the texts ($2) stands, which values have in JSON.
pub(crate) const EVENTS_WITH: &str = concat!(
    "SELECT ",
    event!(),
    "
    FROM selfsame.events AS event
    WHERE workspace = $1
        AND EXISTS (SELECT 1 FROM unnest($2::text[]) AS wanted (text) WHERE strpos(event.evidence, wanted.text) > 0)"
);

pub(crate) const REFUSALS: &str = concat!(
    "SELECT ",
    event!(),
    ", refusal.settled_sequence IS NOT NULL AS is_settled, wanted.evidence AS digest
    FROM unnest($2::text[]) AS wanted (evidence)
    CROSS JOIN LATERAL (
        SELECT sequence, settled_sequence FROM selfsame.refusals
        WHERE workspace = $1 AND evidence = wanted.evidence
        OFFSET 0
    ) AS refusal
    CROSS JOIN LATERAL (
        SELECT * FROM selfsame.events WHERE workspace = $1 AND sequence = refusal.sequence LIMIT 1
    ) AS event"
);

pub(crate) const REVIEW: &str = concat!(
    "SELECT ",
    event!(),
    ", refusal.settled_sequence IS NOT NULL AS is_settled
    FROM (
        SELECT sequence, settled_sequence FROM selfsame.refusals WHERE workspace = $1 AND sequence = $2 LIMIT 1
    ) AS refusal
    CROSS JOIN LATERAL (
        SELECT * FROM selfsame.events WHERE workspace = $1 AND sequence = refusal.sequence LIMIT 1
    ) AS event"
);

pub(crate) const LOG_AFTER: &str = concat!(
    "SELECT ",
    event!(),
    "
    FROM selfsame.events AS event WHERE workspace = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"
);

pub(crate) const OPEN_REFUSALS: &str = concat!(
    "SELECT ",
    event!(),
    ", FALSE AS is_settled
    FROM (
        SELECT sequence FROM selfsame.refusals
        WHERE workspace = $1 AND settled_sequence IS NULL AND sequence > $2
        ORDER BY sequence LIMIT $3
    ) AS refusal
    CROSS JOIN LATERAL (
        SELECT * FROM selfsame.events WHERE workspace = $1 AND sequence = refusal.sequence LIMIT 1
    ) AS event"
);

/// Notes by which contacts ($2) events ($3) are found.
pub(crate) const INSERT_EVENT_CONTACTS: &str = "INSERT INTO selfsame.event_contacts (workspace, contact_id, sequence)
    SELECT $1, contact_id, sequence FROM unnest($2::bigint[], $3::bigint[]) AS concerned (contact_id, sequence)";

/// Notes which contacts ($2) a correction ($3) keeps apart, or no longer.
pub(crate) const INSERT_KEPT_APART: &str = "INSERT INTO selfsame.kept_apart (workspace, contact_id, sequence)
    SELECT $1, contact_id, $3 FROM unnest($2::bigint[]) AS apart (contact_id)";

/// Records refusals ($2) by their evidence ($3).
pub(crate) const INSERT_REFUSALS: &str = "INSERT INTO selfsame.refusals (workspace, sequence, evidence)
    SELECT $1, sequence, evidence FROM unnest($2::bigint[], $3::text[]) AS refused (sequence, evidence)";

/// From here on decisions look at more than the identities that are touched.
pub(crate) const NO_LONGER_PLAIN: &str =
    "UPDATE selfsame.workspaces SET is_plain = FALSE WHERE workspace = $1";

pub(crate) const SET_POLICY: &str =
    "UPDATE selfsame.workspaces SET policy = $2, policy_sequence = $3 WHERE workspace = $1";

pub(crate) const UPDATE_CONTACTS: &str = "UPDATE selfsame.contacts
    SET email = changed.email, phone = changed.phone, declared = changed.declared, linked_id = changed.linked_id,
        updated_at_ms = changed.updated_at_ms, deleted_at_ms = changed.deleted_at_ms
    FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[])
        AS changed (id, email, phone, declared, linked_id, updated_at_ms, deleted_at_ms)
    WHERE contacts.workspace = $1 AND contacts.id = changed.id";

pub(crate) const DELETE_IDENTIFIERS: &str = "DELETE FROM selfsame.identifiers
    WHERE workspace = $1
        AND (kind, value) IN (SELECT kind, value FROM unnest($2::text[], $3::text[]) AS lost (kind, value))";

pub(crate) const REWRITE_EVENTS: &str = "UPDATE selfsame.events
    SET evidence = anew.evidence, outcome = anew.outcome, origin = anew.origin
    FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS anew (sequence, evidence, outcome, origin)
    WHERE events.workspace = $1 AND events.sequence = anew.sequence";

pub(crate) const REWRITE_REFUSALS: &str = "UPDATE selfsame.refusals SET evidence = anew.evidence
    FROM unnest($2::bigint[], $3::text[]) AS anew (sequence, evidence)
    WHERE refusals.workspace = $1 AND refusals.sequence = anew.sequence";

pub(crate) const SETTLE: &str =
    "UPDATE selfsame.refusals SET settled_sequence = $3 WHERE workspace = $1 AND sequence = $2";

/// Those here, by name.
pub(super) fn all() -> Vec<(&'static str, String)> {
    let fixed = [
        ("standing", STANDING),
        ("owners", OWNERS),
        ("contacts by id", CONTACTS_BY_ID),
        ("contacts by primary", CONTACTS_BY_PRIMARY),
        ("page of an identity", PAGE_OF_IDENTITY),
        ("count of an identity", COUNT_OF_IDENTITY),
        ("owned by an identity", OWNED_BY_IDENTITY),
        ("scan identities", SCAN_IDENTITIES),
        ("contacts bearing", CONTACTS_BEARING),
        ("events of contacts", EVENTS_OF),
        ("events by sequence", EVENTS_BY_SEQUENCE),
        ("events governing", EVENTS_GOVERNING),
        ("events of pairs", EVENTS_OF_PAIRS),
        ("events with values", EVENTS_WITH),
        ("refusals", REFUSALS),
        ("review", REVIEW),
        ("log after", LOG_AFTER),
        ("open refusals", OPEN_REFUSALS),
        ("insert event contacts", INSERT_EVENT_CONTACTS),
        ("insert kept apart", INSERT_KEPT_APART),
        ("insert refusals", INSERT_REFUSALS),
        ("no longer plain", NO_LONGER_PLAIN),
        ("set policy", SET_POLICY),
        ("update contacts", UPDATE_CONTACTS),
        ("delete identifiers", DELETE_IDENTIFIERS),
        ("rewrite events", REWRITE_EVENTS),
        ("rewrite refusals", REWRITE_REFUSALS),
        ("settle", SETTLE),
    ];
    fixed.map(|(name, text)| (name, text.to_owned())).into()
}
