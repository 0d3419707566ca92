//! The original service's own client on an adopted database: it reads the view as it read its table, and a server that
//! somebody forgot to stop fails loudly.

use serde_json::{Value, json};
use support::original_database::{Original, TABLE};
use support::prisma;
use support::process::ServerProcess;

/// The original's table with what its client writes into it.
async fn written_by_prisma() -> (Original, Value) {
    let original = Original::without_table();
    original.execute(TABLE).await;
    let created = prisma::original("create", &original.url);
    (original, created)
}

/// Adoption takes an `updatedAt` after the `createdAt` for a trace of a merge. That holds only if both are the same
/// moment as long as nothing was updated, to the millisecond.
#[tokio::test]
async fn the_original_s_client_makes_a_row_with_one_time_and_moves_it_with_an_update() {
    let (original, created) = written_by_prisma().await;
    assert_eq!(
        created,
        json!({
            "count": 53, "equalOnCreation": true, "movedOnUpdate": true, "createdStaysOnUpdate": true, "linkedTo": 1
        })
    );
    // Told of one merge, and of no row that only its creation dated.
    let report = original.output(&["adopt"]);
    assert!(report.contains("           1  rows stay with the row that they link to"), "{report}");
    assert!(report.contains("(id 3)") && report.contains("           0  rows are set apart"), "{report}");
}

#[tokio::test]
async fn the_original_s_client_reads_the_view_as_it_read_the_table() {
    let (original, _) = written_by_prisma().await;
    let before = prisma::original("read", &original.url);
    let text = json!({
        "id": "number", "phoneNumber": "string", "email": "string", "linkedId": "null", "linkPrecedence": "string",
        "createdAt": "Date", "updatedAt": "Date", "deletedAt": "null"
    });
    assert_eq!((&before["types"]["1"], &before["first"]["id"]), (&text, &json!(1)));

    original.output(&["adopt", "--apply"]);
    let after = prisma::original("read", &original.url);
    assert_eq!(after, before, "nothing that it asks is answered otherwise");
    let export = original.output(&["export"]);
    let rows: Vec<Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(after["all"], json!(rows), "and the export has the same rows");

    // What the new server writes, the old client sees.
    let server = ServerProcess::spawn(original.command(&["serve", "--port", "0"])).unwrap();
    let mut client = support::client::Client::connect(server.address).await.unwrap();
    client.identify(Some("new@hill.edu"), Some("1")).await.unwrap();
    let all = &prisma::original("read", &original.url)["all"];
    let last = all.as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["email"], &last["linkedId"], &last["id"]),
        (&json!("new@hill.edu"), &json!(1), &json!(54))
    );
}

#[tokio::test]
async fn a_forgotten_server_fails_loudly_and_changes_nothing() {
    let (original, _) = written_by_prisma().await;
    original.output(&["adopt", "--apply"]);
    let before = original.query("TABLE selfsame.contacts").await;
    let failures = prisma::original("write", &original.url);
    insta::assert_snapshot!(serde_json::to_string_pretty(&failures).unwrap(), @r#"
    {
      "batch": "PrismaClientKnownRequestError: Database error. Code: `55000`. Message: `cannot insert into view \"Contact\"`",
      "create": "PrismaClientKnownRequestError: Database error. Code: `55000`. Message: `cannot insert into view \"Contact\"`",
      "createMany": "PrismaClientKnownRequestError: Database error. Code: `55000`. Message: `cannot insert into view \"Contact\"`",
      "delete": "PrismaClientKnownRequestError: Database error. Code: `55000`. Message: `cannot delete from view \"Contact\"`",
      "deleteMany": "PrismaClientKnownRequestError: Database error. Code: `55000`. Message: `cannot delete from view \"Contact\"`",
      "transaction": "PrismaClientKnownRequestError: Database error. Code: `55000`. Message: `cannot insert into view \"Contact\"`",
      "update": "PrismaClientKnownRequestError: Database error. Code: `55000`. Message: `cannot update view \"Contact\"`",
      "updateMany": "PrismaClientKnownRequestError: Database error. Code: `55000`. Message: `cannot update view \"Contact\"`",
      "upsert": "PrismaClientKnownRequestError: Database error. Code: `55000`. Message: `cannot update view \"Contact\"`"
    }
    "#);
    assert_eq!(original.query("TABLE selfsame.contacts").await, before);
    assert!(original.output(&["check"]).ends_with("all laws hold\n"));
}
