//! What the component can possibly do: its imports, read from the binary, and its size.

use std::collections::BTreeSet;

use portcullis::component::artifact::COMPONENT;
use wit_component::DecodedWasm;

/// All that the component may reach.
const IMPORTS: [&str; 8] = [
    "portcullis:auth/caller@0.1.0",
    "portcullis:auth/database@0.1.0",
    "portcullis:auth/mailer@0.1.0",
    "portcullis:auth/settings@0.1.0",
    "portcullis:auth/store@0.1.0",
    "portcullis:auth/types@0.1.0", // types only
    "wasi:clocks/wall-clock@0.2.12",
    "wasi:random/random@0.2.12",
];

const EXPORTS: [&str; 6] = [
    "portcullis:auth/auth@0.1.0",
    "portcullis:auth/coredb@0.1.0",
    "portcullis:auth/sessions@0.1.0",
    "portcullis:auth/upkeep@0.1.0",
    "portcullis:auth/users@0.1.0",
    "portcullis:auth/utils@0.1.0",
];

#[test]
fn the_component_imports_exactly_what_the_contract_lists() {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(COMPONENT).unwrap() else {
        panic!("not a component");
    };
    let world = &resolve.worlds[world];
    let imports: BTreeSet<String> =
        world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    assert_eq!(imports, IMPORTS.map(str::to_owned).into());
    let exports: BTreeSet<String> =
        world.exports.keys().map(|key| resolve.name_world_key(key)).collect();
    assert_eq!(exports, EXPORTS.map(str::to_owned).into());
}

#[test]
fn the_component_is_below_512_kib() {
    assert!(COMPONENT.len() < 512 * 1024, "{} bytes", COMPONENT.len());
}
