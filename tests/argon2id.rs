//! That the guest's argon2id gives in wasm what the `argon2` crate gives natively, with vectors and
//! without.

#[path = "../argon2id/tests/cases/expected.rs"]
mod expected;

use std::env;
use std::path::{Path, PathBuf};

use wasmtime::{Config, Engine, Instance, Module, Store};

use crate::cases::Case;
use crate::component_build::{record, steps, workspace};
use expected::expected;

/// The cases of the crate's own tests as a module, made as the guest is made.
fn module(simd: bool) -> Option<Vec<u8>> {
    let (Some(rustc), Some(build)) = (record("rustc"), record("build")) else {
        eprintln!("not tested: the component was not built here (PORTCULLIS_COMPONENT)");
        return None;
    };
    let guest = steps::Guest {
        workspace: &workspace(),
        cargo: &PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
        rustc: Path::new(&rustc),
        target_dir: Path::new(&build),
        simd,
    };
    let part = ["--package", "portcullis-argon2id", "--example", "cases"];
    Some(guest.module(&part, "examples/cases.wasm").unwrap())
}

fn compare(module: &[u8], engine: &Engine, cases: u64) {
    let mut store = Store::new(engine, ());
    let module = Module::new(engine, module).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let tag = instance.get_typed_func::<u64, u32>(&mut store, "tag").unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    for number in 0..cases {
        let case = Case::new(number);
        let place = tag.call(&mut store, number).unwrap() as usize;
        assert_ne!(place, 0, "case {number}");
        let tag = &memory.data(&store)[place..place + case.tag];
        assert_eq!(tag, expected(&case), "case {number}: {:?}", case.cost);
    }
}

#[test]
fn ten_thousand_random_cases_in_wasm_with_vectors_are_equal_to_the_argon2_crate() {
    if let Some(module) = module(true) {
        compare(&module, &Engine::default(), 10_000);
    }
}

#[test]
fn random_cases_in_wasm_without_vectors_are_equal_to_the_argon2_crate() {
    if let Some(module) = module(false) {
        // An engine that would refuse them.
        let mut config = Config::new();
        config.wasm_simd(false).wasm_relaxed_simd(false);
        compare(&module, &Engine::new(&config).unwrap(), 2_000);
    }
}
