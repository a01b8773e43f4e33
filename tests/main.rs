//! Tests of the whole system, in one program so that it is linked once.

mod component_build;
mod isolation;
mod vendored_wit;
