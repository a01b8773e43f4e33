//! Tests of the whole system, in one program so that it is linked once.

mod component_build;
mod vendored_wit;
