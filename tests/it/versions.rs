//! The oldest and the newest PostgreSQL, and at full size all between: the scenarios, an adoption, and a server.

use support::client::Client;
use support::databases::Databases;
use support::original_database::{Original, TABLE, insert};
use support::postgres::binaries::Binaries;
use support::postgres::cluster::Cluster;
use support::process::ServerProcess;
use support::size::{Size, proved};

use crate::adopt_command::FAULTY;
use crate::scenarios::check_store;

#[tokio::test(flavor = "multi_thread")]
async fn every_version_of_postgresql_follows_the_scenarios_adopts_and_serves() {
    let versions = Size::of_this_run().pick(&[13, 18][..], &[13, 14, 15, 16, 17, 18][..]);
    for version in versions {
        check_store(Databases::on(Cluster::of_version(*version))).await;

        let original = Original::on(Binaries::of_version(*version));
        original.execute(&format!("{TABLE}{}", insert(FAULTY))).await;
        original.output(&["adopt", "--apply"]);
        let server = ServerProcess::spawn(original.command(&["serve", "--port", "0"])).unwrap();
        let mut client = Client::connect(server.address).await.unwrap();
        let reply = client.identify(Some("MARTY@hill.edu"), None).await.unwrap();
        let marty = r#"{"contact":{"primaryContactId":1,"emails":["marty@hill.edu"],"phoneNumbers":["5550100"],"secondaryContactIds":[2,3]}}"#;
        assert_eq!(reply.text(), marty, "PostgreSQL {version}");
        let checked = original.output(&["check"]);
        assert!(checked.ends_with("all laws hold\n"), "PostgreSQL {version}: {checked}");
    }
    proved(&format!("PostgreSQL {versions:?}: scenarios, adoption and service"));
}
