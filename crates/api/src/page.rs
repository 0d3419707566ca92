//! Pages of a list: at most so many at once, and a cursor that leads to the next. A cursor is opaque; it holds the place of
//! the last item, so that a page doesn't shift when items come or go.

use axum::http::Uri;
use data_encoding::BASE64URL_NOPAD;
use utoipa::IntoParams;

use crate::problem::Problem;
use crate::query::{Query, invalid};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1_000;

/// The query of every list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is what the description of the interface shows")]
pub(crate) struct PageQuery {
    /// The most items of a page, 1 to 1000; 100 if it isn't said.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// The place of an item in its list: a time or a number, and what tells equal ones apart.
pub(crate) type Place = (i64, String);

/// Which page is asked for.
pub(crate) struct Page {
    /// Whose cursors it takes and gives.
    list: &'static str,
    limit: usize,
    after: Option<Place>,
}

impl Page {
    /// The page of the list of that name that a query asks for; it may hold nothing else.
    pub(crate) fn asked(uri: &Uri, list: &'static str) -> Result<Self, Problem> {
        let mut query = Query::of(uri);
        let page = Self::take(&mut query, list)?;
        query.end("`limit` and `cursor`")?;
        Ok(page)
    }

    /// The same of a query that holds other parameters too.
    pub(crate) fn take(query: &mut Query, list: &'static str) -> Result<Self, Problem> {
        let limit = query.take("limit")?.map_or(Ok(LIMIT_DEFAULT), |limit| {
            let number = limit.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
            number.ok_or_else(|| invalid(format!("`limit` must be a whole number from 1 to {LIMIT_MAX}.")))
        })?;
        let after =
            query.take("cursor")?.map(|cursor| read(&cursor, list).ok_or_else(invalid_cursor)).transpose()?;
        Ok(Self { list, limit, after })
    }

    /// The first page.
    pub(crate) fn first(list: &'static str) -> Self {
        Self { list, limit: LIMIT_DEFAULT, after: None }
    }

    /// The number that the last item before this page has, where items are told by one alone; 0 before the first.
    pub(crate) fn after(&self) -> i64 {
        self.after.as_ref().map_or(0, |(number, _)| *number)
    }

    /// The place of the last item before this page; nothing before the first.
    pub(crate) fn after_place(&self) -> Option<&Place> {
        self.after.as_ref()
    }

    /// How many items it holds at most.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// The cursor that leads on after an item.
    pub(crate) fn cursor(&self, place: &Place) -> String {
        write(self.list, place)
    }

    /// The same, of an item that is told by a number alone.
    pub(crate) fn cursor_after(&self, number: i64) -> String {
        self.cursor(&(number, String::new()))
    }

    /// The items of that page, out of all in order, and the cursor that leads to the next one.
    pub(crate) fn of<T>(
        &self,
        all: impl IntoIterator<Item = T>,
        place: impl Fn(&T) -> Place,
    ) -> (Vec<T>, Option<String>) {
        let mut items: Vec<T> = all.into_iter().collect();
        items.sort_by_key(|item| place(item));
        let begin =
            self.after.as_ref().map_or(0, |after| items.partition_point(|item| place(item) <= *after));
        let mut items: Vec<T> = items.into_iter().skip(begin).take(self.limit + 1).collect();
        let more = items.len() > self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| more).map(|last| write(self.list, &place(last)));
        (items, next)
    }
}

fn write(list: &str, (number, text): &Place) -> String {
    BASE64URL_NOPAD.encode(format!("{list}:{number}:{text}").as_bytes())
}

fn read(cursor: &str, list: &str) -> Option<Place> {
    let decoded = String::from_utf8(BASE64URL_NOPAD.decode(cursor.as_bytes()).ok()?).ok()?;
    let (number, text) = decoded.strip_prefix(list)?.strip_prefix(':')?.split_once(':')?;
    Some((number.parse().ok()?, text.to_owned()))
}

pub(crate) fn invalid_cursor() -> Problem {
    let detail = "`cursor` is none of this list; take `nextCursor` of the page before, or leave it out.";
    Problem::bad_request("invalid_cursor", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> Result<Page, &'static str> {
        let uri: Uri = format!("/v1/keys?{query}").parse().unwrap();
        Page::asked(&uri, "keys").map_err(|problem| problem.code)
    }

    #[test]
    fn pages_hold_each_item_once() {
        let items = [(2, "b"), (1, "z"), (2, "a"), (3, "c"), (1, "y")];
        let place = |item: &(i64, &str)| (item.0, item.1.to_owned());
        let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
        loop {
            let (some, next) = page(&query).unwrap().of(items, place);
            seen.extend(some);
            let Some(next) = next else { break };
            query = format!("limit=2&cursor={next}");
        }
        assert_eq!(seen, [(1, "y"), (1, "z"), (2, "a"), (2, "b"), (3, "c")]);
    }

    #[test]
    fn a_bad_query_is_refused() {
        for (query, want) in [
            ("limit=0", "invalid_query"),
            ("limit=1001", "invalid_query"),
            ("limit=x", "invalid_query"),
            ("limit=1&limit=1", "invalid_query"),
            ("size=1", "invalid_query"),
            ("cursor=%21", "invalid_cursor"),
            ("cursor=eA", "invalid_cursor"),
            ("cursor=", "invalid_cursor"),
            // Of the list `shops`.
            ("cursor=c2hvcHM6MTph", "invalid_cursor"),
        ] {
            assert_eq!(page(query).err(), Some(want), "{query}");
        }
    }
}
