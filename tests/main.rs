//! Tests of the whole system, in one program so that it is linked once.

mod bad_input;
mod cli;
mod component_build;
mod component_imports;
mod contract;
mod crashes;
mod isolation;
mod program;
mod races;
mod readme;
mod support;
mod vendored_wit;
