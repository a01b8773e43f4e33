//! From a decision to what the caller reads.

pub use crate::bindings::portcullis::auth::types::{Answer, Outcome};
use crate::outcome::{Code, Failure, Refusal, Stop};
use crate::ports::Ports;
use crate::settings;

/// Turn a decision into the reply of a function: the code of a success, or the reason.
///
/// # Errors
/// What could not be decided.
pub fn reply(ports: &dyn Ports, decided: Result<Code, Stop>) -> Result<Outcome, Failure> {
    let (success, refusal) = match decided {
        Ok(code) => (true, code.into()),
        Err(Stop::Refused(refusal)) => (false, refusal),
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    let Refusal { code, detail, retry_after } = refusal;
    let number = code as u16;
    let readable = settings::READABLE_ERRORS.read(ports)?;
    let message = if readable { code.text().to_owned() } else { number.to_string() };
    Ok(Outcome { success, code: number, message, detail, retry_after })
}

/// The same for a function that returns data.
///
/// # Errors
/// What could not be decided.
pub fn answer(ports: &dyn Ports, decided: Result<String, Stop>) -> Result<Answer, Failure> {
    match decided {
        Ok(data) => Ok(Answer::Data(data)),
        Err(stop) => reply(ports, Err(stop)).map(Answer::Refused),
    }
}
