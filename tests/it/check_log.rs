//! `selfsame check` finds a log that was touched, and counters that stand elsewhere than it.

use crate::check::check;

#[tokio::test]
async fn a_log_that_was_touched_is_found() {
    check(&[
        (
            "a gap",
            "DELETE FROM events WHERE sequence = 5",
            &[
                "event 6 follows event 4: the log has a gap",
                "contact 3 is not what the log adds up to: the log links it elsewhere",
                "contact 4 is not what the log adds up to: the log links it elsewhere",
            ],
        ),
        (
            "its first event deleted",
            "DELETE FROM events WHERE sequence = 1",
            &[
                "event 2 follows event 0: the log has a gap",
                "event 2 can't follow from the log before it: it names contact 1, which no \
                 event before it made",
                "event 5 can't follow from the log before it: it names contact 1, which no \
                 event before it made",
                "contact 1 is not what the log adds up to: no event made it",
                "an identifier is owned by contact 1, which is no live contact",
                "an identifier is owned by contact 1, which is no live contact",
                "contact 2 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "its last event deleted",
            "DELETE FROM events WHERE sequence = 7",
            &[
                "contact 6 is not what the log adds up to: no event made it",
                "an identifier is owned by contact 6, which is no live contact",
                "the log ends at event 6, and the workspace counts 7",
                "the workspace's last time is not that of its last event",
                "the log gave contact ids up to 5, and the workspace counts 6",
            ],
        ),
        (
            "an id that would fill the memory",
            "UPDATE events SET outcome = replace(outcome, '\"id\":6', '\"id\":999999999999') WHERE sequence = 7",
            &[
                "contact 6 is not what the log adds up to: no event made it",
                "an identifier is owned by contact 6, which is no live contact",
                "contact 999999999999 is in the log, but not stored",
                "contact 999999999999 does not own the identifiers that the log gave it",
                "the log gave contact ids up to 999999999999, and the workspace counts 6",
            ],
        ),
        (
            "an event renumbered",
            "UPDATE events SET sequence = 9 WHERE sequence = 7",
            &[
                "event 9 follows event 6: the log has a gap",
                "the log ends at event 9, and the workspace counts 7",
            ],
        ),
        (
            "an event moved back in time",
            "UPDATE events SET at_ms = at_ms - 999999 WHERE sequence = 7",
            &[
                "event 7 is dated before event 6",
                "contact 6 is not what the log adds up to: the log has another `createdAt`",
                "the workspace's last time is not that of its last event",
            ],
        ),
        (
            "its first event moved on in time",
            "UPDATE events SET at_ms = at_ms + 999999 WHERE sequence = 1",
            &[
                "event 2 is dated before event 1",
                "contact 1 is not what the log adds up to: the log has another `createdAt`",
            ],
        ),
        (
            "another survivor",
            "UPDATE events SET outcome = replace(outcome, ':1,', ':2,') WHERE sequence = 5",
            &[
                "event 5 can't follow from the log before it: it takes contact 2 for a primary, \
                 which it is not",
                "contact 3 is not what the log adds up to: the log links it elsewhere",
                "contact 4 is not what the log adds up to: the log links it elsewhere",
            ],
        ),
        (
            "another former primary",
            "UPDATE events SET outcome = replace(outcome, '[3]', '[4]') WHERE sequence = 5",
            &[
                "event 5 can't follow from the log before it: it takes contact 4 for a primary, \
                 which it is not",
                "contact 3 is not what the log adds up to: the log links it elsewhere",
                "contact 4 is not what the log adds up to: the log links it elsewhere",
            ],
        ),
        (
            "another contact",
            "UPDATE events SET outcome = replace(outcome, '\"id\":6', '\"id\":5') WHERE sequence = 7",
            &[
                "event 7 can't follow from the log before it: it makes contact 5, whose id was \
                 given before or is none",
                "contact 6 is not what the log adds up to: no event made it",
                "an identifier is owned by contact 6, which is no live contact",
                "the log gave contact ids up to 5, and the workspace counts 6",
            ],
        ),
        (
            "another primary",
            "UPDATE events SET outcome = replace(outcome, '\"primary\":5', '\"primary\":1') \
                 WHERE sequence = 7",
            &["contact 6 is not what the log adds up to: the log links it elsewhere"],
        ),
        (
            "another kind owned",
            "UPDATE events SET outcome = replace(outcome, 'email', 'phone') WHERE sequence = 7",
            &["contact 6 does not own the identifiers that the log gave it"],
        ),
        (
            "another kind of event",
            "UPDATE events SET kind = 'created' WHERE sequence = 7",
            &["contact 6 is not what the log adds up to: the log links it elsewhere"],
        ),
        (
            "an unknown kind of event",
            "UPDATE events SET kind = 'zelda' WHERE sequence = 7",
            &[
                "event 7 can't be read: its kind is unknown",
                "contact 6 is not what the log adds up to: no event made it",
                "an identifier is owned by contact 6, which is no live contact",
                "the workspace's last time is not that of its last event",
                "the log gave contact ids up to 5, and the workspace counts 6",
            ],
        ),
        (
            "other evidence",
            "UPDATE events SET evidence = replace(evidence, 'zelda6', 'zelda9') WHERE sequence = 7",
            &[
                "contact 6 is not what the log adds up to: the log has other identifiers",
                "contact 6 does not own the identifiers that the log gave it",
            ],
        ),
        (
            "evidence that is no JSON",
            "UPDATE events SET evidence = 'zelda6@example.org' WHERE sequence = 7",
            &[
                "event 7 can't be read: its evidence can't be read (line 1, column 1)",
                "contact 6 is not what the log adds up to: no event made it",
                "an identifier is owned by contact 6, which is no live contact",
                "the workspace's last time is not that of its last event",
                "the log gave contact ids up to 5, and the workspace counts 6",
            ],
        ),
        (
            "an outcome that is no JSON",
            "UPDATE events SET outcome = '{zelda' WHERE sequence = 5",
            &[
                "event 5 can't be read: its outcome can't be read (line 1, column 2)",
                "contact 3 is not what the log adds up to: the log links it elsewhere",
                "contact 4 is not what the log adds up to: the log links it elsewhere",
            ],
        ),
        (
            "a later format",
            "UPDATE events SET format = 3 WHERE sequence = 7",
            &[
                "event 7 can't be read: its format is 3, and this version reads up to 2",
                "contact 6 is not what the log adds up to: no event made it",
                "an identifier is owned by contact 6, which is no live contact",
                "the workspace's last time is not that of its last event",
                "the log gave contact ids up to 5, and the workspace counts 6",
            ],
        ),
    ])
    .await;
}

#[tokio::test]
async fn counters_that_stand_elsewhere_than_the_log_are_found() {
    check(&[
        (
            "the last sequence",
            "UPDATE workspaces SET last_sequence = 8",
            &["the log ends at event 7, and the workspace counts 8"],
        ),
        (
            "the last sequence, less",
            "UPDATE workspaces SET last_sequence = 6",
            &["the log ends at event 7, and the workspace counts 6"],
        ),
        (
            "the last id, less",
            "UPDATE workspaces SET last_contact_id = 5",
            &["the log gave contact ids up to 6, and the workspace counts 5"],
        ),
        (
            "the count of contacts",
            "UPDATE workspaces SET contact_count = 7",
            &["there are 6 live contacts, and the workspace counts 7"],
        ),
        (
            "the count of identities",
            "UPDATE workspaces SET identity_count = identity_count - 1",
            &["there are 2 identities, and the workspace counts 1"],
        ),
        (
            "the last id, more",
            "UPDATE workspaces SET last_contact_id = 7",
            &["the log gave contact ids up to 6, and the workspace counts 7"],
        ),
        (
            "the last time",
            "UPDATE workspaces SET last_event_at_ms = last_event_at_ms - 1",
            &["the workspace's last time is not that of its last event"],
        ),
    ])
    .await;
}
