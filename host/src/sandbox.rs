//! Running components: fresh instances, bounded in memory and time, that can reach nothing.

mod cache;
mod compile;
mod component;
mod fault;
mod limits;
mod room;

use std::path::Path;
use std::time::Duration;

use bytesize::ByteSize;
use ofn_contract::INTERFACE;
use ofn_contract::text;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

pub use self::cache::Cache;
pub use self::compile::{CompileError, Compiler, main as compile};
pub use self::component::{Answer, Instance, PolicyComponent};
pub use self::fault::{CallError, Fault};
pub use self::limits::Limits;
pub(crate) use self::limits::duration;
use self::room::Rooms;
use crate::names::reason;
use crate::pass::vet::Broken;

/// How often the epoch moves on: the precision of [`Limits::time`].
const TICK: Duration = Duration::from_millis(10);

/// Core instances, tables and memories that a component may be made of. One that `wit-component`
/// makes has three or four instances, a table or two, and a memory. One that `jco` makes of
/// JavaScript has 13 instances, three tables and three memories: two are of stubs, and empty.
const CORE_INSTANCES: u32 = 16;
const TABLES: u32 = 4;
const MEMORIES: u32 = 3;

/// Bytes of a text that are told where it may quote a file.
const LONGEST_QUOTE: usize = 500;

/// Bytes of a memory that a next instance finds in place, as they were at the start, where the
/// kernel tells which were touched (Linux 6.7). To have them mapped anew takes as long as a decision.
const KEPT: usize = 512 << 10;
/// As many memories, tables and instances are kept so.
const MOST_KEPT: u32 = 16;

/// Loads components.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    limits: Limits,
    compiler: Compiler,
    cache: Option<Cache>,
    rooms: Rooms,
}

/// A component cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be used: {defect}")]
pub struct LoadError {
    /// The file.
    pub path: String,
    /// Why.
    pub defect: Box<Defect>,
}

/// Why a component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Defect {
    /// The file cannot be read, or is too large.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// It is not a component, or takes too much to compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It wants something from the host.
    #[error("it imports {0}, and a policy component imports nothing")]
    Imports(String),
    /// It does not export the contract.
    #[error(
        "it does not export {INTERFACE}, or not as the contract has it: {0}. Build it against the \
         wit/ folder of this version"
    )]
    Contract(String),
    /// There is too much code of others.
    #[error(
        "its code takes {0}, for which there is no room beside that of the other components: all \
         together may take {1} (--policies-code). What was removed takes its room until a restart"
    )]
    Room(ByteSize, ByteSize),
    /// It has more parts than a policy may have.
    #[error("it is made of more than a policy may be: {0}")]
    Parts(String),
    /// It cannot be started, or does not say what it is.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What it says of itself breaks a rule.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl Defect {
    /// Whether it may be the machine's, and gone at another time.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::File(error) => error.kind() != std::io::ErrorKind::FileTooLarge,
            Self::Compile(error) => {
                matches!(error, CompileError::Process(_) | CompileError::Killed)
            }
            Self::Call(error) => error.may_pass(),
            Self::Imports(_)
            | Self::Contract(_)
            | Self::Room(..)
            | Self::Parts(_)
            | Self::Broken(_) => false,
        }
    }

    /// It as one word, for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::File(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
                "PolicyFileTooLarge"
            }
            Self::File(_) => "PolicyFileUnreadable",
            Self::Compile(error) => error.reason(),
            Self::Imports(_) => "PolicyImports",
            Self::Contract(_) => "PolicyContract",
            Self::Room(..) => "PolicyNoRoom",
            Self::Parts(_) => "PolicyTooManyParts",
            Self::Call(error) => error.fault.reason(),
            Self::Broken(_) => reason::POLICY_ANSWER_INVALID,
        }
    }
}

/// What is in a file, whether it can be used or not.
pub struct Inspection {
    /// The size of the file, in bytes.
    pub size: usize,
    /// `sha256:` and the digest of the file.
    pub digest: String,
    /// The names of what the component imports.
    pub imports: Vec<String>,
    /// The names of what it exports.
    pub exports: Vec<String>,
    /// It, if it can be used.
    pub policy: Result<PolicyComponent, LoadError>,
}

/// What compiled code depends on. The same here and in the process that compiles.
fn config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        // The same input gives the same answer, on every processor.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        // Nobody is shown where in a component it trapped, and the map is a tenth of the code.
        .generate_address_map(false)
        // The pool reserves this much address space for each memory.
        .memory_reservation(limits.memory.as_u64());
    config
}

impl Sandbox {
    /// A sandbox with these limits. It starts a thread that lives as long as the sandbox. Without a
    /// cache every component is compiled when it is loaded.
    ///
    /// # Errors
    ///
    /// When the engine does not take the limits: the message says which.
    pub fn new(limits: Limits, compiler: Compiler, cache: Option<Cache>) -> wasmtime::Result<Self> {
        let bytes = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(limits.instances)
            .total_core_instances(limits.instances.saturating_mul(CORE_INSTANCES))
            .total_memories(limits.instances.saturating_mul(MEMORIES))
            .total_tables(limits.instances.saturating_mul(TABLES))
            .max_core_instances_per_component(CORE_INSTANCES)
            .max_memories_per_component(MEMORIES)
            .max_tables_per_component(TABLES)
            .max_tables_per_module(TABLES)
            .table_elements(limits.table)
            .max_memory_size(bytes(limits.memory));
        // Elsewhere all that is kept would be written over, whether it was touched or not.
        if PoolingAllocationConfig::is_pagemap_scan_available() {
            pool.pagemap_scan(Enabled::Yes)
                .linear_memory_keep_resident(KEPT)
                .table_keep_resident(KEPT)
                .max_unused_warm_slots(MOST_KEPT);
        }
        let mut config = config(&limits);
        config
            .max_wasm_stack(bytes(limits.stack))
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let weak = engine.weak();
        std::thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })?;
        Ok(Self {
            engine,
            limits,
            compiler,
            cache,
            rooms: Rooms::default(),
        })
    }

    /// `sha256:` and the digest of a file.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is too large.
    pub fn digest(&self, path: &Path) -> std::io::Result<String> {
        Ok(digest(&cache::read_file(path, self.limits.file.as_u64())?))
    }

    /// Compiles and checks the component in a file.
    ///
    /// # Errors
    ///
    /// When it cannot be used. Nothing of it has been kept then but, perhaps, its code in the cache.
    pub fn load(&self, path: &Path) -> Result<PolicyComponent, LoadError> {
        self.inspect(path)?.policy
    }

    /// Compiles the component in a file, whatever it may be, and checks it.
    ///
    /// # Errors
    ///
    /// When it is none, or takes too much to compile.
    pub fn inspect(&self, path: &Path) -> Result<Inspection, LoadError> {
        let failed = |defect| LoadError {
            path: path.display().to_string(),
            defect: Box::new(defect),
        };
        let (bytes, component) = self.compile(path).map_err(failed)?;
        let digest = digest(&bytes);
        let parts = component.component_type();
        let imports = parts.imports(&self.engine);
        let imports: Vec<_> = imports.map(|(name, _)| name.to_owned()).collect();
        let exports = parts.exports(&self.engine);
        let policy = match imports.first() {
            Some(import) => Err(Defect::Imports(shown(import))),
            None => self.policy(&component, &bytes, &digest),
        };
        Ok(Inspection {
            size: bytes.len(),
            digest,
            exports: exports.map(|(name, _)| name.to_owned()).collect(),
            imports,
            policy: policy.map_err(failed),
        })
    }

    fn policy(
        &self,
        component: &Component,
        bytes: &[u8],
        digest: &str,
    ) -> Result<PolicyComponent, Defect> {
        let needed = room::needed(component, bytes);
        let all = self.limits.all_code;
        let room = self.rooms.take(needed, all.as_u64());
        let room = room.ok_or(Defect::Room(ByteSize(needed), all))?;
        PolicyComponent::new(component, digest, self.limits, room)
    }

    fn compile(&self, path: &Path) -> Result<(Vec<u8>, Component), Defect> {
        let bytes = cache::read_file(path, self.limits.file.as_u64())?;
        let component = cache::component(
            &self.engine,
            &self.compiler,
            self.cache.as_ref(),
            &self.limits,
            &bytes,
        )?;
        Ok((bytes, component))
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// What quotes a file, for a person.
fn shown(text: &str) -> String {
    text::cut(text::printable(text), LONGEST_QUOTE)
}
