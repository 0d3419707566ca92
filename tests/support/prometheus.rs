//! A Prometheus of a test's own, which scrapes a server each second and follows the alert rules that we ship.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use hyper::StatusCode;
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::deadline::wait_for;
use crate::postgres::port;

/// A running Prometheus. Dropped, it is killed.
pub struct Prometheus {
    port: u16,
    process: Child,
    /// Holds its settings, its data and its log.
    _folder: TempDir,
}

impl Prometheus {
    /// One that scrapes `target` as the job `selfsame`, and evaluates the rules of that file.
    pub fn start(target: SocketAddr, rules: &Path) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a temporary folder");
        let settings = folder.path().join("prometheus.yml");
        fs::write(&settings, text(target, rules)).expect("our own folder can be written");
        let log = folder.path().join("log");
        // A port that was free may be taken a moment later.
        for _ in 0..5 {
            let port = port::free();
            let mut command = Command::new("prometheus");
            command.arg(format!("--config.file={}", settings.display()));
            command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
            command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
            command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
            command.stderr(File::create(&log).expect("our own folder can be written"));
            let mut process = command.spawn().expect("Prometheus is missing: `cargo xtask test` installs it");
            let started = wait_for("Prometheus accepts connections", || {
                // In this order: a process that goes on listens on that port itself.
                let answered = TcpStream::connect(("127.0.0.1", port)).is_ok();
                let ended = process.try_wait().expect("it is our child").is_some();
                if ended { Some(false) } else { answered.then_some(true) }
            });
            if started {
                return Self { port, process, _folder: folder };
            }
        }
        panic!("it does not start: {}", fs::read_to_string(log).unwrap_or_default());
    }

    /// What an expression gives now: the labels and the value of each series.
    ///
    /// # Panics
    ///
    /// If Prometheus doesn't take the expression.
    pub async fn query(&self, expression: &str) -> Vec<(Value, f64)> {
        let answer = self.get(&format!("/api/v1/query?query={}", encoded(expression))).await;
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        let series = answer["data"]["result"].as_array().expect("a list of series");
        let value = |series: &Value| series["value"][1].as_str().and_then(|value| value.parse().ok());
        series.iter().map(|series| (series["metric"].clone(), value(series).expect("a number"))).collect()
    }

    /// The names of the alerts whose expressions hold, whether or not they have held for long enough to be sent.
    pub async fn alerts(&self) -> BTreeSet<String> {
        let answer = self.get("/api/v1/alerts").await;
        let alerts = answer["data"]["alerts"].as_array().expect("a list of alerts");
        alerts.iter().map(|alert| alert["labels"]["alertname"].as_str().expect("a name").to_owned()).collect()
    }

    async fn get(&self, path: &str) -> Value {
        let address = ([127, 0, 0, 1], self.port).into();
        let mut client = Client::connect(address).await.expect("it listens");
        loop {
            let reply = client.get(path).await.expect("it answers");
            // What it says until it has looked at its data.
            if reply.status != StatusCode::SERVICE_UNAVAILABLE {
                return reply.json();
            }
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn text(target: SocketAddr, rules: &Path) -> String {
    let rules = rules.display();
    format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
         rule_files: ['{rules}']\n\
         scrape_configs: [{{ job_name: selfsame, static_configs: [{{ targets: ['{target}'] }}] }}]\n"
    )
}

/// Percent-encoded, as the value of a parameter.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
