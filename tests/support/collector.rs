//! A collector of traces: takes what is sent by OTLP over HTTP, and keeps it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message;
use tokio::net::TcpListener;

/// A running collector, on a free port of loopback.
pub struct Collector {
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<Span>>>,
    /// All that came, as it came.
    bytes: Arc<Mutex<Vec<u8>>>,
}

/// One span, with what it is of.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: String,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub attributes: BTreeMap<String, String>,
    pub resource: BTreeMap<String, String>,
    /// Headers of the request that brought it.
    pub headers: HeaderMap,
    pub is_error: bool,
}

impl Collector {
    pub async fn start() -> Self {
        let (taken, bytes) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (into, all) = (Arc::clone(&taken), Arc::clone(&bytes));
        let take = async move |headers: HeaderMap, body: Bytes| {
            all.lock().expect("nothing panics while it holds this").extend_from_slice(&body);
            into.lock().expect("nothing panics while it holds this").extend(spans(&headers, body));
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { address, taken, bytes }
    }

    /// The spans that have come.
    pub fn spans(&self) -> Vec<Span> {
        self.taken.lock().expect("nothing panics while it holds this").clone()
    }

    /// All that has come, as text as far as it is.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("nothing panics while it holds this")).into_owned()
    }
}

fn spans(headers: &HeaderMap, body: Bytes) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).expect("it is a request of OTLP");
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = texts(of_resource.resource.map(|resource| resource.attributes).unwrap_or_default());
        for span in of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            spans.push(Span {
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                attributes: texts(span.attributes),
                resource: resource.clone(),
                headers: headers.clone(),
                is_error: span.status.is_some_and(|status| status.code == 2),
            });
        }
    }
    spans
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|attribute| (attribute.key, text(attribute.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
