//! How many rows a second are read on one core, from bytes to observations: `cargo bench -p selfsame-bulk`.

use std::hint::black_box;
use std::io::{Cursor, Write};
use std::time::Instant;

use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use selfsame_bulk::{RowReader, Settings};
use selfsame_rules::{Actor, Policy};

const ROWS: u32 = 1_000_000;
const ATTEMPTS: usize = 3;

/// What a row is made of: a customer as shops export them.
fn rows(header: &str, row: impl Fn(u32) -> String) -> Vec<u8> {
    std::iter::once(header.to_owned()).chain((0..ROWS).map(row)).collect::<String>().into_bytes()
}

fn main() {
    let narrow = rows("email,phone\n", |n| format!("customer{n}@shop{}.example,+49151{n:08}\n", n % 97));
    let wide = rows("Customer ID,First Name,Last Name,Email,Phone,City,Note,Created at\n", |n| {
        format!("{n},Ada,Lovelace,Customer{n}@shop.example,+49 151 {n:08},London,,2026-01-31 12:00:00\n")
    });
    let quoted = rows("\"email\",\"phone\",\"note\"\n", |n| {
        format!("\"customer{n}@shop.example\",\"+49151{n:08}\",\"said \"\"hi\"\"\"\n")
    });
    let json = rows("", |n| {
        format!("{{\"id\":{n},\"email\":\"customer{n}@shop.example\",\"phone\":\"+49151{n:08}\"}}\n")
    });
    let zstd = compress_to_vec(narrow.as_slice(), CompressionLevel::Fastest);
    let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&narrow).expect("memory can be written");
    let gzip = gzip.finish().expect("memory can be written");
    for (name, file) in [
        ("CSV of 2 columns", narrow),
        ("CSV of 8 columns, times read", wide),
        ("CSV of 3 quoted columns", quoted),
        ("JSON lines of 3 members", json),
        ("CSV of 2 columns, gzip", gzip),
        ("CSV of 2 columns, zstd", zstd),
    ] {
        let best = (0..ATTEMPTS).map(|_| rows_per_second(&file)).fold(0.0, f64::max);
        println!("{name}: {best:.0} rows a second");
    }
}

fn rows_per_second(file: &[u8]) -> f64 {
    let policy = Policy::default();
    let input = Cursor::new(file.to_vec());
    let begun = Instant::now();
    let settings = Settings::new(&policy, |_, _| None, Actor::named("bench"));
    let reader = RowReader::open(input, settings).expect("it has known columns");
    let mut read = 0;
    for row in reader {
        let row = row.expect("memory can be read");
        read += u32::from(black_box(row.outcome).is_ok());
    }
    assert_eq!(read, ROWS, "each row is an observation");
    f64::from(ROWS) / begun.elapsed().as_secs_f64()
}
