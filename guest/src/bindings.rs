//! The types of the contract and, in the component, the calls to its host: generated from `wit/`.
#![allow(missing_docs, unreachable_pub)] // what is generated is documented in wit/
#![allow(clippy::all, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

wit_bindgen::generate!({
    path: "../wit",
    world: "portcullis",
    generate_all,
    pub_export_macro: true,
    default_bindings_module: "crate::bindings",
});
