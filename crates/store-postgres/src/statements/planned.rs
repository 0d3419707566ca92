//! The look-up as a statement that PostgreSQL keeps the plan of: planning costs more than a look-up for one customer.
//!
//! Behind a pooler that gives each transaction to any of its connections, a name may stand for what somebody else
//! prepared. So the name holds a digest of the text: an equal name is an equal statement, whoever prepared it, and all
//! that can go wrong is that it isn't there. The driver names its statements otherwise (`s0`, `s1`, …), and EXECUTE takes
//! no parameters from the protocol: they go through settings of the transaction, which end with it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;

use super::LOAD;

/// Hands the parameters of [`LOAD`] over.
pub(crate) const SET_PARAMETERS: &str = "SELECT set_config('selfsame.workspace', $1::bigint::text, true),
        set_config('selfsame.kinds', $2::text[]::text, true),
        set_config('selfsame.texts', $3::text[]::text, true)";

/// Lets the server prepare [`LOAD`] under its name.
pub(crate) static PREPARE_LOAD: LazyLock<String> =
    LazyLock::new(|| format!("PREPARE {} (bigint, text[], text[]) AS {LOAD}", name()));

/// Runs it.
pub(crate) static EXECUTE_LOAD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "EXECUTE {} (current_setting('selfsame.workspace')::bigint,
        current_setting('selfsame.kinds')::text[], current_setting('selfsame.texts')::text[])",
        name()
    )
});

/// A build with another digest of the same text makes another name, which is as good.
fn name() -> String {
    let mut digest = DefaultHasher::new();
    LOAD.hash(&mut digest);
    format!("selfsame_load_{:016x}", digest.finish())
}

/// Those that are in no other list, by name.
pub(super) fn all() -> Vec<(&'static str, String)> {
    vec![
        ("set parameters", SET_PARAMETERS.to_owned()),
        ("prepare load", PREPARE_LOAD.clone()),
        ("execute load", EXECUTE_LOAD.clone()),
    ]
}
