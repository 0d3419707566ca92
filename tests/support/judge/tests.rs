//! The judge, judged: true histories pass it, and each planted fault is caught.

use super::samples::{Fault, Simulation, broken, history, rows, settings, simulate, stale};
use super::*;

fn laws(history_text: &str, rows_text: &str) -> Vec<Law> {
    let violations = invariants(&history(history_text), &rows(rows_text));
    violations.iter().map(|violation| violation.law).collect()
}

#[test]
fn a_true_history_breaks_no_law() {
    let true_history = "0..1 e1 p1 = 1 : e1 p1; 2..9 e2 p1 = 1 2 : e1 e2 p1; 3..4 e1 = 1 : e1 p1; 5.. e3 p9;
        10..11 e2 = 1 2 : e1 e2 p1";
    assert_eq!(laws(true_history, "1 e1 p1; 2 e2 p1 > 1"), []);
    assert_eq!(laws(true_history, "1 e1 p1; 2 e2 p1 > 1; 3 e3 p9"), [], "the unanswered one came late");
}

#[test]
fn every_history_of_the_model_breaks_no_law() {
    for setting in settings() {
        for seed in 0..30 {
            let Simulation { history, rows, .. } = simulate(seed, &setting);
            assert_eq!(invariants(&history, &rows), [], "seed {seed}, {setting:?}");
        }
    }
}

#[test]
fn an_acknowledged_value_that_is_gone_is_told() {
    let found = laws("0..1 e1 = 1 : e1; 2..3 e1 p1 = 1 2 : e1 p1", "1 e1");
    assert_eq!(found, [Law::AcknowledgedLinksLast, Law::AnswersMatchTheirContacts][..1]);
}

#[test]
fn an_acknowledged_pair_of_two_identities_is_told() {
    let lost = "0..1 e1 = 1 : e1; 2..3 p1 = 2 : p1; 4..5 e1 p1 = 1 2 : e1 p1";
    assert_eq!(laws(lost, "1 e1; 2 p1"), [Law::AcknowledgedLinksLast]);
}

#[test]
fn an_answered_contact_that_is_gone_is_told() {
    assert_eq!(laws("0..1 e1 = 7 : e1; 2..3 e1 = 7 : e1", "8 e1"), [Law::AnsweredContactsLast; 2]);
}

#[test]
fn a_value_with_two_owners_is_told() {
    let found = laws("0..9 e1 = 1 : e1; 0..9 e1 p1 = 2 : e1 p1", "1 e1; 2 e1 p1");
    assert_eq!(found, [Law::OneOwner]);
}

#[test]
fn chains_and_orphans_are_told() {
    let sent = "0.. e1; 0.. e1 e2 p1; 0.. e3 p1";
    assert_eq!(laws(sent, "1 e1; 2 e2 p1 > 1; 3 e3 p1 > 2")[..1], [Law::NoChainsNoOrphans]);
    assert_eq!(laws("0.. e1", "1 e1 > 7"), [Law::NoChainsNoOrphans]);
    assert_eq!(laws("0.. e1", "1 e1 > 1"), [Law::NoChainsNoOrphans]);
}

#[test]
fn a_primary_that_is_not_the_oldest_is_told() {
    assert_eq!(laws("0.. e1; 0.. e1 p1", "1 e1 > 2; 2 e1 p1"), [Law::OldestIsPrimary]);
}

#[test]
fn a_row_that_brings_nothing_new_is_told() {
    assert_eq!(laws("0.. e1 p1; 0.. p1", "1 e1 p1; 2 p1 > 1"), [Law::RowsBringSomethingNew]);
    assert_eq!(laws("0.. e1 p1", "1 e1 p1; 2 e1 p1 > 1"), [Law::RowsBringSomethingNew]);
    let from_different_contacts = "1 e1 p1; 2 e2 p1 > 1; 3 e2 p2 > 1; 4 e1 p2 > 1";
    let sent = "0.. e1 p1; 0.. e2 p1; 0.. e2 p2; 0.. e1 p2";
    assert_eq!(laws(sent, from_different_contacts), [Law::RowsBringSomethingNew]);
}

#[test]
fn a_primary_that_was_merged_later_may_share_its_values_with_younger_rows() {
    let sent = "0.. e1; 0.. p1; 0.. p1 e2; 0.. e1 p1";
    assert_eq!(laws(sent, "1 e1; 2 p1 > 1; 3 p1 e2 > 1"), []);
}

#[test]
fn a_row_that_nobody_sent_so_is_told() {
    assert_eq!(laws("0.. e1 p1", "1 e1"), [Law::RowsWereSent]);
    assert_eq!(laws("0.. e1; 0.. p1", "1 e1 p1")[..1], [Law::RowsWereSent]);
}

#[test]
fn an_update_without_a_change_is_told() {
    let mut touched = rows("1 e1");
    touched[0].updated_at_ms = 5;
    let found = invariants(&history("0.. e1"), &touched);
    assert_eq!(found.iter().map(|it| it.law).collect::<Vec<_>>(), [Law::UpdatedWhenChanged]);
}

#[test]
fn an_answer_that_repeats_itself_is_told() {
    let found = laws("0..1 e1 = 1 : e1 e1", "1 e1");
    assert_eq!(found, [Law::AnswersDoNotRepeat, Law::AnswersMatchTheirContacts]);
}

#[test]
fn an_answer_without_what_was_sent_is_told() {
    assert!(laws("0..1 e1 p1 = 1 : e1", "1 e1 p1").contains(&Law::AnswersHoldTheirOwn));
}

#[test]
fn an_answer_that_is_not_in_order_of_age_is_told() {
    let sent = "0..1 e1 = 1 : e1; 2..3 e1 p1 = 2 1 : e1 p1";
    assert_eq!(laws(sent, "1 e1; 2 e1 p1 > 1"), [Law::AnswersAreInOrderOfAge]);
}

#[test]
fn an_answer_that_leads_with_another_value_than_the_primarys_is_told() {
    let sent = "0..1 e1 p1 = 1 : e1 p1; 2..3 e2 p1 = 1 2 : e2 e1 p1";
    assert_eq!(laws(sent, "1 e1 p1; 2 e2 p1 > 1"), [Law::AnswersMatchTheirContacts]);
}

#[test]
fn an_answer_from_before_an_acknowledged_operation_is_told_with_both() {
    let text = "0..1 e1 = 1 : e1; 2..3 e1 p1 = 1 2 : e1 p1; 4..5 e1 = 1 : e1";
    let found = invariants(&history(text), &rows("1 e1; 2 e1 p1 > 1"));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].law, found[0].operations.as_slice()), (Law::AnswersAreFresh, &[2, 1][..]));
}

#[test]
fn an_answer_that_shows_less_than_an_earlier_one_is_told_with_both() {
    // The operation that brought `p1` was never answered, but operation 1 already showed it.
    let text = "0.. e1 p1; 1..2 e1 = 1 : e1 p1; 3..4 e1 = 1 : e1";
    let found = invariants(&history(text), &rows("1 e1 p1"));
    let shrunk: Vec<&Violation> = found.iter().filter(|it| it.law == Law::AnswersNeverShrink).collect();
    assert_eq!(shrunk.len(), 1);
    assert_eq!(shrunk[0].operations, [2, 1]);
}

#[test]
fn an_overlapping_answer_may_miss_what_is_not_yet_acknowledged() {
    let text = "0..1 e1 = 1 : e1; 2..5 e1 p1 = 1 2 : e1 p1; 4..6 e1 = 1 : e1";
    assert_eq!(laws(text, "1 e1; 2 e1 p1 > 1"), []);
}

#[test]
fn a_value_that_nobody_had_sent_yet_is_told() {
    let text = "0..1 e1 = 1 2 : e1 p1; 2..3 e1 p1 = 1 2 : e1 p1";
    assert_eq!(laws(text, "1 e1; 2 e1 p1 > 1"), [Law::NothingFromNowhere]);
}

#[test]
fn strangers_in_one_identity_are_told() {
    let text = "0..1 e1 = 1 : e1; 2..3 e2 = 1 2 : e1 e2";
    assert_eq!(laws(text, "1 e1; 2 e2 > 1"), [Law::NothingFromNowhere; 2]);
}

#[test]
fn a_stale_answer_in_a_random_history_is_told() {
    let mut caught = 0;
    for setting in settings() {
        for seed in 0..30 {
            let Some((history, accused)) = stale(seed, &setting) else { continue };
            let Simulation { rows, .. } = simulate(seed, &setting);
            let found = invariants(&history, &rows);
            let is_it = |it: &Violation| it.law == Law::AnswersAreFresh && it.operations[0] == accused;
            assert!(found.iter().any(is_it), "seed {seed}, {setting:?}: {found:?}");
            caught += 1;
        }
    }
    assert!(caught > 50, "only {caught} histories offered the fault");
}

#[test]
fn lost_links_double_primaries_and_skipped_relinks_in_random_histories_are_told() {
    let faults = [
        (Fault::LostLink, Law::AnswersAreFresh),
        (Fault::LostLink, Law::AcknowledgedLinksLast),
        (Fault::TwoPrimaries, Law::OneOwner),
        (Fault::SkippedRelink, Law::NoChainsNoOrphans),
    ];
    for (fault, law) in faults {
        let mut caught = 0;
        for setting in settings() {
            for seed in 0..30 {
                let Some((history, rows)) = broken(seed, &setting, fault) else { continue };
                let found = invariants(&history, &rows);
                assert!(
                    found.iter().any(|it| it.law == law),
                    "{fault:?}, seed {seed}, {setting:?}: {found:?}"
                );
                caught += 1;
            }
        }
        assert!(caught > 20, "only {caught} histories offered {fault:?}");
    }
}

#[test]
fn a_breach_is_told_without_personal_data() {
    let found = invariants(&history("0..1 e4711 = 1 : e4711 e4711 p4711"), &[]);
    assert!(!found.is_empty());
    assert!(found.iter().all(|it| !it.to_string().contains("4711")));
}
