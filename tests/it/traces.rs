//! Traces: the steps of a request as a collector gets them, below the caller's span, and with no value of anybody; and
//! what a collector costs that is away, or never answers.

use std::process::Command;
use std::time::Duration;

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

/// `POST /identify` with these headers of a caller who traces.
async fn identify_with(client: &mut Client, headers: &[(&str, String)], body: &'static str) -> Reply {
    let request = Request::post("/identify").header("host", "localhost");
    let request = request.header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
    client.send(request.body(Full::from(body)).unwrap()).await.unwrap()
}

/// The values of [`PLANTED`] and of the customers here that a collector was told.
fn told(collector: &Collector) -> Vec<&'static str> {
    let text = collector.text().to_lowercase();
    let values =
        ["marty", "emmett", "jennifer", "unsampled", "hill.edu", "8881985", "8881955", "clara", PLANTED];
    values.into_iter().filter(|value| text.contains(value)).collect()
}

/// What is told on purpose, so that a search that finds nothing else could have found it.
const PLANTED: &str = "planted@else.org";

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
        serve.env("OTEL_RESOURCE_ATTRIBUTES", format!("planted={PLANTED}"));
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
        // The search by parent tells parents apart: four requests are below the caller, and no step of theirs.
        let requests = ["POST /identify"; 3].into_iter().chain(["POST /v1/observations/batch"]);
        assert!(below(&spans, CALLER).into_iter().eq(requests));
        assert_eq!(told(&collector), [PLANTED]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_traceparent_that_is_one_names_the_caller_and_no_other_header_is_told() {
    let home = Home::sqlite();
    let collector = Collector::start().await;
    let mut serve = serve(&home);
    serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address));
    let mut server = spawn(serve);
    let mut client = Client::connect(server.address).await.unwrap();
    let caller = |text: String| ("traceparent", text);
    let good = format!("00-{TRACE}-{CALLER}-01");
    let others = [("tracestate", "clara=8881955".to_owned()), ("baggage", "clara=hill.edu".to_owned())];
    let headers = [&[caller(good.clone())][..], &others].concat();
    identify_with(&mut client, &headers, r#"{"email":"marty@hill.edu"}"#).await;
    for wrong in [
        vec![caller("emmett@hill.edu".to_owned())],
        vec![caller(format!("00-{}-{CALLER}-01", "0".repeat(32)))],
        vec![caller(format!("00-{TRACE}-{CALLER}-01-marty"))],
        vec![caller(good.clone()), caller(good)],
    ] {
        let reply = identify_with(&mut client, &wrong, r#"{"email":"marty@hill.edu"}"#).await;
        assert_eq!(reply.status.as_u16(), 200, "{wrong:?}");
    }
    assert_eq!(server.terminate().code(), Some(0));
    let spans = collector.spans();
    assert_eq!(below(&spans, CALLER), ["POST /identify"]);
    assert_eq!(below(&spans, ""), ["POST /identify"; 4], "traces of their own");
    assert_eq!(told(&collector), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_caller_does_not_decide_the_ratio_does_and_nothing_is_sent_if_all_is_off() {
    for (settings, want) in [
        // The one that the caller keeps, and the one that nobody spoke of.
        (&[][..], &["POST /identify", "POST /identify"][..]),
        (&[("OTEL_TRACES_SAMPLER_ARG", "0")], &["POST /identify"]),
        (&[("OTEL_TRACES_SAMPLER_ARG", "0"), ("OTEL_TRACES_SAMPLER", "traceidratio")], &[]),
        // All three, whatever the caller wants.
        (&[("OTEL_TRACES_SAMPLER", "always_on")], &["POST /identify"; 3]),
        (&[("OTEL_SDK_DISABLED", "true")], &[]),
    ] {
        let home = Home::sqlite();
        let collector = Collector::start().await;
        let mut serve = serve(&home);
        serve.args(["--otlp-endpoint", &format!("http://{}", collector.address)]);
        serve.envs(settings.iter().copied());
        let mut server = spawn(serve);
        let mut client = Client::connect(server.address).await.unwrap();
        identify(&mut client, 1, r#"{"email":"marty@hill.edu"}"#).await;
        identify(&mut client, 0, r#"{"email":"marty@hill.edu"}"#).await;
        identify_with(&mut client, &[], r#"{"email":"marty@hill.edu"}"#).await;
        assert_eq!(server.terminate().code(), Some(0));
        let spans = collector.spans();
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        let requests: Vec<&str> = names.iter().copied().filter(|name| name.starts_with("POST")).collect();
        assert_eq!(requests, want, "{settings:?}");
        assert_eq!(names.is_empty(), want.is_empty(), "{settings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_holds_up_no_request_and_the_end_for_seconds_only() {
    let home = Home::sqlite();
    // The system takes connections for it, and nobody reads them.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut serve = serve(&home);
    serve.args(["--otlp-endpoint", &format!("http://{}", silent.local_addr().unwrap())]);
    serve.envs([("OTEL_BSP_MAX_QUEUE_SIZE", "8"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")]);
    let mut server = spawn(serve);
    let mut client = Client::connect(server.address).await.unwrap();
    // One after the other: were each to wait for the ten seconds of a batch, this would take minutes.
    let asking = async {
        for _ in 0..40 {
            let reply = identify(&mut client, 1, r#"{"email":"marty@hill.edu"}"#).await;
            assert_eq!(reply.status.as_u16(), 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("requests wait for the collector");
    let ending = tokio::task::spawn_blocking(move || (server.terminate().code(), server.said()));
    let ended = tokio::time::timeout(Duration::from_secs(20), ending).await;
    let (code, said) = ended.expect("the end waits for the collector").unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("spans were dropped").count(), 1, "{said}");
    // The first request has four spans, each other two.
    assert!(said.contains("dropped=74"), "{said}");
    assert!(said.contains("the last traces could not be sent"), "{said}");
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

#[test]
fn a_setting_of_traces_that_can_not_be_followed_is_refused_and_says_what_can() {
    let home = Home::sqlite();
    for (name, value, said) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "hint: http/protobuf is the one there is"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "hint: parentbased_traceidratio is the default"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5", "it is not between 0 and 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "NaN", "it is not between 0 and 1"),
        ("OTEL_TRACES_SAMPLER_ARG", "half", "it is no number"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many", "hint: 2048 is the default"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "hint: 10000 is ten seconds"),
    ] {
        let mut serve = serve(&home);
        serve.args(["--otlp-endpoint", "http://127.0.0.1:4318"]).env(name, value);
        let refused = ServerProcess::spawn(serve).err().unwrap_or_else(|| panic!("{name}={value} is taken"));
        assert!(refused.contains(said), "{name}={value}: {refused}");
    }
}
