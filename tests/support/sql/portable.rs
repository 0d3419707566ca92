//! DESIGN's list of what SQL must stay within, a rule for each line of it.
//!
//! Which statements are exempt, and why, stands with the test that judges them.

use super::Token;

mod scope;

/// A rule: its name, and whether it refuses a statement.
type Rule = (&'static str, fn(&[Token]) -> bool);

/// Every rule, in DESIGN's order.
pub const RULES: [Rule; 18] = [
    ("advisory lock", |all| any(all, |token| token.word().contains("advisory"))),
    ("notify", |all| begins(all, &["listen", "notify", "unlisten"]) || named(all, &["pg_notify"])),
    ("trigger", |all| named(all, &["trigger"])),
    ("procedure", procedure),
    ("deferrable", |all| named(all, &["deferrable", "deferred", "constraints"])),
    ("serializable", serializable),
    ("key", key),
    ("foreign key", |all| named(all, &["references"]) || pair(all, "foreign", "key")),
    ("sequence", sequence),
    ("workspace changed", workspace_changed),
    ("workspace", scope::unpinned),
    ("new rows", new_rows),
    ("stranger", scope::stranger),
    ("arbiter", arbiter),
    ("function in SET", |all| sets(all, true).any(|set| has_call(&set))),
    ("returning", returning),
    ("row lock", row_lock),
    ("division", |all| any(all, |token| token.sign('/'))),
];

/// The names of the rules that refuse a statement; what only one engine has counts as the rule `engine`.
pub fn refused(statement: &[Token]) -> Vec<&'static str> {
    let mut names: Vec<_> =
        RULES.iter().filter(|(_, refuses)| refuses(statement)).map(|(name, _)| *name).collect();
    // What is done to whole tables, but for new columns, and what only Citus knows.
    if begins(statement, &["lock", "analyze", "vacuum", "truncate"])
        || pair(statement, "alter", "table") && !adds_columns(statement)
        || any(statement, |token| token.word().contains("_distributed_") || token.word().contains("pg_dist"))
    {
        names.push("engine");
    }
    names
}

fn any(all: &[Token], is: impl Fn(&Token) -> bool) -> bool {
    all.iter().any(is)
}

fn named(all: &[Token], words: &[&str]) -> bool {
    any(all, |token| words.contains(&token.word()))
}

fn begins(all: &[Token], words: &[&str]) -> bool {
    all.first().is_some_and(|first| words.contains(&first.word()))
}

fn pair(all: &[Token], first: &str, second: &str) -> bool {
    all.windows(2).any(|two| two[0].is(first) && two[1].is(second))
}

/// Whether it gives a table of ours new columns that are empty or hold a constant, and does nothing else.
fn adds_columns(all: &[Token]) -> bool {
    let parts: Vec<&[Token]> = all.get(5..).unwrap_or_default().split(|token| token.sign(',')).collect();
    all.get(2).is_some_and(|schema| schema.is("selfsame"))
        && parts.iter().all(|part| pair(part, "add", "column") && !any(part, |token| token.sign('(')))
}

fn procedure(all: &[Token]) -> bool {
    let makes = begins(all, &["create"]) && named(all, &["function", "procedure", "rule"]);
    makes || begins(all, &["do", "call"]) || named(all, &["plpgsql"])
}

fn serializable(all: &[Token]) -> bool {
    any(all, |token| match token {
        Token::Word(word) => word == "serializable",
        Token::Text(text) => text.eq_ignore_ascii_case("serializable"),
        Token::Name(_) | Token::Number(_) | Token::Parameter(_) | Token::Sign(_) => false,
    })
}

/// A key or an index that doesn't begin with the workspace.
fn key(all: &[Token]) -> bool {
    if !begins(all, &["create", "alter"]) {
        return false;
    }
    let index = all.iter().position(|token| token.is("index"));
    let of_index = index.is_some_and(|place| {
        let columns = all[place..].iter().position(|token| token.sign('('));
        columns.is_none_or(|open| !all.get(place + open + 1).is_some_and(|first| first.is("workspace")))
    });
    let mut column = 0;
    let of_table = index.is_none()
        && (0..all.len()).any(|place| {
            if all[place].sign('(') && depth(all, place) == 0
                || all[place].sign(',') && depth(all, place) == 1
            {
                column = place + 1;
            }
            let next = match all[place].word() {
                "primary" => place + 2,
                "unique" => place + 1,
                _ => return false,
            };
            let first = if all.get(next).is_some_and(|token| token.sign('(')) { next + 1 } else { column };
            !all.get(first).is_some_and(|token| token.is("workspace"))
        });
    of_index || of_table
}

fn sequence(all: &[Token]) -> bool {
    let types = ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"];
    let calls = ["nextval", "currval", "setval", "lastval"];
    named(all, &types)
        || named(all, &calls)
        || named(all, &["generated"])
        || pair(all, "create", "sequence")
        || pair(all, "alter", "sequence")
}

/// The parts after each SET of an UPDATE, or of an ON CONFLICT only.
fn sets(all: &[Token], of_conflict: bool) -> impl Iterator<Item = Vec<Token>> {
    (0..all.len()).filter_map(move |place| {
        let after_do = place >= 2 && all[place - 1].is("update") && all[place - 2].is("do");
        let of_update = named(&all[..place], &["update"]);
        if !all[place].is("set") || !(after_do || of_update && !of_conflict) {
            return None;
        }
        let ends = |token: &Token| ["from", "where", "returning"].contains(&token.word());
        let level = depth(all, place);
        let end = (place..all.len()).find(|&at| depth(all, at) <= level && ends(&all[at]));
        Some(all[place + 1..end.unwrap_or(all.len())].to_vec())
    })
}

/// How many parentheses are open before a place.
fn depth(all: &[Token], place: usize) -> usize {
    let count = |sign| all[..place].iter().filter(|token| token.sign(sign)).count();
    count('(').saturating_sub(count(')'))
}

fn workspace_changed(all: &[Token]) -> bool {
    sets(all, false).any(|set| {
        (0..set.len()).any(|place| {
            let begins = place == 0 || set[place - 1].sign(',');
            let tuple = set[place].sign('(')
                && set[place..]
                    .iter()
                    .take_while(|token| !token.sign(')'))
                    .any(|token| token.is("workspace"));
            begins && depth(&set, place) == 0 && (set[place].is("workspace") || tuple)
        })
    })
}

fn has_call(tokens: &[Token]) -> bool {
    let call = |two: &[Token]| !two[0].word().is_empty() && two[1].sign('(');
    tokens.windows(2).any(call)
        || named(
            tokens,
            &["current_timestamp", "current_time", "current_date", "localtimestamp", "localtime"],
        )
}

/// New rows whose first column isn't the workspace, or isn't given by the first value.
fn new_rows(all: &[Token]) -> bool {
    let into = |place: &usize| {
        all[*place].is("selfsame") && *place > 0 && (all[place - 1].is("into") || all[place - 1].is("copy"))
    };
    (0..all.len()).filter(into).any(|place| {
        // Schema, dot, table, parenthesis, workspace.
        let named = all.get(place + 3).is_some_and(|token| token.sign('('))
            && all.get(place + 4).is_some_and(|token| token.is("workspace"));
        let select = all.iter().position(|token| token.is("select"));
        let values = all.iter().position(|token| token.is("values"));
        let first = select.map(|at| at + 1).or(values.map(|at| at + 2));
        let given = all[place - 1].is("copy")
            || first.and_then(|at| all.get(at)).is_some_and(scope::is_workspace_value);
        !(named && given)
    })
}

/// More than one arbiter, or none, or one that doesn't begin with the workspace.
fn arbiter(all: &[Token]) -> bool {
    let places: Vec<usize> =
        (1..all.len()).filter(|&at| all[at - 1].is("on") && all[at].is("conflict")).collect();
    let keyed = |at: &usize| {
        all.get(at + 1).is_some_and(|token| token.sign('('))
            && all.get(at + 2).is_some_and(|token| token.is("workspace"))
    };
    places.len() > 1 || !places.iter().all(keyed)
}

/// Rows that come back without that by which each is told from the others.
fn returning(all: &[Token]) -> bool {
    let Some(place) = all.iter().position(|token| token.is("returning")) else { return false };
    let returned = &all[place..];
    let has = |word| any(returned, |token| token.is(word));
    let target = all.windows(3).find(|three| three[0].is("selfsame") && three[1].sign('.'));
    !match target.map_or("", |three| three[2].word()) {
        "workspaces" => has("workspace"),
        "contacts" => has("id"),
        "keys" => has("id"),
        "identifiers" => has("kind") && has("value"),
        "events" => has("sequence"),
        _ => false,
    }
}

/// A row lock other than the one on the workspace's row.
fn row_lock(all: &[Token]) -> bool {
    const STRENGTHS: [&str; 4] = ["update", "share", "no", "key"];
    let locks = |two: &[Token]| two[0].is("for") && STRENGTHS.contains(&two[1].word());
    if !all.windows(2).any(locks) {
        return false;
    }
    let whole = "FROM selfsame.workspaces WHERE workspace = $1 FOR UPDATE";
    let unless_erased = "FROM selfsame.workspaces WHERE workspace = $1 AND erased_at_ms IS NULL FOR UPDATE";
    let to_sweep = "FROM selfsame.workspaces
        WHERE workspace = $1 AND erased_at_ms IS NOT NULL AND swept_at_ms IS NULL FOR UPDATE";
    let ends =
        [whole, unless_erased, to_sweep].iter().any(|end| all.ends_with(&super::statements(end).concat()));
    let froms = all.iter().filter(|token| token.is("from")).count();
    !(begins(all, &["select"]) && froms == 1 && ends)
}
