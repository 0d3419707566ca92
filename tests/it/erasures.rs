//! A backup that is restored does not bring back whoever was erased since, and nobody else is erased with them.

use std::os::unix::fs::FileExt;

use serde_json::{Value, json};
use support::client::{Ask, Client};
use support::deadline::run_to_end;
use support::home::Home;
use support::process::{ServerProcess, command, run};
use support::traces_of::{files_beneath, traces_of};

use crate::backup::{done, identify, told};

const ADA: &str = "ada@engine.example";
const TWIN: &str = "ada.twin@engine.example";

/// Ada has contacts 1 and 2, and number 3 is joined with her; 4 is somebody else.
fn people(home: &Home) {
    identify(home.path(), ADA, "1000001");
    identify(home.path(), ADA, "1000002");
    identify(home.path(), TWIN, "1000002");
    identify(home.path(), "doc@hill.edu", "1000003");
}

async fn ask(server: &ServerProcess, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let mut client = Client::connect(server.address).await.expect("it listens");
    let body = body.map(|body| body.to_string());
    let mut ask = Ask::new(method, path);
    if let Some(body) = &body {
        ask = ask.body(body);
    }
    let reply = client.ask(ask).await;
    (reply.status.as_u16(), reply.json())
}

/// Number 3 is split off after the backup, Ada is erased, and so is somebody who came after it.
async fn later(home: &Home) {
    let mut server = ServerProcess::start(home.path());
    let split = json!({ "contactIds": [3] });
    assert_eq!(ask(&server, "POST", "/v1/identities/1/split", Some(split)).await.0, 200);
    assert_eq!(ask(&server, "DELETE", "/v1/identities/1", None).await.0, 200);
    let new = json!({ "email": "new@hill.edu" });
    assert_eq!(ask(&server, "POST", "/identify", Some(new)).await.0, 200);
    assert_eq!(ask(&server, "DELETE", "/v1/identities/5", None).await.0, 200);
    assert_eq!(server.terminate().code(), Some(0));
}

/// What the restored database must be: without Ada, and with the other two.
fn judge(home: &Home) {
    let export = done(home.path(), &["export"]);
    assert!(!export.contains(ADA) && !export.contains("1000001"), "{export}");
    assert!(export.contains(TWIN) && export.contains("doc@hill.edu"), "{export}");
    done(home.path(), &["check"]);
}

#[tokio::test]
async fn restoring_a_backup_erases_again_whom_the_replaced_database_has_erased() {
    let home = Home::sqlite();
    people(&home);
    done(home.path(), &["backup", "copy"]);
    later(&home).await;
    let said = done(home.path(), &["restore", "--replace", "copy"]);
    assert!(said.contains("erased again: 1 person or workspace\n"), "{said}");
    judge(&home);
    let database = [home.path().join("selfsame.db")];
    assert_eq!(traces_of(&[ADA, "1000001"], &database).into_iter().collect::<Vec<_>>(), [""; 0]);
    assert_eq!(
        traces_of(&[ADA, "1000001"], &[home.path().join("copy")]).len(),
        2,
        "the backup itself has her"
    );
    let mut server = ServerProcess::start(home.path());
    assert_eq!(ask(&server, "GET", "/v1/identities/1", None).await.0, 410);
    assert_eq!(ask(&server, "GET", "/v1/identities/3", None).await.0, 200);
    assert_eq!(server.terminate().code(), Some(0));
}

/// The planted fault, and what is done where the old database is gone.
#[tokio::test]
async fn a_list_of_erasures_does_it_where_the_old_database_is_gone() {
    let home = Home::sqlite();
    people(&home);
    done(home.path(), &["backup", "copy"]);
    later(&home).await;
    let list = done(home.path(), &["erasures"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    assert!(!list.contains("ada") && !list.contains("100000"), "no value: {list}");
    std::fs::write(home.path().join("list"), &list).unwrap();
    let empty = |home: &Home| std::fs::remove_file(home.path().join("selfsame.db")).unwrap();

    empty(&home);
    done(home.path(), &["restore", "copy"]);
    assert!(done(home.path(), &["export"]).contains(ADA), "without the list she is back");
    let said = done(home.path(), &["erasures", "--apply", "list"]);
    assert_eq!(said, "erased again: 1 person or workspace\n");
    judge(&home);
    assert_eq!(done(home.path(), &["erasures", "--apply", "list"]), "erased again: 0 people or workspaces\n");

    empty(&home);
    done(home.path(), &["restore", "--erasures", "list", "copy"]);
    judge(&home);
    // A number that is given again is another's.
    identify(home.path(), "somebody@new.example", "1000005");
    done(home.path(), &["erasures", "--apply", "list"]);
    assert!(done(home.path(), &["export"]).contains("somebody@new.example"));
}

#[tokio::test]
async fn an_unreadable_old_database_is_told_and_restored_over() {
    let home = Home::sqlite();
    people(&home);
    done(home.path(), &["backup", "copy"]);
    assert_eq!(ServerProcess::start(home.path()).terminate().code(), Some(0));
    let file = std::fs::OpenOptions::new().write(true).open(home.path().join("selfsame.db")).unwrap();
    file.write_all_at(&[b'x'; 16], 0).unwrap();
    let (code, said) = told(&run_to_end(home.path(), &["restore", "--replace", "copy"]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warning: whom the database that is replaced has erased can't be read"), "{said}");
    std::fs::write(home.path().join("list"), "{\"workspace\":1}\n").unwrap();
    let (code, said) = told(&run(home.path(), &["erasures", "--apply", "list"]));
    assert!(code == Some(2) && said.contains("`list`, line 1, is no line of such a list"), "{said}");
}

#[tokio::test]
async fn a_dump_of_postgresql_that_is_restored_is_erased_again_by_the_list() {
    let mut home = Home::postgres().await;
    done(home.path(), &["migrate"]);
    people(&home);
    home.cluster().execute("postgres", "CREATE DATABASE before TEMPLATE shop").await;
    later(&home).await;
    let list = done(home.path(), &["erasures"]);
    std::fs::write(home.path().join("list"), &list).unwrap();
    let url = home.cluster().socket_url("before");
    let on_it = |arguments: &[&str]| {
        let mut command = command(home.path(), arguments);
        told(&command.args(["--database-url", &url]).output().unwrap())
    };
    assert!(on_it(&["export"]).1.contains(ADA));
    let (code, said) = on_it(&["erasures", "--apply", "list"]);
    assert!(
        code == Some(0) && said.contains("erased again: 1 person or workspace\nhint: `selfsame scrub`"),
        "{said}"
    );
    let (_, export) = on_it(&["export"]);
    assert!(!export.contains(ADA) && export.contains(TWIN), "{export}");
    assert_eq!(on_it(&["check"]).0, Some(0));
    assert!(files_beneath(home.path(), &[".env"]).iter().all(|file| file.ends_with("list")));
}
