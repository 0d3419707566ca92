//! The examples in `examples/clients`: programs over clients that others' generators make of a server's own description. Each is
//! set up as its README says, in a folder of its own.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::node;
use crate::process::clean;
use crate::python;

const PACKAGE: &str = include_str!("../../examples/clients/typescript/package.json");
const LOCK: &str = include_str!("../../examples/clients/typescript/package-lock.json");
const REQUIREMENTS: &str = include_str!("../../examples/clients/python/requirements.txt");

/// What an example is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    TypeScript,
    Python,
}

/// An example, and the client that was generated for it.
pub struct Example {
    language: Language,
    folder: TempDir,
    /// Where packages for Python are; those for Node are in the folder.
    modules: Option<PathBuf>,
}

impl Example {
    /// Copies an example, and generates its client of what the server at that address says of itself.
    ///
    /// # Panics
    ///
    /// If its packages can't be installed, or the generator doesn't understand the description.
    pub fn generate(language: Language, server: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let name = match language {
            Language::TypeScript => "typescript",
            Language::Python => "python",
        };
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/clients").join(name);
        for entry in fs::read_dir(examples).expect("the example is there") {
            let file = entry.expect("it can be listed").path();
            // Whoever has tried the example has folders in it.
            if file.is_file() {
                fs::copy(&file, folder.path().join(file.file_name().expect("a file has a name")))
                    .expect("there is room");
            }
        }
        let mut example = Self { language, folder, modules: None };
        let description = format!("http://{server}/openapi.json");
        let output = match language {
            Language::TypeScript => {
                let packages = node::packages("client-typescript", PACKAGE, LOCK).join("node_modules");
                symlink(packages, example.folder.path().join("node_modules")).expect("the folder is ours");
                let url = format!("http://{server}");
                example.command("npm").args(["run", "generate"]).env("SELFSAME_URL", url).output()
            }
            Language::Python => {
                example.modules = Some(python::packages("client-python", REQUIREMENTS));
                let mut generate = example.command("python3");
                generate.args([
                    "-m",
                    "openapi_python_client",
                    "generate",
                    "--url",
                    &description,
                    "--meta",
                    "none",
                ]);
                generate.args(["--config", "generate.yaml", "--output-path", "selfsame_client"]).output()
            }
        };
        let said = told(&output.expect(MISSING));
        let complaints = ["warning", "error", "skipping"];
        let whole =
            said.as_ref().is_ok_and(|said| !complaints.iter().any(|word| said.to_lowercase().contains(word)));
        assert!(whole, "{language:?}: {said:?}");
        example
    }

    /// Checks its types, strictly; what is wrong, as an error. A program in TypeScript is built by that.
    pub fn check(&self) -> Result<String, String> {
        let output = match self.language {
            Language::TypeScript => self.command("npm").args(["run", "build"]).output(),
            Language::Python => self
                .command("python3")
                .args(["-m", "mypy", "--strict", "checkout.py", "selfsame_client"])
                .output(),
        };
        told(&output.expect(MISSING))
    }

    /// Checks it with a change in the text of a file, in which `from` stands once; nothing of that stays.
    pub fn check_changed(&self, file: &str, from: &str, to: &str) -> Result<String, String> {
        let file = self.folder.path().join(file);
        let text = fs::read_to_string(&file).expect("it was copied");
        assert_eq!(text.matches(from).count(), 1, "{from}");
        fs::write(&file, text.replace(from, to)).expect("it is ours");
        let checked = self.check();
        fs::write(&file, text).expect("it is ours");
        checked
    }

    /// Runs the program against the server at that URL; its exit code and what it printed.
    pub fn run(&self, url: &str, key: &str, arguments: &[&str]) -> (Option<i32>, String) {
        let mut program = match self.language {
            Language::TypeScript => self.command("node"),
            Language::Python => self.command("python3"),
        };
        program.arg(match self.language {
            Language::TypeScript => "build/checkout.js",
            Language::Python => "checkout.py",
        });
        let output = program.args(arguments).env("SELFSAME_URL", url).env("SELFSAME_KEY", key).output();
        let output = output.expect(MISSING);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).expect("it prints UTF-8"))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        clean(&mut command, self.folder.path()).env("PYTHONDONTWRITEBYTECODE", "1");
        command.envs(self.modules.iter().map(|modules| ("PYTHONPATH", modules)));
        command
    }
}

const MISSING: &str = "node, npm or python3 is missing: run `cargo xtask test`, which installs them";

/// All that a command said, as an error if it failed.
fn told(output: &Output) -> Result<String, String> {
    let said = [&*output.stdout, &*output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if output.status.success() { Ok(said) } else { Err(said) }
}
