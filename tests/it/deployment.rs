//! Facts of the files that deploy the program, which rot where nobody builds an image: versions, names, ports, paths,
//! settings. That the images build is not shown here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::process::{ServerProcess, clean, command, run};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn compose(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const COMPOSE: [&str; 2] = ["docker-compose.dev.yaml", "docker-compose.prod.yaml"];

/// Each variable of `selfsame serve`, with its default where the help tells one; of a switch, that it is off.
fn variables() -> BTreeMap<String, Option<String>> {
    let folder = tempfile::tempdir().unwrap();
    let help = String::from_utf8(run(folder.path(), &["serve", "--help"]).stdout).unwrap();
    let bracket = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("[{name}: "))?;
        Some(rest.split(']').next().unwrap_or(rest).to_owned())
    };
    let variables: BTreeMap<_, _> = help
        .lines()
        .filter_map(|line| {
            let name = bracket(line, "env")?.trim_end_matches('=').to_owned();
            // `selfsame.toml, if it is there`
            let default = bracket(line, "default").map(|text| text.split(',').next().unwrap().to_owned());
            let is_switch = bracket(line, "possible values").is_some_and(|values| values == "true, false");
            let default = default.or_else(|| is_switch.then(|| "false".to_owned()));
            Some((name, default))
        })
        .collect();
    assert!(variables.len() > 8, "the help is read: {variables:?}");
    variables
}

fn drain_timeout_seconds() -> u64 {
    variables()["SELFSAME_DRAIN_TIMEOUT_SECONDS"].as_ref().unwrap().parse().unwrap()
}

/// The settings that `.env.example` shows, taken out of their comments.
fn example() -> Vec<(String, String)> {
    let text = read(".env.example");
    let named = text.lines().filter_map(|line| line.strip_prefix('#').filter(|line| !line.starts_with(' ')));
    named
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("`{line}` is no setting")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_example_names_every_setting_with_its_default_and_no_other() {
    let (example, variables) = (example(), variables());
    for (name, value) in &example {
        match variables.get(name) {
            Some(Some(default)) => assert_eq!(value, default, "{name}"),
            // Not set.
            Some(None) => assert_eq!(value, "", "{name}"),
            // No flag: others on the machine can read those.
            None if name == "SELFSAME_ADMIN_KEY" => assert_eq!(value, ""),
            // What only the compose files read.
            None => assert!(name.starts_with("POSTGRES_"), "{name} is no setting"),
        }
    }
    let named: BTreeSet<&String> = example.iter().map(|(name, _)| name).collect();
    assert_eq!(named.len(), example.len(), "each once");
    for name in variables.keys() {
        assert!(named.contains(name), "{name} isn't in `.env.example`");
    }
}

#[test]
fn a_server_starts_with_all_that_the_example_names() {
    let folder = tempfile::tempdir().unwrap();
    let dotenv: String = example().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    std::fs::write(folder.path().join(".env"), dotenv).unwrap();
    std::fs::write(folder.path().join("selfsame.toml"), "").unwrap();
    ServerProcess::spawn(command(folder.path(), &["serve", "--port", "0"]))
        .unwrap_or_else(|said| panic!("{said}"));
}

#[test]
fn both_compose_files_serve_on_this_machine_alone() {
    for name in COMPOSE {
        let file = compose(name);
        let services = file["services"].as_object().unwrap();
        assert_eq!(services.keys().collect::<Vec<_>>(), ["app", "db"], "{name}: named as the original's");
        for (service, said) in services {
            let ports = said["ports"].as_array().into_iter().flatten();
            for port in ports {
                assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}, {service}: {port}");
            }
            assert!(said.get("network_mode").is_none(), "{name}, {service}: a network of its own");
            for mount in said["volumes"].as_array().into_iter().flatten() {
                let source = mount.as_str().unwrap().split(':').next().unwrap();
                let known = if source.starts_with('.') {
                    root().join(source).exists()
                } else {
                    file["volumes"].get(source).is_some()
                };
                assert!(known, "{name}, {service}: `{source}` is neither a file nor a volume");
            }
        }
        let app = &services["app"];
        assert_eq!(app["ports"], serde_json::json!(["127.0.0.1:${PORT:-3000}:3000"]), "{name}");
        assert_eq!(app["environment"]["PORT"], "3000", "{name}");
        assert_eq!(app["environment"]["HOST"], "0.0.0.0", "{name}");
        // The one asks for a key before anything is started, the other for none.
        let (key, insecure) = ("SELFSAME_ADMIN_KEY", "SELFSAME_INSECURE_NO_AUTH");
        let asks =
            app["environment"][key].as_str().is_some_and(|key| key.starts_with("${SELFSAME_ADMIN_KEY:?"));
        let insecure = app["environment"][insecure].as_str() == Some("true");
        assert_eq!((asks, insecure), (name.contains("prod"), name.contains("dev")), "{name}");
        assert_eq!(
            app["environment"]["DATABASE_URL"], services["db"]["environment"]["DATABASE_URL"],
            "{name}"
        );
        assert_eq!(app["depends_on"]["db"]["condition"], "service_healthy", "{name}");
        assert!(services["db"]["healthcheck"]["test"].to_string().contains("pg_isready"), "{name}");
        let grace = app["stop_grace_period"].as_str().unwrap().trim_end_matches('s');
        assert!(grace.parse::<u64>().unwrap() > drain_timeout_seconds(), "{name}: requests would be cut off");
    }
}

/// The lines of the Dockerfile that begin with that instruction, without it.
fn instructions<'text>(dockerfile: &'text str, name: &str) -> Vec<&'text str> {
    dockerfile.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).collect()
}

#[test]
fn the_image_is_built_with_a_rust_that_the_workspace_takes() {
    let version = |text: &str| text.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let least = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    let dockerfile = read("Dockerfile");
    let arguments = instructions(&dockerfile, "ARG");
    let image = arguments.iter().find_map(|line| line.strip_prefix("RUST_VERSION=")).unwrap();
    assert!(version(image) >= version(least), "the image has Rust {image}, the workspace wants {least}");
}

#[test]
fn the_dockerfile_names_stages_and_files_that_are_there() {
    let dockerfile = read("Dockerfile");
    let mut stages = BTreeSet::new();
    for line in dockerfile.lines() {
        if let Some(from) = line.strip_prefix("FROM ") {
            let words: Vec<&str> = from.split(' ').collect();
            assert!(stages.contains(words[0]) || words[0].contains("${DEBIAN}"), "{line}");
            stages.insert(words[2]);
        } else if let Some(copied) = line.strip_prefix("COPY ") {
            match copied.strip_prefix("--from=") {
                Some(from) => assert!(stages.contains(from.split(' ').next().unwrap()), "{line}"),
                None => assert!(root().join(copied.split(' ').next().unwrap()).exists(), "{line}"),
            }
        }
    }
    assert!(stages.contains("dev"), "the dev compose file's target");
    assert_eq!(compose(COMPOSE[0])["services"]["app"]["build"]["target"], "dev");
    // A workspace whose members aren't all there can't be built.
    let ignored = read(".dockerignore");
    for member in ["Cargo.toml", "Cargo.lock", "crates", "tests", "xtask"] {
        assert!(!ignored.lines().any(|line| line.trim_matches('/') == member), "{member} is needed");
    }
    for secret in [".env*", "**/*.db", ".git"] {
        assert!(ignored.lines().any(|line| line == secret), "{secret} could get into an image");
    }
    assert_eq!(instructions(&dockerfile, "USER"), ["10001:10001"]);
    assert_eq!(instructions(&dockerfile, "ENTRYPOINT"), [r#"["selfsame"]"#]);
    assert_eq!(instructions(&dockerfile, "STOPSIGNAL"), ["SIGTERM"; 2]);
}

#[test]
fn the_unit_gives_the_server_its_time_and_its_folder() {
    let unit = read("deploy/selfsame.service");
    let value =
        |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    assert_eq!(value("ExecStart"), "/usr/local/bin/selfsame serve");
    assert_eq!(value("WorkingDirectory"), format!("%S/{}", value("StateDirectory")));
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() > drain_timeout_seconds());
    assert!(value("RestrictAddressFamilies").contains("AF_UNIX"), "commands write through a socket");
}

/// `POSTGRES_USER`, `POSTGRES_PASSWORD` and `POSTGRES_DB` that the database's container gets from a URL.
fn database_of(url: &str) -> String {
    let mut bash = Command::new("bash");
    let show = r#"printf '%s|%s|%s' "$POSTGRES_USER" "$POSTGRES_PASSWORD" "$POSTGRES_DB""#;
    let output = clean(&mut bash, &root())
        .args(["deploy/database-of-url", "sh", "-c", show])
        .env("DATABASE_URL", url)
        .envs([("POSTGRES_USER", "u"), ("POSTGRES_PASSWORD", "p"), ("POSTGRES_DB", "d")])
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{url}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_database_is_made_as_the_url_asks_for_it() {
    for (url, want) in [
        ("postgresql://postgres:secret@db:5432/shop", "postgres|secret|shop"),
        ("postgres://shop:secret@db/shop?schema=public&connection_limit=5", "shop|secret|shop"),
        (r"postgresql://a%40b:p%3As%25s\n%2F@db:5432/my%20shop", r"a@b|p:s%s\n/|my shop"),
        ("postgresql://shop@db/shop", "shop|p|shop"),
        ("postgresql://db", "u|p|d"),
        // Databases that aren't ours to make.
        ("postgresql://shop:secret@db.example.org/shop", "u|p|d"),
        ("postgresql://shop:secret@localhost:5432/shop", "u|p|d"),
        ("sqlite:selfsame.db", "u|p|d"),
        ("", "u|p|d"),
    ] {
        assert_eq!(database_of(url), want, "{url}");
    }
}
