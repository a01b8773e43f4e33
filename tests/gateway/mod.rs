//! The gateway, from outside.

mod browser;
mod client;
mod compiled;
mod description;
mod doors;
mod forward_auth;
mod functions;
mod guesses;
mod hidden;
mod hosts;
mod isolation;
mod limits;
mod logs;
mod mailed;
mod metrics;
mod notices;
mod openapi_fuzz;
mod operations;
mod overload;
mod pages;
mod requests;
mod serving;
mod sessions;
mod shared;
mod tenants;
mod traces;
