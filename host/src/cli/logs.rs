//! What is logged, and how.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::options::LogFormat;

/// The variable that says how lines are written, where the command line does not.
const FORMAT: &str = "PORTCULLIS_LOG_FORMAT";

/// What logging needs until the end of the program.
#[cfg(feature = "opentelemetry")]
pub(super) type UntilTheEnd = Option<super::traces::Traces>;
/// What logging needs until the end of the program.
#[cfg(not(feature = "opentelemetry"))]
pub(super) type UntilTheEnd = ();

/// Begin to log to standard error: standard output is for replies alone. A program that `serves`
/// sends traces, too, where the environment says so.
///
/// # Errors
/// A format that is none; a collector that traces cannot be sent to.
pub(super) fn begin(format: Option<LogFormat>, serves: bool) -> anyhow::Result<UntilTheEnd> {
    let format = match format {
        Some(format) => format,
        None => from_environment()?,
    };
    let wanted = std::env::var("PORTCULLIS_LOG").or_else(|_| std::env::var("RUST_LOG"));
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .parse_lossy(wanted.unwrap_or_default());
    // The layer would panic where standard error is a closed pipe, were errors logged there.
    let lines = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().with_current_span(false).with_ansi(false).boxed(),
    };
    let lines = lines.with_filter(filter).boxed();
    #[cfg(feature = "opentelemetry")]
    let (layers, until_the_end) = match if serves { super::traces::begin()? } else { None } {
        Some((traces, until_the_end)) => (vec![lines, traces], Some(until_the_end)),
        None => (vec![lines], None),
    };
    #[cfg(not(feature = "opentelemetry"))]
    let (layers, until_the_end) = (vec![lines], {
        let _ = serves;
    });
    tracing_subscriber::registry().with(layers).init();
    Ok(until_the_end)
}

fn from_environment() -> anyhow::Result<LogFormat> {
    match std::env::var(FORMAT).as_deref() {
        Err(_) | Ok("" | "text") => Ok(LogFormat::Text),
        Ok("json") => Ok(LogFormat::Json),
        Ok(_) => anyhow::bail!("{FORMAT} must be `text` or `json`"),
    }
}
