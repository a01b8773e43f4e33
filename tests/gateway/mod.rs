//! The gateway, from outside.

mod browser;
mod client;
mod compiled;
mod description;
mod forward_auth;
mod functions;
mod guesses;
mod hidden;
mod hosts;
mod isolation;
mod limits;
mod logs;
mod metrics;
mod openapi_fuzz;
mod overload;
mod pages;
mod requests;
mod serving;
mod sessions;
mod shared;
mod stored;
mod tenants;
mod traces;
