//! Webhooks over HTTPS: an endpoint whose certificate is trusted, and those whose certificates aren't.

use rcgen::date_time_ymd;
use serde_json::{Value, json};
use support::client::{Ask, Client};
use support::home::Home;
use support::process::{ServerProcess, command};
use support::receiver::Receiver;
use support::shop::ADMIN;
use support::standard_webhooks::verify;
use support::tls::{Authority, Signed};
use support::webhooks::{add, last_event, until};

/// A server that trusts that authority and no other, as a company's own is told to.
fn serve(home: &Home, authority: &Authority) -> ServerProcess {
    let roots = home.path().join("roots.pem");
    std::fs::write(&roots, authority.root_pem()).expect("there is room");
    let mut serving = command(home.path(), &["serve", "--port", "0", "--webhooks-allow-private"]);
    serving.env("SELFSAME_ADMIN_KEY", ADMIN).env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR");
    ServerProcess::spawn(serving).unwrap_or_else(|said| panic!("{said}"))
}

/// What becomes of deliveries to a receiver with that certificate: what is told of the endpoint, and what came.
async fn refused(client: &mut Client, signed: &Signed) -> Value {
    let receiver = Receiver::over_tls(signed.server()).await;
    let hook = add(client, &receiver.url(), &[]).await;
    let told = until(client, &hook.id, "failing", |told| told["state"] == "failing").await;
    assert_eq!((&told["lastStatus"], &told["after"]), (&Value::Null, &json!(0)));
    let test = format!("/v1/webhooks/{}/test", hook.id);
    let tested = client.ask(Ask::new("POST", &test).key(ADMIN)).await.json();
    assert_eq!((&tested["delivered"], &tested["problem"]), (&json!(false), &told["lastProblem"]));
    assert!(receiver.came().is_empty(), "nothing was sent to it");
    told["lastProblem"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_sent_to_by_tls_if_its_certificate_is_trusted_and_names_it() {
    let (home, authority, stranger) = (Home::sqlite(), Authority::default(), Authority::default());
    let mut server = serve(&home, &authority);
    let mut client = Client::connect(server.address).await.expect("it is up");

    let receiver = Receiver::over_tls(authority.sign().server()).await;
    let hook = add(&mut client, &receiver.url(), &[]).await;
    let last = last_event(&mut client).await;
    receiver.until_taken(last).await;
    let taken = receiver.taken();
    assert_eq!(verify(&hook.secret, &taken), vec![None; taken.len()]);

    let elsewhere = authority.sign_for("elsewhere.example", |_| {});
    assert_eq!(refused(&mut client, &elsewhere).await, "its certificate is for another name");
    assert_eq!(
        refused(&mut client, &stranger.sign()).await,
        "its certificate is of nobody who is trusted here"
    );
    let expired = authority.sign_for("localhost", |parameters| {
        (parameters.not_before, parameters.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    });
    assert_eq!(refused(&mut client, &expired).await, "its certificate has expired, or is not valid yet");
    assert!(server.terminate().success());
}
