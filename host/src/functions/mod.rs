//! The functions of the component, by type and by name.
//!
//! All of them stand in one table (`table.rs`), from which everything follows that has to know them: typed
//! methods for programs that embed the host, and calls by name with JSON arguments for the command
//! line, HTTP and whoever else speaks JSON.
//!
//! ```no_run
//! # async fn example(tenant: &portcullis::tenant::Tenant) -> Result<(), portcullis::error::CallError> {
//! // By type:
//! let outcome = tenant.auth().authenticate_user("ada@example.com", "…", false, None, false).await?;
//! assert_eq!(outcome.code, 202);
//!
//! // By name. A wrong call is refused before anything is done.
//! let function = portcullis::functions::find("auth.authenticate_user")?;
//! let call = function.prepare(r#"{"email": "ada@example.com", "password": "…"}"#)?;
//! println!("{}", call.run(tenant).await?.envelope());
//! # Ok(()) }
//! ```

use crate::error::CallError;

mod arguments;
mod call;
mod define;
mod descriptor;
mod reply;
mod table;
#[cfg(test)]
mod tests;

pub use arguments::MAX_ARGUMENTS;
#[cfg(feature = "gateway")]
pub(crate) use arguments::{Given, Signature, read};
pub use call::Prepared;
pub use descriptor::{Default, Function, Kind, Parameter, Returns};
pub use reply::{IdentityJson, OpenedJson, Reply, SessionJson};
pub use table::{Auth, Coredb, FUNCTIONS, Interface, Sessions, Utils};

pub use crate::contract::types::{Answer, Outcome};

/// The function of this name: `register_user` or `auth.register_user`.
///
/// # Errors
/// [`CallError::Usage`] when there is none; the text names those with the nearest names.
pub fn find(name: &str) -> Result<&'static Function, CallError> {
    let (interface, bare) = match name.split_once('.') {
        Some((interface, bare)) => (Some(interface), bare),
        None => (None, name),
    };
    let fits = |function: &&Function| {
        function.name == bare && interface.is_none_or(|given| given == function.interface.name())
    };
    FUNCTIONS.iter().find(fits).ok_or_else(|| {
        let near: Vec<String> = near(bare, FUNCTIONS.iter().map(|function| function.name))
            .into_iter()
            .flat_map(|near| FUNCTIONS.iter().filter(move |function| function.name == near))
            .map(ToString::to_string)
            .collect();
        let hint = match near.split_last() {
            None => "; `portcullis functions` lists all".to_owned(),
            Some((last, [])) => format!("; did you mean {last}?"),
            Some((last, others)) => format!("; did you mean {} or {last}?", others.join(", ")),
        };
        CallError::Usage(format!("no function \"{}\"{hint}", arguments::excerpt(name)))
    })
}

/// Up to three of the `known` names that somebody may have meant, the nearest first.
fn near<'k>(given: &str, known: impl Iterator<Item = &'k str>) -> Vec<&'k str> {
    /// Of Jaro and Winkler's measure: high enough that a stranger's word finds nothing.
    const ALIKE: f64 = 0.85;
    /// A longer word is no slip of the keyboard, and comparing takes time by its length.
    const LONGEST: usize = 64;

    if given.len() > LONGEST {
        return Vec::new();
    }
    let given = given.to_ascii_lowercase().replace('-', "_");
    let mut alike: Vec<(f64, &str)> = known
        .map(|known| (strsim::jaro_winkler(&given, known), known))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .collect();
    alike.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    alike.into_iter().take(3).map(|(_, known)| known).collect()
}
