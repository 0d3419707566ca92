//! What `GET /metrics` answers, read back: samples by name and labels.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::Client;

/// The metrics of a server at one moment.
#[derive(Debug)]
pub struct Exposition {
    text: String,
    /// The type of each metric by its name.
    types: BTreeMap<String, String>,
    samples: Vec<Sample>,
}

/// One line with a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

impl Exposition {
    /// What a server tells now.
    pub async fn of(client: &mut Client) -> Self {
        let reply = client.get("/metrics").await.expect("an answer");
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.text());
        assert_eq!(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
        Self::read(reply.text())
    }

    /// Reads Prometheus' text format.
    ///
    /// # Panics
    ///
    /// If a line is not of it, or a metric is not explained.
    pub fn read(text: &str) -> Self {
        let (mut types, mut helped, mut samples) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                assert!(helped.contains(name), "{name} has no words about it");
                types.insert(name.to_owned(), kind.to_owned());
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a name and words about it");
                assert!(help.ends_with('.'), "{line}");
                helped.insert(name);
            } else {
                samples.push(Sample::read(line));
            }
        }
        Self { text: text.to_owned(), types, samples }
    }

    /// The text as it came.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names of its metrics; of a histogram, the one without its endings.
    pub fn names(&self) -> BTreeSet<String> {
        self.types.keys().cloned().collect()
    }

    /// The names of a metric's labels, but that of a histogram's buckets.
    pub fn labels_of(&self, name: &str) -> BTreeSet<String> {
        let histogram = self.types.get(name).is_some_and(|kind| kind == "histogram");
        let sample = if histogram { format!("{name}_count") } else { name.to_owned() };
        self.samples
            .iter()
            .filter(|line| line.name == sample)
            .flat_map(|line| line.labels.keys().cloned())
            .collect()
    }

    /// The sum of a metric's samples that have these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let of = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(label, value)| sample.labels.get(*label).is_some_and(|own| own == value))
        };
        self.samples.iter().filter(of).map(|sample| sample.value).sum()
    }
}

impl Sample {
    fn read(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        let (name, labels) = match series.split_once('{') {
            None => (series, BTreeMap::new()),
            Some((name, labels)) => (name, labels_in(labels.strip_suffix('}').expect("closed"))),
        };
        Self { name: name.to_owned(), labels, value }
    }
}

/// `a="1",b="2"`; no value of ours has a quote.
fn labels_in(text: &str) -> BTreeMap<String, String> {
    let label = |pair: &str| {
        let (name, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("no label: {text}"));
        (name.trim_start_matches(',').to_owned(), value.to_owned())
    };
    text.split_terminator('"').collect::<Vec<_>>().chunks(2).map(|pair| label(&pair.join("\""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let read = Exposition::read(
            "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"1\",y=\"/{id}\"} 2\na_total{x=\"2\",y=\"p, q\"} 3\n\n\
             # HELP b_seconds Time.\n# TYPE b_seconds histogram\nb_seconds_bucket{le=\"+Inf\"} 4\nb_seconds_sum 0.5\n\
             b_seconds_count 4\n",
        );
        assert_eq!(read.names(), ["a_total", "b_seconds"].map(str::to_owned).into());
        assert_eq!(read.labels_of("a_total"), ["x", "y"].map(str::to_owned).into());
        assert_eq!(read.labels_of("b_seconds"), BTreeSet::new());
        assert_eq!(read.sum("a_total", &[]), 5.0);
        assert_eq!(read.sum("a_total", &[("x", "1"), ("y", "/{id}")]), 2.0);
        assert_eq!(read.sum("a_total", &[("y", "p, q")]), 3.0);
        assert_eq!(read.sum("b_seconds_count", &[]), 4.0);
    }

    #[test]
    #[should_panic(expected = "has no words about it")]
    fn a_metric_without_an_explanation_is_found() {
        Exposition::read("# TYPE a_total counter\na_total 1\n");
    }
}
