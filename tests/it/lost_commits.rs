//! Commits whose answer is lost on its way: the client is answered all the same, and nothing is stored twice.

use support::acknowledged::Found;
use support::home::Home;
use support::postgres::cutting_proxy::{Cut, CuttingProxy};
use support::process::{ServerProcess, run};
use support::size::{Size, proved};
use tokio_postgres::NoTls;

use crate::shop::Shop;

/// A home whose way to its database is cut where we like.
async fn home_behind_a_proxy() -> (Home, CuttingProxy) {
    let mut home = Home::postgres().await;
    let proxy = CuttingProxy::start(home.cluster().port()).await;
    let home = home.by_way_of(proxy.address);
    (home, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_was_lost_is_answered_and_made_once() {
    let rounds = Size::of_this_run().pick(4, 100);
    let (home, proxy) = home_behind_a_proxy().await;
    let shop = Shop::open(home, ServerProcess::start, 1);
    let mut client = shop.client(0).await;
    let mut made = 0;
    for round in 0..rounds {
        for cut in [Cut::BeforeCommit, Cut::WithCommit, Cut::AfterCommit] {
            let (email, phone) = (format!("{cut:?}-{round}@shop.example"), format!("+4477{made:07}"));
            proxy.cut_next(cut);
            let reply = client.identify(Some(&email), Some(&phone)).await.unwrap();
            made += 1;
            assert_eq!(reply.status, 200, "{cut:?}: {}", reply.text());
            assert_eq!(reply.json()["contact"]["primaryContactId"], made);
            assert_eq!(proxy.cuts(), made, "{cut:?}: there was no cut");
        }
    }
    let found = Found::by_export(shop.home.path());
    assert_eq!((found.contacts.len() as u64, found.doubled), (made, vec![]));
    assert!(run(shop.home.path(), &["check"]).status.success());
    proved(&format!(
        "lost commits: {made} cuts at the commit, one by one: each answered with 200 and made once"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_whose_answers_were_lost_under_load_are_made_once() {
    let rounds = Size::of_this_run().pick(30, 1_000);
    let (home, proxy) = home_behind_a_proxy().await;
    let mut shop = Shop::open(home, ServerProcess::start, 2);
    let mut crowd = shop.crowd(16, 0..300);
    for _ in 0..rounds {
        let cuts = [Cut::BeforeCommit, Cut::WithCommit, Cut::AfterCommit];
        let luck = usize::try_from(shop.random.below(3)).expect("it is small");
        proxy.cut_next(cuts[luck]);
        crowd.answers(20).await;
    }
    let told = crowd.end().await;
    assert_eq!((told.tally.refused, told.tally.broken), (0, 0), "{:?}", told.tally.codes);
    assert!(proxy.cuts() >= rounds / 2, "there were only {} cuts", proxy.cuts());
    shop.assert_all_is_well(&told).await;
    proved(&format!(
        "lost commits: {} cuts at the commit under load, {} acknowledged, 0 lost, 0 doubled, 0 refused",
        proxy.cuts(),
        told.answers.len(),
    ));
}

/// What the cuts do to a client that doesn't look: it takes what was made for lost, and would make it twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_cuts_before_and_after_the_commit() {
    let (mut home, proxy) = home_behind_a_proxy().await;
    home.cluster().execute("shop", "CREATE TABLE kept (number int); GRANT ALL ON kept TO shop").await;
    for (cut, kept) in [(Cut::BeforeCommit, 0_i64), (Cut::AfterCommit, 1)] {
        let url = home.url().expect("it is in PostgreSQL").to_owned();
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        client.batch_execute("BEGIN; INSERT INTO kept VALUES (7)").await.unwrap();
        proxy.cut_next(cut);
        assert!(client.batch_execute("COMMIT").await.unwrap_err().is_closed());
        let after = home.cluster().connect("shop").await;
        let count: i64 = after.query_one("SELECT count(*) FROM kept", &[]).await.unwrap().get(0);
        assert_eq!(count, kept, "{cut:?}");
    }
}
