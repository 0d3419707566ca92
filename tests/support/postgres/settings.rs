//! How a cluster differs from the usual one: quick, and without a password.

/// The settings of one cluster.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(super) values: Vec<(String, String)>,
    pub(super) access: Vec<String>,
    pub(super) files: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        let quick = [
            ("fsync", "off"),
            ("full_page_writes", "off"),
            ("shared_buffers", "64MB"),
            ("max_connections", "400"),
            ("log_min_messages", "warning"),
            ("logging_collector", "off"),
            ("listen_addresses", "127.0.0.1"),
        ];
        Self {
            values: quick.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            access: vec!["host all all 127.0.0.1/32 trust".to_owned()],
            files: Vec::new(),
        }
    }
}

impl Settings {
    /// With a setting of `postgresql.conf`; the last of a name counts.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.values.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As in production: what was committed is on the disk.
    #[must_use]
    pub fn durable(self) -> Self {
        self.with("fsync", "on").with("full_page_writes", "on")
    }

    /// With these lines of `pg_hba.conf` for TCP, such as `hostssl all all 127.0.0.1/32 scram-sha-256`. The socket
    /// lets everybody in all the same, for the test's own errands.
    #[must_use]
    pub fn access(mut self, lines: &[&str]) -> Self {
        self.access = lines.iter().map(|&line| line.to_owned()).collect();
        self
    }

    /// With a file in the data folder, readable only by the server, such as `server.key`.
    #[must_use]
    pub fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }
}
