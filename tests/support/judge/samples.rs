//! Histories for the judge's tests and those of `linearizability`: written by hand, or the model's own behind
//! randomly overlapping intervals, whole or broken on purpose.

use super::*;
use crate::model::{Model, ModelAnswer, ModelChange};

/// Reads `0..5 e1 p1 = 1 2 : e1 e2 p1; 3.. e2`: the ticks, what was sent, and after `=` the contacts and
/// values of the answer. Without an end there is no answer.
pub(crate) fn history(text: &str) -> Vec<Operation> {
    text.split(';').enumerate().map(|(client, text)| operation(client, text)).collect()
}

fn operation(client: usize, text: &str) -> Operation {
    let (sent, answer) = text.split_once('=').map_or((text, None), |(sent, rest)| (sent, Some(rest)));
    let mut words = sent.split_whitespace();
    let (started, ended) = words.next().unwrap().split_once("..").unwrap();
    let sent: Vec<&str> = words.collect();
    let of_kind = |letter: char, words: &[&str]| -> Vec<String> {
        words.iter().filter(|word| word.starts_with(letter)).map(ToString::to_string).collect()
    };
    let answer = answer.map(|text| {
        let (contacts, values) = text.split_once(':').unwrap();
        let contacts: Vec<i64> = contacts.split_whitespace().map(|id| id.parse().unwrap()).collect();
        let values: Vec<&str> = values.split_whitespace().collect();
        Answer {
            primary: contacts[0],
            emails: of_kind('e', &values),
            phones: of_kind('p', &values),
            secondaries: contacts[1..].to_vec(),
        }
    });
    Operation {
        client,
        started: started.parse().unwrap(),
        ended: ended.parse().ok(),
        email: of_kind('e', &sent).pop(),
        phone: of_kind('p', &sent).pop(),
        answer,
    }
}

/// Reads `1 e1 p1; 2 e2 p1 > 1`: id, values, and after `>` the link. Created at the id, updated then too.
pub(crate) fn rows(text: &str) -> Vec<ModelRow> {
    text.split(';').map(row).collect()
}

fn row(text: &str) -> ModelRow {
    let (left, link) = text.split_once('>').unwrap_or((text, ""));
    let mut words = left.split_whitespace();
    let id: i64 = words.next().unwrap().parse().unwrap();
    let kind = |word: &str| if word.starts_with('e') { "email" } else { "phone" };
    let values = words.map(|word| (kind(word).to_owned(), word.to_owned())).collect();
    ModelRow { id, values, linked_id: link.trim().parse().ok(), created_at_ms: id, updated_at_ms: id }
}

/// A small generator (splitmix64); its seed is the whole of its state.
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new(seed: u64) -> Generator {
        Generator(seed.wrapping_mul(0xA24B_AED4_963E_E407))
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(limit).unwrap()).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) clients: usize,
    pub(crate) operations: usize,
    /// Operations of two families never share a value.
    pub(crate) families: usize,
    /// How many emails, and how many phones, one family has.
    pub(crate) values_of_a_kind: usize,
    /// How often a request or an answer is lost.
    pub(crate) lost_percent: usize,
}

pub(crate) fn settings() -> Vec<Setting> {
    let setting = |clients, operations, families, values_of_a_kind, lost_percent| Setting {
        clients,
        operations,
        families,
        values_of_a_kind,
        lost_percent,
    };
    vec![
        setting(1, 20, 1, 4, 0),
        setting(3, 12, 1, 3, 0),
        setting(8, 60, 1, 12, 0),
        setting(8, 60, 1, 30, 5),
        setting(8, 120, 4, 5, 5),
        setting(64, 64, 1, 10, 0),
        setting(64, 64, 1, 30, 5),
        setting(16, 100, 1, 3, 10),
    ]
}

pub(crate) struct Simulation {
    pub(crate) history: Vec<Operation>,
    pub(crate) rows: Vec<ModelRow>,
    /// The operations in the order in which they took effect, each with the model just before.
    pub(crate) effects: Vec<(usize, Model)>,
    values: Vec<(&'static str, String)>,
}

enum Phase {
    Idle,
    Sent(usize),
    Done(usize, Answer),
}

pub(crate) fn answer_of(answer: &ModelAnswer) -> Answer {
    let of_kind = |kind| answer.of_kind(kind).into_iter().map(str::to_owned).collect();
    Answer {
        primary: answer.primary,
        emails: of_kind("email"),
        phones: of_kind("phone"),
        secondaries: answer.secondaries.clone(),
    }
}

/// Runs clients against one model, in which each operation takes effect at one moment between its start
/// and its end; in the end one client reads every value.
pub(crate) fn simulate(seed: u64, setting: &Setting) -> Simulation {
    let mut generator = Generator::new(seed);
    let mut model = Model::new();
    let mut history: Vec<Operation> = Vec::new();
    let mut effects: Vec<(usize, Model)> = Vec::new();
    let mut phases: Vec<Phase> = (0..setting.clients).map(|_| Phase::Idle).collect();
    let mut lost_requests: Vec<usize> = Vec::new();
    let mut tick = 0;
    let mut take_effect = |index: usize, history: &[Operation], model: &mut Model| {
        effects.push((index, model.clone()));
        let now_ms = i64::try_from(effects.len() / 3).unwrap();
        answer_of(&model.identify(&history[index].sent(), now_ms).0)
    };
    while history.len() < setting.operations || phases.iter().any(|phase| !matches!(phase, Phase::Idle)) {
        // Some ticks are equal, as with a coarse clock.
        tick += u64::from(generator.chance(70));
        let client = generator.below(setting.clients);
        phases[client] = match std::mem::replace(&mut phases[client], Phase::Idle) {
            Phase::Idle if history.len() < setting.operations => {
                let family = generator.below(setting.families);
                let mut value = |letter: char| {
                    format!("{letter}{}", family * 100 + generator.below(setting.values_of_a_kind))
                };
                let (email, phone) = (value('e'), value('p'));
                let kinds = generator.below(5);
                history.push(Operation {
                    client,
                    started: tick,
                    ended: None,
                    email: (kinds != 0).then_some(email),
                    phone: (kinds != 1).then_some(phone),
                    answer: None,
                });
                Phase::Sent(history.len() - 1)
            }
            Phase::Idle => Phase::Idle,
            Phase::Sent(index) if generator.chance(setting.lost_percent) => {
                lost_requests.push(index);
                Phase::Idle
            }
            Phase::Sent(index) => Phase::Done(index, take_effect(index, &history, &mut model)),
            Phase::Done(index, answer) => {
                if !generator.chance(setting.lost_percent) {
                    (history[index].ended, history[index].answer) = (Some(tick), Some(answer));
                }
                Phase::Idle
            }
        };
        if !lost_requests.is_empty() && generator.chance(5) {
            // A request that the client gave up may still arrive.
            let index = lost_requests.swap_remove(generator.below(lost_requests.len()));
            take_effect(index, &history, &mut model);
        }
    }
    let mut values: Vec<(&'static str, String)> = Vec::new();
    for row in model.rows() {
        for (kind, value) in &row.values {
            values.push((if kind == "email" { "email" } else { "phone" }, value.clone()));
        }
    }
    values.sort();
    values.dedup();
    for value in &values {
        tick += 2;
        history.push(reading(value, tick));
        let index = history.len() - 1;
        history[index].answer = Some(take_effect(index, &history, &mut model));
    }
    for index in lost_requests {
        if generator.chance(50) {
            take_effect(index, &history, &mut model);
        }
    }
    Simulation { history, rows: model.rows().to_vec(), effects, values }
}

/// Gives a later operation that sends one value, still without its answer.
fn reading((kind, value): &(&'static str, String), tick: u64) -> Operation {
    let of = |wanted| (*kind == wanted).then(|| value.clone());
    Operation {
        client: 0,
        started: tick,
        ended: Some(tick + 1),
        email: of("email"),
        phone: of("phone"),
        answer: None,
    }
}

/// Gives a history in which one answer was computed on a state from before an acknowledged change, with
/// the index of that answer's operation. The two operations share a value, so the answer can't be right.
pub(crate) fn stale(seed: u64, setting: &Setting) -> Option<(Vec<Operation>, usize)> {
    let Simulation { mut history, effects, .. } = simulate(seed, setting);
    let mut choices: Vec<(usize, Answer)> = Vec::new();
    for (changing, before) in &effects {
        let changer = &history[*changing];
        let Some(changed_by) = changer.ended else { continue };
        for (index, operation) in history.iter().enumerate() {
            if operation.started <= changed_by || operation.answer.is_none() {
                continue;
            }
            for shared in operation.sent().into_iter().filter(|value| changer.sent().contains(value)) {
                let (answer, change) = before.clone().identify(&[shared], 0);
                let answer = answer_of(&answer);
                let holds = |values: Vec<Value<'_>>| values.iter().all(|it| answer.values().contains(it));
                if change == ModelChange::Nothing && holds(operation.sent()) && !holds(changer.sent()) {
                    choices.push((index, answer));
                }
            }
        }
    }
    if choices.is_empty() {
        return None;
    }
    let (index, answer) = choices.swap_remove(Generator::new(seed).below(choices.len()));
    history[index].answer = Some(answer);
    Some((history, index))
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// A change is answered and acknowledged, but not stored.
    LostLink,
    /// Two operations that bring the same new value don't see each other.
    TwoPrimaries,
    /// A merge demotes the younger primary, but not what linked to it.
    SkippedRelink,
}

/// Gives a history at whose end the server does one thing wrong, after which every value is read, and the
/// rows that are left. Nothing if the simulation offers no occasion.
pub(crate) fn broken(seed: u64, setting: &Setting, fault: Fault) -> Option<(Vec<Operation>, Vec<ModelRow>)> {
    let Simulation { mut history, rows: mut stored, mut values, .. } = simulate(seed, setting);
    let mut generator = Generator::new(seed);
    let mut tick = 10 + history.iter().map(|operation| operation.started).max()?;
    let sent = |email: Option<&str>, phone: Option<&str>, answer: Answer| Operation {
        client: 0,
        started: tick,
        ended: Some(tick + 1),
        email: email.map(str::to_owned),
        phone: phone.map(str::to_owned),
        answer: Some(answer),
    };
    let any = |kind: &str, generator: &mut Generator| -> Option<String> {
        let known: Vec<&str> = values.iter().filter(|(of, _)| *of == kind).map(|(_, v)| v.as_str()).collect();
        (!known.is_empty()).then(|| known[generator.below(known.len())].to_owned())
    };
    let model = Model::with_rows(stored.clone());
    match fault {
        Fault::LostLink => {
            let email = if generator.chance(30) { "e9999".to_owned() } else { any("email", &mut generator)? };
            let phone = any("phone", &mut generator)?;
            let (answer, change) = model.clone().identify(&[("email", &email), ("phone", &phone)], 1000);
            if change == ModelChange::Nothing {
                return None;
            }
            history.push(sent(Some(&email), Some(&phone), answer_of(&answer)));
            values.extend([("email", email)]);
        }
        Fault::TwoPrimaries => {
            let (mut first, mut second) = (model.clone(), model);
            let first_answer = first.identify(&[("email", "e9999")], 1000).0;
            let mut second_answer = second.identify(&[("email", "e9999"), ("phone", "p9999")], 1000).0;
            second_answer.primary += 1;
            stored = first.rows().to_vec();
            stored.extend(second.rows().last().cloned());
            stored.last_mut()?.id += 1;
            history.push(sent(Some("e9999"), None, answer_of(&first_answer)));
            history.push(sent(Some("e9999"), Some("p9999"), answer_of(&second_answer)));
            values.extend([("email", "e9999".to_owned()), ("phone", "p9999".to_owned())]);
        }
        Fault::SkippedRelink => {
            let (email, phone) = (any("email", &mut generator)?, any("phone", &mut generator)?);
            let mut merged = model;
            let answer = merged.identify(&[("email", &email), ("phone", &phone)], 1000).0;
            let mut stranded = false;
            for (row, after) in stored.iter_mut().zip(merged.rows()) {
                if row.linked_id.is_none() {
                    *row = after.clone();
                } else {
                    stranded |= row.linked_id != after.linked_id;
                }
            }
            if !stranded {
                return None;
            }
            history.push(sent(Some(&email), Some(&phone), answer_of(&answer)));
        }
    }
    for value in &values {
        tick += 2;
        let mut operation = reading(value, tick);
        let answer = look_up(&mut stored, (value.0, &value.1));
        operation.answer = Some(answer);
        history.push(operation);
    }
    Some((history, stored))
}

/// Answers as a server does that trusts its rows: with the identity of the first contact that bears the
/// value. An unknown value makes a contact.
fn look_up(stored: &mut Vec<ModelRow>, value: Value<'_>) -> Answer {
    let Some(bearer) = stored.iter().find(|row| borne_by(row).contains(&value)) else {
        let mut model = Model::with_rows(stored.clone());
        let answer = answer_of(&model.identify(&[value], 2000).0);
        *stored = model.rows().to_vec();
        return answer;
    };
    let identity = identity_of(bearer);
    let of_identity = |row: &&ModelRow| row.id == identity || identity_of(row) == identity;
    let mut rows: Vec<ModelRow> = stored.iter().filter(of_identity).cloned().collect();
    rows.iter_mut().filter(|row| row.id == identity).for_each(|row| row.linked_id = None);
    answer_of(&Model::with_rows(rows).identify(&[value], 2000).0)
}
