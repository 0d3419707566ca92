//! What a server was sent, by its own log: statement by statement, those of one message apart.

use super::binaries::Binaries;
use super::cluster::Cluster;
use super::settings::Settings;

/// Before every line of the log: who sent it.
const PREFIX: &str = "%a|";

/// A cluster that logs every statement, before it runs it.
pub fn cluster() -> Cluster {
    let settings = Settings::default().with("log_statement", "all").with("log_line_prefix", PREFIX);
    Cluster::start_with(Binaries::of_the_system(), settings)
}

/// The place where a log ends now; [`StatementLog::since`] goes on there.
#[derive(Clone, Copy, Debug)]
pub struct StatementLog(usize);

impl StatementLog {
    pub fn mark(cluster: &Cluster) -> Self {
        Self(cluster.log().len())
    }

    /// The statements of our store since then, in their order, each in one line.
    pub fn since(self, cluster: &Cluster) -> Vec<String> {
        statements(&cluster.log()[self.0..], "selfsame")
    }
}

/// A text in one line, as [`StatementLog::since`] gives statements.
pub fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The statements of one application.
fn statements(log: &str, application: &str) -> Vec<String> {
    // The lines of one entry after its first begin with a tab.
    let log = log.replace("\n\t", " ");
    let entries = log.lines().filter_map(|line| line.strip_prefix(application)?.strip_prefix("|LOG:  "));
    let mut statements = Vec::new();
    for entry in entries {
        // Only a message of the simple protocol holds several, and none of ours holds a `;` otherwise.
        if let Some(message) = entry.strip_prefix("statement: ") {
            statements.extend(message.split(';').map(one_line).filter(|statement| !statement.is_empty()));
        } else if let Some((_, statement)) =
            entry.strip_prefix("execute ").and_then(|rest| rest.split_once(": "))
        {
            statements.push(one_line(statement));
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::statements;

    #[test]
    fn each_statement_counts_whatever_message_it_came_in() {
        let log = "selfsame|LOG:  statement: BEGIN;\n\tSET LOCAL a = 'b'\n\
            other|LOG:  statement: SELECT 1\n\
            selfsame|LOG:  execute <unnamed>: SELECT 2\n\tFROM it\n\
            selfsame|DETAIL:  parameters: $1 = 'SELECT 3'\n\
            selfsame|ERROR:  none\n";
        assert_eq!(statements(log, "selfsame"), ["BEGIN", "SET LOCAL a = 'b'", "SELECT 2 FROM it"]);
    }
}
