//! Lists for people: columns as wide as what stands in them.

use crate::put;

/// Writes the rows to standard output under their headings.
pub(crate) fn put_table<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> anyhow::Result<()> {
    let headings = headings.map(str::to_owned);
    let all = || std::iter::once(&headings).chain(rows);
    let widths: [usize; COLUMNS] =
        std::array::from_fn(|column| all().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in all() {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        put(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
