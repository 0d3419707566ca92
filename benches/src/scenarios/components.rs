//! What DuckDB and igraph do with the edges of a file: they number its values and find which are connected, in memory and for once.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::bench::Bench;
use crate::orders_file::OrdersFile;
use crate::report::number;

/// The packages, as pip takes them.
const REQUIREMENTS: &str = include_str!("../../components/requirements.txt");
/// The engines, and what asks them.
const ENGINES: [(&str, &str); 2] = [
    ("DuckDB", include_str!("../../components/with_duckdb.py")),
    ("igraph", include_str!("../../components/with_igraph.py")),
];

/// Lines of a list: how long each engine takes, as often as files are imported; the fastest.
///
/// # Errors
///
/// If an engine finds another number of components than `identities`: then one of us is wrong.
pub(crate) fn beside(
    bench: &Bench,
    folder: &Path,
    file: &OrdersFile,
    identities: u64,
) -> anyhow::Result<String> {
    let packages = folder.join("packages");
    if let Err(error) = install(folder, &packages) {
        return Ok(format!("- DuckDB and igraph were not measured: {error:#}.\n"));
    }
    let edges = folder.join("edges.csv");
    file.write_edges(&edges)?;
    let mut lines = String::new();
    for (name, script) in ENGINES {
        let path = folder.join("script.py");
        fs::write(&path, script).context("a script can't be written")?;
        let mut fastest: Option<(f64, f64)> = None;
        for _ in 0..bench.settings.imports {
            bench.interrupt.check()?;
            let mut python = Command::new("python3");
            let text = output_of(python.arg(&path).arg(&edges).env("PYTHONPATH", &packages))?;
            let numbers: Vec<f64> =
                text.split_whitespace().filter_map(|number| number.parse().ok()).collect();
            let [reading, connecting, components] = numbers[..] else { bail!("{name} told something else") };
            if components != identities as f64 {
                bail!("{name} finds {components} components, and the import {identities} identities");
            }
            if fastest.is_none_or(|(before, more)| reading + connecting < before + more) {
                fastest = Some((reading, connecting));
            }
        }
        let Some((reading, connecting)) = fastest else { continue };
        lines += &format!(
            "- {name}, whose {} connected components are our identities: {reading:.2} s to read the canonical values of the rows and number them, \
             {connecting:.2} s for the components. It keeps nothing, and knows nobody who came before.\n",
            number(identities as f64),
        );
        bench.say(&format!("  {name}: {:.2} s", reading + connecting));
    }
    Ok(lines)
}

fn install(folder: &Path, packages: &Path) -> anyhow::Result<()> {
    let list = folder.join("requirements.txt");
    fs::write(&list, REQUIREMENTS).context("a list can't be written")?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--target"]);
    output_of(pip.arg(packages).arg("--requirement").arg(list)).map(drop)
}

fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("{program} can't be started"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} failed: {}", said.lines().next_back().unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
