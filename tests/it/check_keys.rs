//! `selfsame check` finds keys and workspaces that are not what the log says.

use rusqlite::Connection;
use support::home::Home;
use support::process::run;

#[test]
fn keys_and_names_that_no_event_made_are_found() {
    let home = Home::sqlite();
    let done = |arguments: &[&str]| {
        let output = run(home.path(), arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("the program speaks UTF-8")
    };
    for arguments in [
        &["keys", "create", "checkout", "--scope", "identify"][..],
        &["keys", "create", "boss", "--scope", "admin", "--every-workspace"],
        &["workspaces", "create", "north"],
        &["workspaces", "create", "south"],
        &["keys", "create", "till", "--scope", "identify", "--workspace", "north"],
        &["workspaces", "rename", "north", "west"],
        &["workspaces", "erase", "south", "--confirm", "south"],
    ] {
        done(arguments);
    }
    let list = done(&["keys", "list"]);
    let id = |name: &str| {
        let line = list.lines().find(|line| line.contains(name)).expect("it is listed");
        line.split_whitespace().next().expect("it begins with its id").to_owned()
    };
    done(&["keys", "revoke", &id("boss")]);
    assert_eq!(done(&["check"]).matches("all laws hold").count(), 2);

    let checkout = id("checkout");
    let told = |what: &str, id: &str| format!("fault: key {id} {what}\n");
    let other = "is not what the log says";
    for (damage, want) in [
        ("INSERT INTO keys SELECT workspace, 'ghost', 1, 'ghost', substr(digest, 2) || substr(digest, 1, 1), 'admin', NULL, NULL, 5, NULL, NULL
            FROM keys WHERE name = 'boss'", told("was made by no event", "ghost")),
        ("DELETE FROM keys WHERE name = 'checkout'", told(other, &checkout)),
        ("UPDATE keys SET scopes = 'admin' WHERE name = 'checkout'", told(other, &checkout)),
        ("UPDATE keys SET expires_at_ms = 5 WHERE name = 'checkout'", told(other, &checkout)),
        ("UPDATE keys SET requests_per_second = 5 WHERE name = 'till'", told(other, &id("till"))),
        ("UPDATE keys SET revoked_at_ms = NULL WHERE name = 'boss'", told(other, &id("boss"))),
        (
            "UPDATE workspaces SET name = 'east' WHERE name = 'west'",
            "fault: the workspace's name or times are not what the log says\n".to_owned(),
        ),
        (
            "UPDATE events SET outcome = replace(outcome, 'checkout', 'checkin') WHERE sequence = 1 AND workspace = 1",
            told(other, &checkout),
        ),
    ] {
        std::fs::copy(home.path().join("selfsame.db"), home.path().join("damaged.db")).expect("there is room");
        let connection = Connection::open(home.path().join("damaged.db")).expect("it is a database");
        assert_ne!(connection.execute(damage, []).expect("the schema allows it"), 0, "{damage}");
        connection.close().expect("nothing is running");
        let output = run(home.path(), &["check", "--database-url", "sqlite:damaged.db"]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{damage}: {said}");
        assert!(said.contains(&want), "{damage}: {said}");
        assert_eq!(said.matches(": fault: ").count(), 1, "{damage}: {said}");
    }
}
