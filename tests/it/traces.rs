//! Traces: the steps of a request as a collector gets them, below the caller's span, and with no value of anybody.

use std::process::Command;

use http_body_util::Full;
use hyper::Request;
use support::client::{Client, Reply};
use support::collector::{Collector, Span};
use support::deadline::run_to_end;
use support::home::Home;
use support::process::{ServerProcess, command};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

fn serve(home: &Home) -> Command {
    command(home.path(), &["serve", "--port", "0"])
}

fn spawn(serve: Command) -> ServerProcess {
    ServerProcess::spawn(serve).unwrap_or_else(|said| panic!("{said}"))
}

/// `POST` of a body by a caller who traces, and wants it kept or not.
async fn post(client: &mut Client, path: &str, content_type: &str, sampled: u8, body: &'static str) -> Reply {
    let request = Request::post(path).header("host", "localhost").header("content-type", content_type);
    let request = request.header("traceparent", format!("00-{TRACE}-{CALLER}-{sampled:02}"));
    client.send(request.body(Full::from(body)).unwrap()).await.unwrap()
}

async fn identify(client: &mut Client, sampled: u8, body: &'static str) -> Reply {
    post(client, "/identify", "application/json", sampled, body).await
}

/// The names of the spans below one, in alphabetical order.
fn below(spans: &[Span], parent: &str) -> Vec<String> {
    let below = spans.iter().filter(|span| span.parent == parent);
    let mut names: Vec<String> = below.map(|span| span.name.clone()).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_steps_of_a_request_below_the_callers_span() {
    for home in [Home::sqlite(), Home::postgres().await] {
        let collector = Collector::start().await;
        let mut serve = serve(&home);
        serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}/", collector.address));
        serve.env("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=shop");
        serve.env("OTEL_SERVICE_NAME", "checkout");
        let mut server = spawn(serve);
        let mut client = Client::connect(server.address).await.unwrap();
        let new = identify(&mut client, 1, r#"{"email":"marty@hill.edu","phoneNumber":"8881985"}"#).await;
        let known = identify(&mut client, 1, r#"{"email":"MARTY@hill.edu"}"#).await;
        identify(&mut client, 0, r#"{"email":"unsampled@hill.edu"}"#).await;
        let bad = identify(&mut client, 1, r#"{"email":"emmett"}"#).await;
        client.get("/emmett@hill.edu?phone=8881955").await.unwrap();
        let lines = "{\"email\":\"emmett@hill.edu\"}\n{\"email\":\"jennifer@hill.edu\"}\n";
        let batch = post(&mut client, "/v1/observations/batch", "application/x-ndjson", 1, lines).await;
        assert_eq!(server.terminate().code(), Some(0));

        // All of it was sent before the end.
        let spans = collector.spans();
        let of = |reply: &Reply| {
            let id = reply.headers["x-request-id"].to_str().unwrap();
            let mut of =
                spans.iter().filter(|span| span.attributes.get("request.id").is_some_and(|own| own == id));
            of.next().unwrap_or_else(|| panic!("{id}: {spans:?}"))
        };
        for (reply, name, status, steps) in [
            (&new, "POST /identify", "200", &["look-up", "queue wait", "write"][..]),
            (&known, "POST /identify", "200", &["look-up"]),
            (&bad, "POST /identify", "400", &[]),
            (&batch, "POST /v1/observations/batch", "200", &["look-up", "queue wait", "write"]),
        ] {
            let span = of(reply);
            assert_eq!(
                (span.name.as_str(), span.trace.as_str(), span.parent.as_str()),
                (name, TRACE, CALLER)
            );
            assert_eq!(span.attributes["http.response.status_code"], status);
            assert_eq!(span.resource["service.name"], "checkout");
            assert_eq!(span.headers["x-tenant"], "shop");
            assert!(!span.is_error, "{span:?}");
            assert_eq!(below(&spans, &span.id), steps, "{name} {status}");
        }
        assert_eq!(of(&bad).attributes["error.type"], "invalid_email");
        assert_eq!(of(&batch).attributes["http.route"], "/v1/observations/batch");
        let write = spans.iter().find(|span| span.name == "write" && span.parent == of(&batch).id).unwrap();
        assert_eq!(write.attributes["batch.observations"], "2");
        // What no caller traced is a trace of its own; what a caller did not want kept is none.
        let roots: Vec<&str> =
            spans.iter().filter(|span| span.parent.is_empty()).map(|span| span.name.as_str()).collect();
        assert_eq!(roots, ["GET unmatched"]);
        assert_eq!(spans.iter().filter(|span| span.name == "POST /identify").count(), 3);
        for value in ["marty", "emmett", "jennifer", "unsampled", "hill.edu", "8881985", "8881955"] {
            assert!(!collector.text().to_lowercase().contains(value), "{value} is told");
        }
        assert!(collector.text().contains("look-up"), "what is searched is what was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_an_error_and_a_collector_that_is_away_costs_no_answer() {
    let mut home = Home::postgres().await;
    let collector = Collector::start().await;
    let mut traced = command(home.path(), &["serve", "--port", "0", "--answer-timeout-seconds", "1"]);
    traced.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("http://{}/v1/traces", collector.address));
    let mut traced = spawn(traced);
    // Taken and let go, so that nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut alone = serve(&home);
    alone.args(["--otlp-endpoint", &format!("http://{nobody}")]);
    let mut alone = spawn(alone);
    let mut client = Client::connect(alone.address).await.unwrap();
    assert_eq!(identify(&mut client, 1, r#"{"phoneNumber":"8881985"}"#).await.status.as_u16(), 200);
    assert_eq!(alone.terminate().code(), Some(0));
    assert_eq!(alone.said().matches("traces can't be sent; they are dropped meanwhile").count(), 1);

    home.cluster().kill();
    let mut client = Client::connect(traced.address).await.unwrap();
    assert_eq!(identify(&mut client, 1, r#"{"phoneNumber":"8881985"}"#).await.status.as_u16(), 503);
    assert_eq!(traced.terminate().code(), Some(0));
    let spans = collector.spans();
    let failed = spans.iter().find(|span| span.name == "POST /identify").unwrap();
    assert!(failed.is_error, "{failed:?}");
    assert_eq!(failed.attributes["error.type"], "store_unavailable");
    assert_eq!(failed.resource["service.name"], "selfsame");
}

#[test]
fn an_endpoint_that_is_none_is_refused_without_telling_it() {
    let home = Home::sqlite();
    for endpoint in ["collector:4318", "ftp://collector", "http://", "secret in the wrong place"] {
        let output = run_to_end(home.path(), &["serve", "--port", "0", "--otlp-endpoint", endpoint]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert_eq!(
            said,
            "error: the OTLP endpoint is no URL of HTTP\nhint: for example http://127.0.0.1:4318\n"
        );
    }
}
