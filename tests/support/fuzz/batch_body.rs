//! Any bytes as lines of observations.

use std::cell::RefCell;

use serde_json::Value;

use super::documented::{Reply, assert_contact, assert_problem, assert_problem_body};
use super::door::Door;

thread_local! {
    /// One is sent bodies; the other one, equal to it, is sent their lines one by one.
    static DOORS: RefCell<[Door; 2]> = RefCell::new([Door::new(), Door::new()]);
}

/// Each line that isn't blank gets the answer that `POST /identify` gives to it alone, in the order of the lines,
/// however the body is cut; and the same body again writes nothing.
pub(super) fn batch_body(data: &[u8]) {
    DOORS.with_borrow_mut(|doors| {
        if doors.iter().any(Door::is_worn) {
            *doors = [Door::new(), Door::new()];
        }
        let [together, single] = doors;
        let lines: Vec<(usize, &[u8])> = lines(data).collect();
        // The body's own length cuts it, so that the search may move the cuts.
        let piece_bytes = 1 + data.len() % 13;
        let post = |door: &mut Door| {
            door.post_in_pieces("/v1/observations/batch", "application/x-ndjson", data, piece_bytes)
        };
        let reply = post(together);
        if lines.is_empty() {
            assert_eq!(assert_problem(&reply), "empty_body");
            return;
        }
        reply.assert_finished();
        assert_eq!(reply.status, 200, "{reply:?}");
        let answers: Vec<&[u8]> = reply.body.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(answers.len(), lines.len(), "a line without an answer, or an answer without a line");
        for ((number, line), answer) in lines.iter().zip(&answers) {
            let answer = answer.strip_suffix(b"\n").expect("each answer ends its line");
            assert_same(*number, answer, &single.identify(line));
        }
        let writes = together.writes();
        assert_eq!(post(together).status, 200);
        assert_eq!(together.writes(), writes, "a repeat was written");
    });
}

/// The lines that hold something, each with its number in the body from 1.
fn lines(data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = data.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    (1..).zip(lines).filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// Holds the answer to line `number` against that to the same observation alone.
fn assert_same(number: usize, answer: &[u8], alone: &Reply) {
    if alone.status == 200 {
        assert_eq!(answer, alone.body, "line {number} was answered otherwise than alone");
        return assert_contact(&alone.json());
    }
    let problem: Value = serde_json::from_slice(answer).expect("an answer is JSON");
    let code = assert_problem_body(&problem);
    assert_eq!(problem["line"], number, "{problem}");
    let alone = assert_problem(alone);
    // Only its name differs, by what is too long.
    let alone = if alone == "body_too_large" { "line_too_long" } else { &alone };
    assert_eq!(code, alone, "line {number} was refused otherwise than alone");
}
