//! Any text around a password in `DATABASE_URL`, and any values of the variables beside it.

use selfsame_store_postgres::ConnectionSettings;

/// What nobody may be shown.
const PASSWORD: &str = "Tr0ub4dor";

/// Nothing that is told of a URL holds any of its password, however badly that is encoded.
///
/// Lines: what the password has before [`PASSWORD`], and behind it; the URL from its host on; variables, `NAME=value`.
pub(super) fn database_url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if text.contains(PASSWORD) {
        return;
    }
    let mut lines = text.lines();
    // A password with `@` can be read in two ways; libpq's is then right, and another part is what it is.
    let mut of_password = || lines.next().unwrap_or_default().replace('@', "%40");
    let password = format!("{}{PASSWORD}{}", of_password(), of_password());
    let url = format!("postgresql://ada:{password}@{}", lines.next().unwrap_or_default());
    let variables: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once('=')).collect();
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    match ConnectionSettings::parse(&url, variable) {
        Err(error) => {
            let told = error.to_string();
            assert!(!told.contains(PASSWORD), "the password is told: {told}");
            assert!(told.contains("\nhint: "), "nothing says what to do: {told}");
        }
        Ok(settings) => {
            let told = settings.warnings().join("\n");
            assert!(!told.contains(PASSWORD), "the password is told: {told}");
            let password = settings.client().get_password().map(String::from_utf8_lossy).unwrap_or_default();
            if password.contains(PASSWORD) {
                let told = format!("{settings} {settings:?}");
                assert!(!told.contains(PASSWORD), "the password is told: {told}");
            }
        }
    }
}
