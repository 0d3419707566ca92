//! What the HTTP interface measures: requests by route and outcome, how long they took, connections.
//!
//! Of a request that went well, route, method and status choose a handle that is made when it is first needed. One that
//! did not is looked up by its labels: its answer costs far more. A route is a template of the router's, never a path,
//! which could hold anything.

use std::sync::OnceLock;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use matchit::Router as Templates;
use metrics::{
    Counter, Gauge, Histogram, Label, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

const REQUESTS: &str = "selfsame_requests_total";
const DURATION: &str = "selfsame_request_duration_seconds";
const LEFT_OUT: &str = "selfsame_values_left_out_total";
const CONNECTIONS: &str = "selfsame_connections_open";
/// Described by the engine, which counts all others.
const OBSERVATIONS: &str = "selfsame_observations_total";

/// The route of what matches no template.
const UNMATCHED: &str = "unmatched";

/// Methods that get a label of their own; any other word is the last.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"];

/// Statuses of requests that went well.
const SUCCESSES: [StatusCode; 5] = [
    StatusCode::OK,
    StatusCode::CREATED,
    StatusCode::ACCEPTED,
    StatusCode::NO_CONTENT,
    StatusCode::NOT_MODIFIED,
];

/// What is measured of requests.
pub(crate) struct RequestMetrics {
    /// The place in `routes` of each template.
    templates: Templates<usize>,
    routes: Vec<RouteMetrics>,
    /// Observations that were refused.
    pub(crate) refused: Counter,
    /// Values that were left out of what other systems' clients sent.
    pub(crate) left_out: Counter,
}

/// What is measured of one route.
struct RouteMetrics {
    template: &'static str,
    methods: [MethodMetrics; METHODS.len()],
}

#[derive(Default)]
struct MethodMetrics {
    duration: OnceLock<Histogram>,
    successes: [OnceLock<Counter>; SUCCESSES.len()],
}

/// Which request is measured: its route and its method.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    route: usize,
    method: usize,
}

impl RequestMetrics {
    /// For a router of these templates.
    ///
    /// # Panics
    ///
    /// If the router itself would not take them.
    pub(crate) fn new(templates: &[&'static str]) -> Self {
        describe();
        let mut places = Templates::new();
        for (place, template) in templates.iter().enumerate() {
            places.insert(*template, place).expect("the router took it");
        }
        let routes = templates.iter().copied().chain([UNMATCHED]).map(RouteMetrics::new).collect();
        let refused = counter!(OBSERVATIONS, "result" => "refused");
        Self { templates: places, routes, refused, left_out: counter!(LEFT_OUT) }
    }

    /// Finds out what a request asks for.
    pub(crate) fn measured(&self, method: &Method, path: &str) -> Measured {
        let route = self.templates.at(path).map_or(self.routes.len() - 1, |found| *found.value);
        Measured { route, method: place_of(method) }
    }

    /// The words for a request's method and route.
    pub(crate) fn words(&self, of: Measured) -> (&'static str, &'static str) {
        (METHODS[of.method], self.routes[of.route].template)
    }

    /// Counts a request that was answered; `code` is that of its problem.
    pub(crate) fn answered(
        &self,
        of: Measured,
        status: StatusCode,
        code: Option<&'static str>,
        took: Duration,
    ) {
        let (route, method) = (&self.routes[of.route], METHODS[of.method]);
        let own = &route.methods[of.method];
        own.duration
            .get_or_init(|| histogram!(DURATION, "route" => route.template, "method" => method))
            .record(took);
        match SUCCESSES.iter().position(|success| *success == status).filter(|_| code.is_none()) {
            Some(place) => own.successes[place]
                .get_or_init(|| requests(route.template, method, status.as_str(), "ok"))
                .increment(1),
            None => requests(route.template, method, status.as_str(), code.unwrap_or("none")).increment(1),
        }
    }

    /// Counts a request whose client went away before it was answered.
    pub(crate) fn abandoned(&self, of: Measured) {
        let (route, method) = (self.routes[of.route].template, METHODS[of.method]);
        requests(route, method, "none", "client_gone").increment(1);
    }
}

impl RouteMetrics {
    fn new(template: &'static str) -> Self {
        Self { template, methods: Default::default() }
    }
}

fn requests(route: &'static str, method: &'static str, status: &str, code: &'static str) -> Counter {
    let labels = vec![
        Label::from_static_parts("route", route),
        Label::from_static_parts("method", method),
        Label::new("status", status.to_owned()),
        Label::from_static_parts("code", code),
    ];
    counter!(REQUESTS, labels)
}

fn place_of(method: &Method) -> usize {
    METHODS.iter().position(|name| *name == method.as_str()).unwrap_or(METHODS.len() - 1)
}

/// Connections, counted as open for as long as what [`OpenConnections::another`] returns is kept.
#[derive(Clone)]
pub(crate) struct OpenConnections(Gauge);

/// A connection that is counted.
pub(crate) struct OpenConnection(Gauge);

impl OpenConnections {
    pub(crate) fn new() -> Self {
        describe();
        Self(gauge!(CONNECTIONS))
    }

    pub(crate) fn another(&self) -> OpenConnection {
        self.0.increment(1);
        OpenConnection(self.0.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}

fn describe() {
    describe_counter!(
        REQUESTS,
        "Requests by route, method, status and the code of their problem; client_gone if nobody waited for the answer."
    );
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "Time from the head of a request to the head of its answer, the body that is read before included."
    );
    describe_counter!(
        LEFT_OUT,
        "Values that can't be used, left out of messages of Segment's clients and of Shopify."
    );
    describe_gauge!(CONNECTIONS, "Connections that are open, those of commands on the socket included.");
}
