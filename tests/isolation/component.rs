//! Components with the contract's imports and exports, and any behaviour.
//!
//! They are put together here, instruction by instruction, so that no compiler stands between a
//! test and what it wants to see done.

use std::collections::BTreeMap;
use std::path::Path;

use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    InstructionSink, MemorySection, MemoryType, Module, TypeSection, ValType,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::abi::{AbiVariant, WasmSignature, WasmType};
use wit_parser::{
    LiftLowerAbi, ManglingAndAbi, Resolve, WasmExport, WasmExportKind, WasmImport, WorldItem,
};

const ABI: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);

/// Where results are put; 16 bytes aligned, and zero at the start.
pub(super) const RESULT: i32 = 64;
/// Where calls of the host put their results.
pub(super) const ANSWER: i32 = 1024;
/// Where the host puts strings and lists for the component, each over the last one.
const ROOM: i32 = 4096;
/// Pages of 64 KiB that a component begins with.
const PAGES: u64 = 2;

/// The numbers of the imported functions by `interface.function`, and of `sweep` itself.
pub(super) struct Functions(BTreeMap<String, u32>);

impl Functions {
    pub(super) fn get(&self, name: &str) -> u32 {
        self.0[name]
    }
}

/// A component whose `upkeep.sweep` answers 7 when it is asked for 0, and otherwise does what
/// `rest` writes. It has nothing to say against any settings.
///
/// `rest` begins with nothing on the stack and leaves the function by itself or traps; the
/// function has one spare local of 32 bits, number 1.
pub(super) fn component(rest: impl Fn(&mut InstructionSink<'_>, &Functions)) -> Vec<u8> {
    let (resolve, world) = contract();
    let mut module = Parts::default();
    let mut functions = Functions(BTreeMap::new());
    for (key, item) in &resolve.worlds[world].imports {
        let WorldItem::Interface { id, .. } = item else { continue };
        let interface = &resolve.interfaces[*id];
        for (name, func) in &interface.functions {
            let import = WasmImport::Func { interface: Some(key), func };
            let signature = resolve.wasm_signature(AbiVariant::GuestImport, func);
            let index = module.import(&resolve.wasm_import_name(ABI, import), &signature);
            functions.0.insert(format!("{}.{name}", interface.name.as_ref().unwrap()), index);
        }
    }
    for (key, item) in &resolve.worlds[world].exports {
        let WorldItem::Interface { id, .. } = item else { continue };
        for (name, func) in &resolve.interfaces[*id].functions {
            let kind = WasmExportKind::Normal;
            let export = WasmExport::Func { interface: Some(key), func, kind };
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, func);
            let mut body = Function::new([(1, ValType::I32)]);
            let mut code = body.instructions();
            match name.as_str() {
                "sweep" => {
                    functions.0.insert("sweep".into(), module.next());
                    code.local_get(0).i32_eqz().if_(wasm_encoder::BlockType::Empty);
                    answer(&mut code, |code| {
                        code.i32_const(7);
                    });
                    code.end();
                    rest(&mut code, &functions);
                    code.unreachable();
                }
                "check-settings" => {
                    code.i32_const(RESULT);
                }
                _ => {
                    code.unreachable();
                }
            }
            code.end();
            module.export(&resolve.wasm_export_name(ABI, export), &signature, &body);
        }
    }
    module.allocator();
    let mut bytes = module.finish();
    embed_component_metadata(&mut bytes, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().validate(true).module(&bytes).unwrap().encode().unwrap()
}

/// Leave `sweep` with the number that `value` puts on the stack.
pub(super) fn answer(code: &mut InstructionSink<'_>, value: impl FnOnce(&mut InstructionSink<'_>)) {
    let word = wasm_encoder::MemArg { offset: 0, align: 2, memory_index: 0 };
    code.i32_const(RESULT).i32_const(0).i32_store(word);
    code.i32_const(RESULT + 4);
    value(code);
    code.i32_store(word).i32_const(RESULT).return_();
}

/// Put the byte at [`ANSWER`] on the stack: for a `result`, whether it is an error.
pub(super) fn load_answer(code: &mut InstructionSink<'_>) {
    let byte = wasm_encoder::MemArg { offset: 0, align: 0, memory_index: 0 };
    code.i32_const(ANSWER).i32_load8_u(byte);
}

fn contract() -> (Resolve, wit_parser::WorldId) {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_dir(wit).unwrap();
    let world = resolve.select_world(&[package], Some("portcullis")).unwrap();
    (resolve, world)
}

/// A module in the making. All imports come before the first export.
#[derive(Default)]
struct Parts {
    types: TypeSection,
    imports: ImportSection,
    functions: FunctionSection,
    exports: ExportSection,
    code: CodeSection,
}

impl Parts {
    /// The number of the next function.
    fn next(&self) -> u32 {
        self.imports.len() + self.functions.len()
    }

    fn signature(&mut self, signature: &WasmSignature) -> u32 {
        let types = |types: &[WasmType]| types.iter().map(value).collect::<Vec<_>>();
        let index = self.types.len();
        self.types.ty().function(types(&signature.params), types(&signature.results));
        index
    }

    fn import(&mut self, (module, name): &(String, String), signature: &WasmSignature) -> u32 {
        let index = self.next();
        let signature = self.signature(signature);
        self.imports.import(module, name, EntityType::Function(signature));
        index
    }

    fn export(&mut self, name: &str, signature: &WasmSignature, body: &Function) {
        self.exports.export(name, ExportKind::Func, self.next());
        let signature = self.signature(signature);
        self.functions.function(signature);
        self.code.function(body);
    }

    /// `cabi_realloc`: always the same place.
    fn allocator(&mut self) {
        self.exports.export("cabi_realloc", ExportKind::Func, self.next());
        self.functions.function(self.types.len());
        self.types.ty().function([ValType::I32; 4], [ValType::I32]);
        let mut body = Function::new([]);
        body.instructions().i32_const(ROOM).end();
        self.code.function(&body);
    }

    fn finish(mut self) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: PAGES,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        self.exports.export("memory", ExportKind::Memory, 0);
        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.imports)
            .section(&self.functions)
            .section(&memories)
            .section(&self.exports)
            .section(&self.code);
        module.finish()
    }
}

fn value(value: &WasmType) -> ValType {
    match value {
        WasmType::I32 | WasmType::Pointer | WasmType::Length => ValType::I32,
        WasmType::I64 | WasmType::PointerOrI64 => ValType::I64,
        WasmType::F32 => ValType::F32,
        WasmType::F64 => ValType::F64,
    }
}
