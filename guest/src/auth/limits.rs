//! The rate limit by itself, for applications that count requests of their own.

use crate::address::Address;
use crate::call::count_request;
use crate::outcome::{Code, Refusal, Stop};
use crate::ports::Ports;
use crate::rate::Policy;
use crate::record::Records;

/// 200 when a request would pass; changes nothing.
///
/// # Errors
/// 503, 401.
pub fn is_rate_limited(ports: &dyn Ports, email: &str) -> Result<Code, Stop> {
    let address = Address::known(email)?;
    let Some(policy) = Policy::configured(ports)? else { return Ok(Code::Success) };
    let records = Records::load(ports, &address.key)?;
    let limit = records.limit.as_ref().map(|limit| &limit.record);
    match policy.refuses(limit, ports.now().as_secs_f64()) {
        None => Ok(Code::Success),
        Some(wait) => Err(Refusal::wait(wait).into()),
    }
}

/// Count a request, and do not tell whether it passes: 200.
///
/// # Errors
/// 503.
pub fn update_rate_limit(ports: &dyn Ports, email: &str) -> Result<Code, Stop> {
    match check_and_update_rate_limit(ports, email) {
        Err(Stop::Refused(refusal)) if refusal.code == Code::RateLimited => Ok(Code::Success),
        decided => decided,
    }
}

/// Count a request: 200 when it passes.
///
/// # Errors
/// 503, 401.
pub fn check_and_update_rate_limit(ports: &dyn Ports, email: &str) -> Result<Code, Stop> {
    let address = Address::known(email)?;
    count_request(ports, &address.key)?;
    Ok(Code::Success)
}
