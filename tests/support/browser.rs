//! A real browser: Debian's Chromium without a window, driven by its chromedriver.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::process::clean;

/// How long a page may take until it shows what is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with a profile of its own, which ends with this value.
pub struct Browser {
    pub client: Client,
    driver: Child,
    _profile: TempDir,
}

impl Browser {
    /// # Panics
    ///
    /// If it can't be started: `cargo xtask test` installs it.
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().expect("there is room for a temporary folder");
        let mut command = Command::new("chromedriver");
        clean(&mut command, profile.path()).arg("--port=0").env("HOME", profile.path());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut driver = command.spawn().expect("it is missing: run `cargo xtask test`, which installs it");
        let port = port_of(&mut driver);
        let data = format!("--user-data-dir={}", profile.path().join("profile").display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1200,900",
            &data,
        ];
        let mut capabilities = Map::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({ "args": arguments }));
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" }));
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connected = builder.capabilities(capabilities).connect(&format!("http://127.0.0.1:{port}")).await;
        let client = connected.unwrap_or_else(|error| panic!("the browser doesn't start: {error}"));
        Self { client, driver, _profile: profile }
    }

    /// Opens an address.
    pub async fn open(&self, address: &str) {
        self.client.goto(address).await.unwrap_or_else(|error| panic!("{address}: {error}"));
    }

    /// The first element of that selector, as soon as there is one.
    pub async fn wait_for(&self, selector: &str) -> Element {
        let found = self.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("no `{selector}` comes: {error}"))
    }

    /// The text that an element shows.
    pub async fn text(&self, selector: &str) -> String {
        let element = self.wait_for(selector).await;
        element.text().await.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    /// Sends keys to whatever has the focus, as the keyboard does.
    pub async fn press(&self, keys: &str) {
        let focused = self.client.active_element().await.expect("a page has a focus");
        focused.send_keys(keys).await.unwrap_or_else(|error| panic!("{error}"));
    }

    /// What a script of the test's own gives, which no policy of a page stops.
    pub async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// What pages have written to the console since the last call: what a policy stopped, what failed to load or to run.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.client.issue_cmd(BrowserLog).await.expect("the browser keeps a log");
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().map(|entry| entry["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Keeps a picture of the page, under that name, for whoever looks at it later.
    pub async fn keep_screenshot(&self, name: &str) {
        let folder = screenshots();
        let picture = self.client.screenshot().await.expect("a page can be pictured");
        std::fs::write(folder.join(format!("{name}.png")), picture).expect("there is room");
    }

    /// Ends it.
    pub async fn close(self) {
        self.client.clone().close().await.expect("the browser ends");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to end, it ends its browser first.
        let pid = i32::try_from(self.driver.id()).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        let _ = self.driver.wait();
    }
}

/// Where screenshots are kept.
fn screenshots() -> PathBuf {
    static MADE: Once = Once::new();
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")));
    let folder = target.join("screenshots");
    MADE.call_once(|| std::fs::create_dir_all(&folder).expect("there is room"));
    folder
}

/// The port that a driver says it listens on.
fn port_of(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("started successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    // Nobody reads further: what it says later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    port.expect("chromedriver says where it listens")
}

/// Reads the browser's log; WebDriver itself has none.
#[derive(Debug)]
struct BrowserLog;

impl WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": "browser" }).to_string()))
    }
}
