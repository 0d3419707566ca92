//! Which tables a statement reads or changes, query by query, and whether each is held to one workspace.

use super::super::Token;
use super::{begins, pair};

/// The tables that rows are kept in, by workspace.
const TABLES: [&str; 11] = [
    "workspaces",
    "contacts",
    "identifiers",
    "events",
    "keys",
    "event_contacts",
    "kept_apart",
    "refusals",
    "answers",
    "webhooks",
    "imports",
];

/// Where a clause of conditions ends.
const CLAUSE_ENDS: [&str; 17] = [
    "join",
    "left",
    "right",
    "full",
    "inner",
    "cross",
    "natural",
    "where",
    "group",
    "order",
    "limit",
    "offset",
    "for",
    "having",
    "returning",
    "window",
    "on",
];

/// What may stand for a workspace: the parameter, or the number that a migration knows.
pub(super) fn is_workspace_value(token: &Token) -> bool {
    *token == Token::Parameter("1".to_owned()) || *token == Token::Number("1".to_owned())
}

/// Whether a table of ours is read or changed without being held to one workspace, by `workspace = $1` or by an
/// equality with a table that is. Making tables reads none of them.
pub(super) fn unpinned(all: &[Token]) -> bool {
    let makes = begins(all, &["create"]) && !all.iter().any(|token| token.is("view"))
        || begins(all, &["grant", "copy", "lock"])
        || pair(all, "alter", "table");
    !makes && queries(all).iter().any(|query| !is_pinned(query))
}

/// The tokens of each level of parentheses, split where two queries are put together.
fn queries(all: &[Token]) -> Vec<Vec<Token>> {
    let (mut open, mut done) = (vec![Vec::new()], Vec::new());
    for token in all {
        let level = open.len() - 1;
        match token {
            Token::Sign('(') => {
                open[level].push(token.clone());
                open.push(Vec::new());
            }
            Token::Sign(')') => {
                done.extend(open.pop());
                open.last_mut().expect("parentheses are in pairs").push(token.clone());
            }
            Token::Word(word) if ["union", "except", "intersect"].contains(&word.as_str()) => {
                done.push(std::mem::take(&mut open[level]));
            }
            Token::Word(_)
            | Token::Name(_)
            | Token::Text(_)
            | Token::Number(_)
            | Token::Parameter(_)
            | Token::Sign(_) => open[level].push(token.clone()),
        }
    }
    done.extend(open);
    done
}

/// The tables of ours in a query by the names that it calls them, each with its place; where rows go doesn't count.
fn tables(query: &[Token]) -> Vec<(usize, String)> {
    let ours = |place: &usize| {
        let named = query.get(place + 2).is_some_and(|token| TABLES.contains(&token.word()));
        query[*place].is("selfsame") && named && !(*place > 0 && query[place - 1].is("into"))
    };
    let called = |place: usize| {
        let next = query.get(place + 3).map_or("", Token::word);
        let name = if next == "as" { query.get(place + 4).map_or("", Token::word) } else { next };
        let none = name.is_empty() || name == "set" || CLAUSE_ENDS.contains(&name);
        (place, if none { query[place + 2].word() } else { name }.to_owned())
    };
    (0..query.len()).filter(ours).map(called).collect()
}

fn is_pinned(query: &[Token]) -> bool {
    let tables = tables(query);
    let (mut pinned, mut equal) = (Vec::new(), Vec::new());
    for (place, clause) in query.iter().enumerate().filter(|(_, token)| token.is("where") || token.is("on")) {
        let rest = &query[place + 1..];
        let end = rest.iter().position(|token| CLAUSE_ENDS.contains(&token.word())).unwrap_or(rest.len());
        if rest[..end].iter().any(|token| token.is("or")) {
            continue;
        }
        // What a left join asks of its left side filters nothing.
        let joined = tables.iter().rev().find(|(at, _)| *at < place).map(|(_, name)| name.as_str());
        let sort = query[..place].iter().rposition(|token| token.is("join")).map_or("", |at| {
            let before = if at > 0 && query[at - 1].is("outer") { 2 } else { 1 };
            at.checked_sub(before).map_or("", |at| query[at].word())
        });
        let sort = if clause.is("on") { sort } else { "" };
        if ["right", "full"].contains(&sort) {
            continue;
        }
        for condition in rest[..end].split(|token| token.is("and")) {
            match condition {
                [own, Token::Sign('='), value] if own.is("workspace") && is_workspace_value(value) => {
                    if let [(_, only)] = &tables[..] {
                        pinned.push(only.as_str());
                    }
                }
                [table, Token::Sign('.'), own, Token::Sign('='), value]
                    if own.is("workspace")
                        && is_workspace_value(value)
                        && (sort != "left" || joined == Some(table.word())) =>
                {
                    pinned.push(table.word());
                }
                [one, Token::Sign('.'), own, Token::Sign('='), other, Token::Sign('.'), theirs]
                    if own.is("workspace") && theirs.is("workspace") =>
                {
                    equal.push((one.word(), other.word()));
                }
                _ => {}
            }
        }
    }
    for _ in &tables {
        for (one, other) in &equal {
            if pinned.contains(one) || pinned.contains(other) {
                pinned.extend([*one, *other]);
            }
        }
    }
    tables.iter().all(|(_, name)| pinned.contains(&name.as_str()))
}

/// A table of ours, or the view of the default workspace.
fn is_ours(name: &Token) -> bool {
    TABLES.contains(&name.word()) || *name == Token::Name("Contact".to_owned())
}

/// Whether a statement reads or changes a table that is neither ours nor the server's own.
pub(super) fn stranger(all: &[Token]) -> bool {
    let named: Vec<&str> = all
        .windows(3)
        .filter(|three| three[1].is("as") && three[2].sign('('))
        .map(|three| three[0].word())
        .collect();
    (0..all.len().saturating_sub(1)).any(|place| {
        let before = |back: usize| place.checked_sub(back).map_or("", |at| all[at].word());
        let names_table = match all[place].word() {
            // Neither `extract(epoch FROM time)` nor `IS DISTINCT FROM`.
            "from" => before(3) != "extract" && before(1) != "distinct",
            "join" | "into" => true,
            "update" => !["for", "do", "key"].contains(&before(1)),
            "copy" => place == 0,
            "lateral" => false,
            _ => return false,
        };
        let next = &all[place + 1];
        let then = |sign| all.get(place + 2).is_some_and(|token| token.sign(sign));
        let word = next.word();
        let known = next.sign('(')
            || ["lateral", "stdin"].contains(&word)
            || then('.') && ["information_schema", "pg_catalog"].contains(&word)
            || then('.') && word == "selfsame" && all.get(place + 3).is_some_and(is_ours)
            || then('(') && ["unnest", "json_each_text"].contains(&word)
            || word.starts_with("pg_")
            || named.contains(&word);
        names_table && !known
    })
}
