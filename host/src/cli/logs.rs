//! What is logged, and how.

use std::io::{self, IsTerminal};

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use super::options::LogFormat;

/// The variable that says how lines are written, where the command line does not.
const FORMAT: &str = "PORTCULLIS_LOG_FORMAT";

/// Begin to log to standard error: standard output is for replies alone.
///
/// # Errors
/// A format that is none.
pub(super) fn begin(format: Option<LogFormat>) -> anyhow::Result<()> {
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
        LogFormat::Text => Box::new(lines.with_ansi(io::stderr().is_terminal())),
        LogFormat::Json => Box::new(lines.json().with_current_span(false).with_ansi(false)),
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
    Ok(())
}

fn from_environment() -> anyhow::Result<LogFormat> {
    match std::env::var(FORMAT).as_deref() {
        Err(_) | Ok("" | "text") => Ok(LogFormat::Text),
        Ok("json") => Ok(LogFormat::Json),
        Ok(_) => anyhow::bail!("{FORMAT} must be `text` or `json`"),
    }
}
