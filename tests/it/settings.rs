//! Settings of the program: which source beats which, what is refused, and how each is explained.

use std::fs::write;
use std::path::Path;
use std::process::Command;

use support::client::Client;
use support::deadline::run_to_end;
use support::process::{ServerProcess, command, run};
use tempfile::TempDir;

/// The sources of a setting, strongest first.
const SOURCES: [&str; 5] = ["flag", "environment", ".env", "TOML", "default"];

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a temporary folder")
}

/// A server command in `folder` that gets `setting` from the source of that number and all weaker ones, each with
/// the value that `value` makes of the source.
fn from_sources(
    folder: &Path,
    strongest: usize,
    setting: &Setting,
    value: impl Fn(&str) -> String,
) -> Command {
    let given = |source: &str| {
        let place = SOURCES.iter().position(|name| *name == source).expect("a source");
        (place >= strongest).then(|| value(source))
    };
    // Every server here takes a free port unless its port is what is asked about.
    let free_port = if setting.flag == "--port" { "" } else { "PORT=0\n" };
    let dotenv = given(".env").map(|value| format!("{}={value}\n", setting.variable)).unwrap_or_default();
    write(folder.join(".env"), format!("{free_port}{dotenv}")).expect("there is room");
    let toml = given("TOML").map(|value| format!("{} = {value}\n", setting.flag.trim_start_matches('-')));
    write(folder.join("selfsame.toml"), toml.unwrap_or_default()).expect("there is room");
    let mut command = command(folder, &["serve"]);
    if let Some(value) = given("environment") {
        command.env(setting.variable, value);
    }
    if let Some(value) = given("flag") {
        command.args([setting.flag, &value]);
    }
    command
}

struct Setting {
    flag: &'static str,
    variable: &'static str,
}

#[test]
fn the_port_is_that_of_the_strongest_source() {
    let setting = Setting { flag: "--port", variable: "PORT" };
    // A port that is taken tells which one was asked for, and no port need be free.
    let taken =
        [(); 4].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports"));
    let ports = taken.map(|listener| (listener.local_addr().expect("it is bound").port(), listener));
    for strongest in 0..4 {
        let folder = folder();
        let port = |source: &str| {
            let place = SOURCES.iter().position(|name| *name == source).expect("a source");
            ports[place].0.to_string()
        };
        let said = ServerProcess::spawn(from_sources(folder.path(), strongest, &setting, port));
        let said = said.err().expect("the port is taken");
        let want = format!("error: can't listen on 127.0.0.1:{}: ", ports[strongest].0);
        assert!(said.contains(&want), "{}: {said}", SOURCES[strongest]);
    }
}

#[test]
fn the_database_is_that_of_the_strongest_source() {
    let setting = Setting { flag: "--database-url", variable: "DATABASE_URL" };
    for (strongest, want) in ["flag", "environment", "env", "TOML", "selfsame"].iter().enumerate() {
        let folder = folder();
        let url = |source: &str| {
            let url = format!("sqlite:{}.db", source.trim_start_matches('.'));
            if source == "TOML" { format!("{url:?}") } else { url }
        };
        let mut server =
            ServerProcess::spawn(from_sources(folder.path(), strongest, &setting, url)).expect("it serves");
        assert!(server.said().contains(&format!("database  sqlite:{want}.db\n")), "{}", server.said());
        server.kill();
        let databases: Vec<String> = std::fs::read_dir(folder.path())
            .expect("it is there")
            .map(|entry| entry.expect("it can be read").file_name().into_string().expect("ASCII"))
            .filter(|name| name.ends_with(".db"))
            .collect();
        assert_eq!(databases, [format!("{want}.db")], "{}", SOURCES[strongest]);
    }
}

#[tokio::test]
async fn the_spelling_of_answers_is_that_of_the_strongest_source() {
    let setting = Setting { flag: "--response-spelling", variable: "SELFSAME_RESPONSE_SPELLING" };
    // Each source says another word than the one below it.
    let spelling = |source: &str| match source {
        "flag" => "both".to_owned(),
        "environment" => "task".to_owned(),
        ".env" => "original".to_owned(),
        _ => "\"both\"".to_owned(),
    };
    let (original, task) = (r#""primaryContactId":1"#, r#""primaryContatctId":1"#);
    let wants = [(true, true), (false, true), (true, false), (true, true), (true, false)];
    for (strongest, want) in wants.into_iter().enumerate() {
        let folder = folder();
        let mut command = from_sources(folder.path(), strongest, &setting, spelling);
        command.env("PORT", "0");
        let server = ServerProcess::spawn(command).expect("it serves");
        let mut client = Client::connect(server.address).await.expect("it listens");
        let reply = client.identify(Some("doc@hill.edu"), None).await.expect("an answer");
        let spelt = (reply.text().contains(original), reply.text().contains(task));
        assert_eq!(spelt, want, "{}: {}", SOURCES[strongest], reply.text());
    }
}

/// What users saw: a compose file with `PORT=${PORT}` and no value stopped the server with "cannot parse integer".
#[test]
fn an_empty_variable_is_one_that_is_not_set() {
    let folder = folder();
    write(folder.path().join("selfsame.toml"), "port = 0\ndatabase-url = \"sqlite:named.db\"\n").unwrap();
    let mut command = command(folder.path(), &["serve"]);
    for variable in
        ["PORT", "HOST", "DATABASE_URL", "SELFSAME_LOG", "SELFSAME_RESPONSE_SPELLING", "SELFSAME_CONFIG"]
    {
        command.env(variable, "");
    }
    let _server = ServerProcess::spawn(command).expect("it serves");
    assert!(folder.path().join("named.db").exists(), "the file's setting counts");
}

/// What users saw: `DATABASE_URL=` in the environment hid the one in `.env`, and a new, empty database was served.
#[test]
fn an_empty_variable_does_not_hide_what_dotenv_says() {
    let folder = folder();
    write(folder.path().join(".env"), "DATABASE_URL=sqlite:from-dotenv.db\nPORT=0\n").unwrap();
    let mut command = command(folder.path(), &["serve"]);
    command.env("DATABASE_URL", "");
    let _server = ServerProcess::spawn(command).expect("it serves");
    assert!(folder.path().join("from-dotenv.db").exists(), "what `.env` says counts");
}

/// They asked another database than the server in the same folder.
#[test]
fn commands_below_commands_take_what_dotenv_says() {
    let folder = folder();
    write(folder.path().join(".env"), "DATABASE_URL=sqlite:from-dotenv.db\n").unwrap();
    assert_eq!(run(folder.path(), &["migrate"]).status.code(), Some(0));
    for arguments in [["policy", "show"], ["keys", "list"], ["workspaces", "list"]] {
        let output = run(folder.path(), &arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let exists = ["from-dotenv.db", "selfsame.db"].map(|name| folder.path().join(name).exists());
    assert_eq!(exists, [true, false], "what `.env` says counts");
}

/// They made an empty database in whatever folder they were called in, and said that nobody is known.
#[test]
fn whoever_only_asks_makes_no_database() {
    let folder = folder();
    for arguments in [&["policy", "show"][..], &["keys", "list"], &["history", "1"], &["why", "1", "2"]] {
        let output = run(folder.path(), arguments);
        let error = String::from_utf8(output.stderr).expect("the program speaks UTF-8");
        assert!(
            error.starts_with("error: there is no database `selfsame.db`\nhint: "),
            "{arguments:?}: {error}"
        );
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    }
    assert!(!folder.path().join("selfsame.db").exists());
}

/// Starts a server that must refuse, with exit code 2 and exactly that error; `.env` and the TOML file hold the
/// texts.
fn check_refused(arguments: &[&str], dotenv: &str, toml: &str, want: &str) {
    let folder = folder();
    write(folder.path().join(".env"), dotenv).expect("there is room");
    write(folder.path().join("selfsame.toml"), toml).expect("there is room");
    let output = run_to_end(folder.path(), arguments);
    let error = String::from_utf8(output.stderr).expect("the program speaks UTF-8");
    assert_eq!((output.status.code(), error.as_str()), (Some(2), want), "{arguments:?} {dotenv:?} {toml:?}");
    assert!(!folder.path().join("selfsame.db").exists(), "{arguments:?}: refused before a file is made");
}

#[test]
fn settings_that_cannot_be_are_refused_without_being_quoted() {
    let free = &["serve", "--port", "0"][..];
    for (dotenv, toml, want) in [
        (
            "PORT",
            "",
            "error: `.env` has a line that can't be read (at its character 4)\nhint: each line is NAME=value\n",
        ),
        ("", "prot = 1\n", "error: the settings file `selfsame.toml`: unknown field `prot`\n"),
        (
            "",
            "host = \"127.0.0.1\"\ndatabase-url = secret\n",
            "error: the settings file `selfsame.toml`, line 2: string values must be quoted, expected literal string\n",
        ),
        (
            "DATABASE_URL=postgresql://shop:secret@127.0.0.1:1/shop\n",
            "",
            "error: no connection to postgresql://127.0.0.1:1/shop: nobody listens there\n\
             hint: check host and port in DATABASE_URL, and that PostgreSQL runs\n",
        ),
        (
            "",
            "admin-key = 12345678901234567\n",
            "error: the settings file `selfsame.toml`, line 1: invalid type: integer, expected a string\n",
        ),
        (
            "DATABASE_URL=sqlite::memory:\n",
            "",
            "error: DATABASE_URL asks for a database in memory, which could keep no promise of durability\n\
             hint: name a file, for example sqlite:selfsame.db\n",
        ),
    ] {
        check_refused(free, dotenv, toml, want);
    }
    for (arguments, want) in [
        (
            &["serve", "--config", "none.toml"][..],
            "error: the settings file `none.toml` can't be read: No such file or directory (os error 2)\n",
        ),
        (
            &["serve", "--port", "0", "--log", "=x=y"],
            "error: `--log` is no log filter\nhint: try `info`, or `selfsame_service=debug,warn`\n",
        ),
    ] {
        check_refused(arguments, "", "", want);
    }
}

#[test]
fn an_address_that_strangers_reach_is_refused_without_a_word_for_it() {
    for (variable, host) in [("HOST=0.0.0.0\n", "0.0.0.0"), ("HOST=::\n", "::"), ("HOST=[::]\n", "::")] {
        let want = format!(
            "error: HOST {host} can be reached from other machines, and there is no key that anybody could be asked for\n\
             hint: set SELFSAME_ADMIN_KEY, or make a key with `selfsame keys create`; or say --insecure-no-auth, and whoever reaches the port may read and write every customer\n"
        );
        check_refused(&["serve", "--port", "0"], variable, "", &want);
    }
}

#[test]
fn loopback_by_name_is_served() {
    let folder = folder();
    let server =
        ServerProcess::spawn(command(folder.path(), &["serve", "--port", "0", "--host", "localhost"]));
    assert!(server.expect("it serves").address.ip().is_loopback());
}

/// What a command's `--help` says.
fn help(arguments: &[&str]) -> String {
    let folder = folder();
    let output = run(folder.path(), arguments);
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
    String::from_utf8(output.stdout).expect("the program speaks UTF-8")
}

#[test]
fn help_lists_the_commands() {
    let help = help(&["--help"]);
    // The options are those of `serve`, below.
    let (commands, _) = help.split_once("\nOptions:").expect("it has options too");
    insta::assert_snapshot!(commands, @r"
    An identity reconciliation server: which of your customers is this?

    Without a command, it serves.

    Usage: selfsame [OPTIONS]
           selfsame <COMMAND>

    Commands:
      serve        Serve the HTTP API
      identify     Identify one observation against a database; beside a running server, through it
      import       Import files of customers: CSV, TSV, lines of JSON; beside a running server, through it
      keys         Make, list and revoke keys; beside a running server, through it
      workspaces   Make, list, rename and erase workspaces; beside a running server, through it
      webhooks     Add, try, list and remove endpoints that events are sent to; beside a running server, through it
      why          Tell why two contacts are the same person; exit code 1 if they aren't
      history      List the events of a person
      record       Tell everything that is held about a person, as JSON
      undo         Undo a merge or an attachment, and keep its sides apart
      split        Split contacts off their identity, and keep them apart from it
      merge        Merge two identities by hand
      erase        Erase a person, for good
      scrub        Write the database anew without what was erased, and look for values that must be gone
      erasures     List who was erased, or erase them again in a database that was restored
      policy       Show, preview and set what links and what doesn't
      export       Write all contacts, identities or events to standard output, also while a server runs
      check        Prove the laws of identity over a database, also while a server runs
      backup       Write a verified copy of the embedded database to a file, also while a server runs
      restore      Put a backup in the place of the embedded database
      migrate      Bring the database to this version's schema, which `serve` also does at its start
      adopt        Take over a database of the original service, or tell what that would do
      doctor       Tell in plain words what is wrong with this installation; exit code 1 if something is
      healthcheck  Ask the server on this machine whether it is ready; exit code 1 if not
      help         Print this message or the help of the given subcommand(s)
    ");
}

#[test]
fn help_of_serve_explains_each_setting() {
    insta::assert_snapshot!(help(&["serve", "--help"]), @r"
    Serve the HTTP API

    Usage: selfsame serve [OPTIONS]

    Options:
          --database-url <URL>
              The database, `sqlite:PATH` or `postgresql://…` [default: sqlite:selfsame.db] [env: DATABASE_URL]
          --host <HOST>
              The address to listen on; anything but loopback needs a key (SELFSAME_ADMIN_KEY makes the first), or --insecure-no-auth [default: 127.0.0.1] [env: HOST=]
          --port <PORT>
              The port to listen on; 0 takes a free one [default: 3000] [env: PORT=]
          --insecure-no-auth[=<BOOL>]
              Ask nobody for a key, also beyond loopback: whoever reaches the port may read and write everything [env: SELFSAME_INSECURE_NO_AUTH=] [possible values: true, false]
          --response-spelling <SPELLING>
              How `POST /identify` spells the primary's key: primaryContactId, primaryContatctId or both [default: original] [env: SELFSAME_RESPONSE_SPELLING=] [possible values: original, task, both]
          --receive-timeout-seconds <SECONDS>
              Seconds that a client may take to send a request's head, and again its body (of a batch, 16 KiB of it) [default: 30] [env: SELFSAME_RECEIVE_TIMEOUT_SECONDS=]
          --drain-timeout-seconds <SECONDS>
              Seconds that running requests may take to end after SIGTERM [default: 20] [env: SELFSAME_DRAIN_TIMEOUT_SECONDS=]
          --queue-length-max <CHANGES>
              The most changes that wait for their commit; one more is answered 503 [default: 10000] [env: SELFSAME_QUEUE_LENGTH_MAX=]
          --batch-observations-max <CHANGES>
              The most changes that are committed together [default: 1000] [env: SELFSAME_BATCH_OBSERVATIONS_MAX=]
          --answer-timeout-seconds <SECONDS>
              Seconds after which a request is answered, with 503 if the database did not answer [default: 10] [env: SELFSAME_ANSWER_TIMEOUT_SECONDS=]
          --connections-max <CONNECTIONS>
              The most connections that are open; one more is answered 503. Less, if fewer files may be open [default: 20000] [env: SELFSAME_CONNECTIONS_MAX=]
          --send-timeout-seconds <SECONDS>
              Seconds that a client may take to read the next 16 KiB of its answer [default: 30] [env: SELFSAME_SEND_TIMEOUT_SECONDS=]
          --queue-wait-max-seconds <SECONDS>
              Seconds that a change may have to wait for its turn; one that would wait longer is answered 503 [default: 2] [env: SELFSAME_QUEUE_WAIT_MAX_SECONDS=]
          --tls-certificate <FILE>
              A PEM file of the server's certificate and those that lead to its authority; with it, the server speaks TLS [env: SELFSAME_TLS_CERTIFICATE=]
          --tls-key <FILE>
              A PEM file of that certificate's private key [env: SELFSAME_TLS_KEY=]
          --trusted-proxies <NETWORKS>
              Proxies that are believed when they say whom they speak for: addresses and networks, with commas between [env: SELFSAME_TRUSTED_PROXIES=]
          --cors-origins <ORIGINS>
              Origins whose web pages may use the API in a browser, with commas between, or `*` for all [env: SELFSAME_CORS_ORIGINS=]
          --webhooks-allow-private[=<BOOL>]
              Let webhooks lead to this machine and to private networks, and go without TLS: whoever may add one reaches what is there. A command that asks a running server goes by that one's setting [env: SELFSAME_WEBHOOKS_ALLOW_PRIVATE=] [possible values: true, false]
          --webhooks-timeout-seconds <SECONDS>
              Seconds that an endpoint of a webhook may take to answer [default: 15] [env: SELFSAME_WEBHOOKS_TIMEOUT_SECONDS=]
          --webhooks-parked-after-seconds <SECONDS>
              Seconds for which an endpoint may fail until it is parked, and nothing more is sent to it [default: 259200] [env: SELFSAME_WEBHOOKS_PARKED_AFTER_SECONDS=]
          --migrate[=<BOOL>]
              Bring the database to this version's schema at the start [default: true] [env: SELFSAME_MIGRATE=] [possible values: true, false]
          --log <FILTER>
              What is logged: error, warn, info, debug, or a filter of tracing's [default: info] [env: SELFSAME_LOG=]
          --log-format <FORMAT>
              How the log is written: text for people, json for programs, an object a line [default: text] [env: SELFSAME_LOG_FORMAT=] [possible values: text, json]
          --otlp-endpoint <URL>
              Send traces to this collector, by OTLP over HTTP; the other `OTEL_` variables count too [env: OTEL_EXPORTER_OTLP_ENDPOINT]
          --trace-ratio <RATIO>
              The share of requests, from 0 to 1, of which traces are kept where the caller doesn't say [default: 1] [env: OTEL_TRACES_SAMPLER_ARG=]
          --config <FILE>
              A TOML file of settings, named as the flags are [default: selfsame.toml, if it is there] [env: SELFSAME_CONFIG=]
      -h, --help
              Print help
    ");
}

#[test]
fn help_of_the_other_commands_explains_what_they_take() {
    insta::assert_snapshot!(help(&["identify", "--help"]), @r"
    Identify one observation against a database; beside a running server, through it

    Usage: selfsame identify [OPTIONS]

    Options:
          --email <EMAIL>       The e-mail address that was seen
          --phone <PHONE>       The phone number that was seen
          --workspace <NAME>    The workspace that it was seen in [default: default]
          --database-url <URL>  The database, `sqlite:PATH` or `postgresql://…` [default: sqlite:selfsame.db] [env: DATABASE_URL]
          --config <FILE>       A TOML file of settings, named as the flags are [default: selfsame.toml, if it is there] [env: SELFSAME_CONFIG=]
      -h, --help                Print help
    ");
}

#[test]
fn help_of_export_explains_its_formats() {
    insta::assert_snapshot!(help(&["export", "--help"]), @r"
    Write all contacts, identities or events to standard output, also while a server runs

    Usage: selfsame export [OPTIONS] [WHAT]

    Arguments:
      [WHAT]
              What is written

              Possible values:
              - contacts:   A row for each contact, with the original's fields
              - identities: A row for each customer
              - events:     A row for each event of the log, from which `import --events` makes the same database again
              
              [default: contacts]

    Options:
          --format <FORMAT>
              JSON lines, or CSV with a header line and empty fields for null
              
              [default: jsonl]
              [possible values: jsonl, csv]

          --at <SEQUENCE|TIME>
              As it was after that event, or at that time (RFC 3339); of events, those up to there

          --workspace <NAME>
              The workspace that is written [default: default]

          --database-url <URL>
              The database, `sqlite:PATH` or `postgresql://…` [default: sqlite:selfsame.db]
              
              [env: DATABASE_URL]

          --config <FILE>
              A TOML file of settings, named as the flags are [default: selfsame.toml, if it is there]
              
              [env: SELFSAME_CONFIG=]

      -h, --help
              Print help (see a summary with '-h')
    ");
}
