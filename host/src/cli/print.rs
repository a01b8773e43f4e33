//! What is printed without opening a tenant, and how anything is printed.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, bail};
use clap_complete::Shell;

use super::options;
use crate::component::artifact::{COMPONENT, COMPONENT_WITHOUT_SIMD};
use crate::functions::{FUNCTIONS, Function, Interface, Returns};

/// Print one line.
///
/// # Errors
/// When it cannot be written; that nobody reads any more is none.
pub(super) fn line(text: &str) -> io::Result<()> {
    bytes(format!("{text}\n").as_bytes())
}

/// Print this text: whether somebody still reads.
///
/// # Errors
/// When it cannot be written; that nobody reads any more is none.
pub(super) fn text(text: &str) -> io::Result<bool> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true),
    }
}

/// JSON as whoever reads standard output needs it: tame for a terminal, to the letter for a program.
pub(super) fn for_reader(json: &str) -> Cow<'_, str> {
    if io::stdout().is_terminal() { tame(json) } else { Cow::Borrowed(json) }
}

/// JSON that commands no terminal: what JSON leaves as it is, and some terminals take for the beginning of
/// an order, is spelled out. It says the same.
pub(super) fn tame(json: &str) -> Cow<'_, str> {
    let commands = |c: char| ('\u{7f}'..='\u{9f}').contains(&c);
    if !json.contains(commands) {
        return Cow::Borrowed(json);
    }
    let mut tame = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match commands(c) {
            true => drop(write!(tame, "\\u{:04x}", u32::from(c))),
            false => tame.push(c),
        }
    }
    Cow::Owned(tame)
}

fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// `portcullis functions`.
pub(super) fn functions() -> anyhow::Result<()> {
    bytes(list().as_bytes()).context("standard output")
}

fn list() -> String {
    let mut list = String::from(
        "Arguments are given as one JSON object; None is null there, False and True are false and \
         true.\nA parameter with a default may be left out.\n",
    );
    for interface in Interface::ALL {
        let _ = write!(list, "\n{}: {}\n", interface.name(), interface.about());
        for function in FUNCTIONS.iter().filter(|function| function.interface == *interface) {
            let _ = write!(list, "\n  {}\n      {}\n", signature(function), function.summary);
        }
    }
    list
}

/// As in Python, where these names come from.
fn signature(function: &Function) -> String {
    let parameters: Vec<String> = function
        .parameters
        .iter()
        .map(|parameter| match parameter.default {
            None => parameter.name.to_owned(),
            Some(default) => format!("{}={default}", parameter.name),
        })
        .collect();
    let returns = match function.returns {
        Returns::Outcome => String::new(),
        other => format!(" -> {other}"),
    };
    format!("{function}({}){returns}", parameters.join(", "))
}

/// `portcullis functions --json`.
pub(super) fn functions_as_json() -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(FUNCTIONS)?).context("standard output")
}

/// `portcullis component`.
pub(super) fn component(output: Option<&Path>, no_simd: bool) -> anyhow::Result<()> {
    let component = if no_simd {
        COMPONENT_WITHOUT_SIMD
            .context("this program was built around a ready component, which is all it has")?
    } else {
        COMPONENT
    };
    match output {
        Some(path) => fs::write(path, component).with_context(|| path.display().to_string()),
        None if io::stdout().is_terminal() => {
            bail!("the component is binary and this is a terminal: use --output FILE")
        }
        None => bytes(component).context("standard output"),
    }
}

/// `portcullis completions`.
pub(super) fn completions(shell: Shell) -> anyhow::Result<()> {
    // By way of a buffer: the generator panics when a write fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut options::with_names(), "portcullis", &mut script);
    bytes(&script).context("standard output")
}

/// `portcullis man`.
pub(super) fn manual(output: Option<&Path>) -> anyhow::Result<()> {
    let Some(folder) = output else {
        let mut page = Vec::new();
        clap_mangen::Man::new(options::as_typed()).render(&mut page)?;
        return bytes(&page).context("standard output");
    };
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(options::as_typed(), folder))
        .with_context(|| folder.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_is_tame_says_the_same() {
        let json = "{\"a\u{7f}\":\"\u{9f}\u{a0}\u{80}~\"}";
        assert_eq!(tame(json), "{\"a\\u007f\":\"\\u009f\u{a0}\\u0080~\"}");
        let read = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(read(&tame(json)), read(json));
        assert!(matches!(tame("{\"é\":1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_list_has_every_function_with_parameters_and_defaults() {
        let list = list();
        assert_eq!(
            list.lines()
                .filter(|line| line.starts_with("  ")
                    && line.contains('(')
                    && !line.starts_with("      "))
                .count(),
            FUNCTIONS.len()
        );
        for line in [
            "  auth.register_user(email, password, custom_data=None, cust_length=None, \
             ignore_rate_limit=False)\n",
            "  auth.delete_user(email, password, del_from_blocking=True, ignore_rate_limit=False)\n",
            "  auth.is_rate_limited(email)\n",
            "  utils.time_since_request(email) -> integer\n",
            "  coredb.remove_db() -> nothing\n",
            "  coredb.db_raw_stats() -> data\n",
        ] {
            assert!(list.contains(line), "{line}");
        }
    }
}
