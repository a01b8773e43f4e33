//! The guest component and what it takes to run it.

pub mod artifact;
