//! Clients that others' generators make of the server's description, in TypeScript and Python: they are whole, their types hold,
//! and the programs over them do what they say.

use support::databases::Databases;
use support::front::{Fate, Front};
use support::generated_client::{Example, Language};
use support::server::{ServerOptions, TestServer, sqlite_store};
use support::shop::{ADMIN, Shop};

use crate::clients::client_of;

/// Has an example generated, checked and run: against a server, and where the first answer is lost and the next request turned away.
async fn works(language: Language, databases: Databases) {
    let shop = Shop::open(&databases).await;
    let front = Front::start(shop.server.address).await;
    let seen = client_of(&shop, ADMIN).events(selfsame_client::Sequence(0), 1000).await.unwrap();
    let after = seen.events.last().map_or(0, |event| event.sequence.0);
    front.next(&[Fate::AnswerLost, Fate::TurnedAway]);
    let (address, url, about) = (shop.server.address, front.url(), format!("{language:?} on {databases}"));
    let work = move || {
        let example = Example::generate(language, address);
        example.check().unwrap_or_else(|wrong| panic!("{about}: {wrong}"));
        let after = after.to_string();
        let told = example.run(&url, ADMIN, &["Lorraine@HillValley.edu", "123456", &after]);
        // The one whose answer was lost has `created` all the same: it was sent again with its key.
        let want = format!(
            "created: customer 1\n  email lorraine@hillvalley.edu\n  phone 123456\nevent {}: created by environment\n",
            seen.events.len() + 1
        );
        assert_eq!(told, (Some(0), want), "{about}");
        let told = example.run(&url, ADMIN, &["mcfly@hillvalley.edu", "123456", &after]);
        assert!(told.1.starts_with("attached: customer 1\n"), "{about}: {told:?}");
        assert!(told.1.contains("  email mcfly@hillvalley.edu\n"), "{about}: {told:?}");
        let told = example.run(&url, ADMIN, &["mcfly", "123456"]);
        assert_eq!(told, (Some(1), "refused: invalid_identifier\n".to_owned()), "{about}");
        let told = example.run(&url, "another", &["doc@hill.edu", "1985"]);
        assert_eq!(told, (Some(1), "refused: invalid_key\n".to_owned()), "{about}");
    };
    tokio::task::spawn_blocking(work).await.expect("it works");
    shop.server.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_in_typescript_works_on_sqlite() {
    works(Language::TypeScript, Databases::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_in_typescript_works_on_postgresql() {
    works(Language::TypeScript, Databases::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_in_python_works_on_sqlite() {
    works(Language::Python, Databases::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_in_python_works_on_postgresql() {
    works(Language::Python, Databases::postgres()).await;
}

/// The negative control: a program that takes for there what may not be, or names what isn't there, is not let pass.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_misuses_a_type_is_caught() {
    let (_folder, store) = sqlite_store();
    let server = TestServer::start(store, ServerOptions::default()).await;
    let address = server.address;
    let typescript = [
        ("checkout.ts", "identity?.primary", "identity.primary", "possibly 'null'"),
        ("checkout.ts", "value: email", "values: email", "is not assignable to type"),
        ("checkout.ts", "error.problem.code", "error.problem.codes", "'codes' does not exist"),
        ("selfsame.ts", "nextCursor === null", "nextCursor < 1", "possibly 'null'"),
    ];
    let python = [
        ("checkout.py", " if observed.identity else \"none\"", "", "Item \"None\""),
        ("checkout.py", "value=email", "values=email", "Unexpected keyword argument \"values\""),
        ("shop.py", "after = page.events[-1].sequence", "after = page.events[-1].at", "datetime"),
    ];
    let work = move || {
        for (language, changes) in [(Language::TypeScript, &typescript[..]), (Language::Python, &python[..])]
        {
            let example = Example::generate(language, address);
            for (file, from, to, wrong) in changes {
                let report = example.check_changed(file, from, to).expect_err("it is wrong");
                assert!(report.contains(wrong), "{file}: {to}: {report}");
            }
            example.check().unwrap_or_else(|wrong| panic!("{language:?}: {wrong}"));
        }
    };
    tokio::task::spawn_blocking(work).await.expect("it works");
    server.drain().await;
}
