//! Running components: fresh instances, bounded in memory and time, that can reach nothing.

use std::path::Path;
use std::time::Duration;

use ofn_contract::{
    Decision, Description, EffectiveSpec, Gateway, GatewaySpec, GatewayStatus, INTERFACE,
    ObjectName, Observation, Route, ServiceQuery, Violation,
};
use sha2::{Digest, Sha256};
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower,
};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreLimits,
    StoreLimitsBuilder,
};

/// How far a component may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of linear memory of one instance. The standard policy needs under 2 MiB for a Gateway
    /// with 64 listeners.
    pub memory: usize,
    /// Wall time of one call. It takes some 50 µs; a thousand times that is a defect.
    pub time: Duration,
    /// Bytes that the host copies out of an instance for one answer.
    pub answer: usize,
    /// Instances at the same time. A pass has one at a time.
    pub instances: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 16 << 20,
            time: Duration::from_millis(200),
            answer: 1 << 20,
            instances: 16,
        }
    }
}

/// How often the epoch moves on: the precision of [`Limits::time`].
const TICK: Duration = Duration::from_millis(10);

/// Loads components.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    limits: Limits,
}

/// A component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a component, or one that the engine refuses.
    #[error("{path} is not a component: {source:#}")]
    Compile {
        /// The file.
        path: String,
        /// Why.
        source: wasmtime::Error,
    },
    /// It wants something from the host.
    #[error("{path} imports {import}: a policy component imports nothing")]
    Imports {
        /// The file.
        path: String,
        /// The first import.
        import: String,
    },
    /// It does not export the contract.
    #[error(
        "{path} does not export {INTERFACE}, or not as the contract has it: {detail}. Build it \
         against the wit/ folder of this version"
    )]
    Contract {
        /// The file.
        path: String,
        /// What is missing.
        detail: String,
    },
    /// It does not say what it is.
    #[error("{path} cannot be asked what it is: {source}")]
    Describe {
        /// The file.
        path: String,
        /// Why.
        source: CallError,
    },
}

/// A call trapped, overran a limit, or gave what cannot be an answer. It is the component's
/// defect, not the user's.
#[derive(Debug, thiserror::Error)]
#[error("{function} failed: {source:#}")]
pub struct CallError {
    function: &'static str,
    source: wasmtime::Error,
}

/// What a component answers, its own violations included.
pub type Answer<T> = Result<Result<T, Vec<Violation>>, CallError>;

struct State {
    limits: StoreLimits,
}

/// A compiled component, ready to be instantiated.
pub struct PolicyComponent {
    /// What it says of itself.
    pub description: Description,
    /// `sha256:` and the digest of its file.
    pub digest: String,
    pre: InstancePre<State>,
    exports: Exports,
    limits: Limits,
}

struct Exports {
    describe: ComponentExportIndex,
    default: ComponentExportIndex,
    route_of: ComponentExportIndex,
    service_queries: ComponentExportIndex,
    decide: ComponentExportIndex,
    aggregate_status: ComponentExportIndex,
}

/// One instance of a component. It serves one step of a pass and is dropped.
pub struct Instance<'a> {
    component: &'a PolicyComponent,
    store: Store<State>,
    instance: wasmtime::component::Instance,
}

impl Sandbox {
    /// A sandbox with these limits. It starts a thread that lives as long as the sandbox.
    pub fn new(limits: Limits) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(limits.instances)
            .total_core_instances(limits.instances * 4)
            .total_memories(limits.instances)
            .total_tables(limits.instances * 2)
            .max_memories_per_component(1)
            .max_memory_size(limits.memory);
        let mut config = Config::new();
        config
            .wasm_component_model(true)
            .epoch_interruption(true)
            // The pool reserves this much address space for each memory.
            .memory_reservation(limits.memory as u64)
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
        Ok(Self { engine, limits })
    }

    /// Compiles and checks the component in a file.
    pub fn load(&self, path: &Path) -> Result<PolicyComponent, LoadError> {
        let bytes = std::fs::read(path).map_err(|source| LoadError::Read {
            path: path.display().to_string(),
            source,
        })?;
        let path = path.display().to_string();
        let component =
            Component::from_binary(&self.engine, &bytes).map_err(|source| LoadError::Compile {
                path: path.clone(),
                source,
            })?;
        if let Some((import, _)) = component.component_type().imports(&self.engine).next() {
            return Err(LoadError::Imports {
                path,
                import: import.to_owned(),
            });
        }
        let contract = |detail: String| LoadError::Contract {
            path: path.clone(),
            detail,
        };
        let exports = Exports::of(&component).map_err(&contract)?;
        let pre = Linker::new(&self.engine)
            .instantiate_pre(&component)
            .map_err(|error| contract(format!("{error:#}")))?;
        let mut loaded = PolicyComponent {
            description: Description {
                name: String::new(),
                version: String::new(),
                controller_names: Vec::new(),
                settings: Vec::new(),
            },
            digest: format!("sha256:{:x}", Sha256::digest(&bytes)),
            pre,
            exports,
            limits: self.limits,
        };
        let described = loaded.instance().and_then(|mut instance| {
            instance.check_types()?;
            instance.describe()
        });
        loaded.description = described.map_err(|source| LoadError::Describe { path, source })?;
        Ok(loaded)
    }
}

impl Exports {
    fn of(component: &Component) -> Result<Self, String> {
        let interface = component
            .get_export_index(None, INTERFACE)
            .ok_or_else(|| format!("the interface {INTERFACE} is missing"))?;
        let function = |name: &str| {
            component
                .get_export_index(Some(&interface), name)
                .ok_or_else(|| format!("the function {name} is missing"))
        };
        Ok(Self {
            describe: function("describe")?,
            default: function("default")?,
            route_of: function("route-of")?,
            service_queries: function("service-queries")?,
            decide: function("decide")?,
            aggregate_status: function("aggregate-status")?,
        })
    }
}

impl PolicyComponent {
    /// A fresh instance.
    pub fn instance(&self) -> Result<Instance<'_>, CallError> {
        let limits = StoreLimitsBuilder::new()
            .memory_size(self.limits.memory)
            .memories(1)
            .trap_on_grow_failure(true)
            .build();
        let mut store = Store::new(self.pre.engine(), State { limits });
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(self.limits.answer);
        // Without a deadline a store traps at once; the start function runs under it too.
        store.set_epoch_deadline(ticks(self.limits.time));
        let instance = self
            .pre
            .instantiate(&mut store)
            .map_err(|source| CallError {
                function: "instantiation",
                source,
            })?;
        Ok(Instance {
            component: self,
            store,
            instance,
        })
    }
}

impl Instance<'_> {
    fn call<P, R>(
        &mut self,
        function: &'static str,
        index: impl Fn(&Exports) -> &ComponentExportIndex,
        arguments: P,
    ) -> Result<R, CallError>
    where
        P: ComponentNamedList + Lower,
        R: 'static,
        (R,): ComponentNamedList + Lift,
    {
        self.store
            .set_epoch_deadline(ticks(self.component.limits.time));
        self.instance
            .get_typed_func::<P, (R,)>(&mut self.store, index(&self.component.exports))
            .and_then(|typed| typed.call(&mut self.store, arguments))
            .map(|(answer,)| answer)
            .map_err(|source| CallError { function, source })
    }

    /// Finds out at load time whether every function has the type that the contract gives it.
    fn check_types(&mut self) -> Result<(), CallError> {
        type Checked<T> = (Result<T, Vec<Violation>>,);
        let exports = &self.component.exports;
        let Self {
            instance, store, ..
        } = self;
        let mut check = || -> wasmtime::Result<()> {
            instance.get_typed_func::<(), (Description,)>(&mut *store, &exports.describe)?;
            instance.get_typed_func::<(Gateway, Option<GatewaySpec>), Checked<EffectiveSpec>>(
                &mut *store,
                &exports.default,
            )?;
            instance.get_typed_func::<(EffectiveSpec, ObjectName), Checked<Route>>(
                &mut *store,
                &exports.route_of,
            )?;
            instance.get_typed_func::<(Observation,), Checked<Vec<ServiceQuery>>>(
                &mut *store,
                &exports.service_queries,
            )?;
            instance.get_typed_func::<(Observation,), Checked<Decision>>(
                &mut *store,
                &exports.decide,
            )?;
            instance.get_typed_func::<(Observation,), (GatewayStatus,)>(
                &mut *store,
                &exports.aggregate_status,
            )?;
            Ok(())
        };
        check().map_err(|source| CallError {
            function: "the check of its types",
            source,
        })
    }

    /// `describe`.
    pub fn describe(&mut self) -> Result<Description, CallError> {
        self.call("describe", |exports| &exports.describe, ())
    }

    /// `default`.
    pub fn default_spec(
        &mut self,
        new: Gateway,
        old: Option<GatewaySpec>,
    ) -> Answer<EffectiveSpec> {
        self.call("default", |exports| &exports.default, (new, old))
    }

    /// `route-of`.
    pub fn route_of(&mut self, spec: EffectiveSpec, function: ObjectName) -> Answer<Route> {
        self.call("route-of", |exports| &exports.route_of, (spec, function))
    }

    /// `service-queries`.
    pub fn service_queries(&mut self, seen: Observation) -> Answer<Vec<ServiceQuery>> {
        self.call(
            "service-queries",
            |exports| &exports.service_queries,
            (seen,),
        )
    }

    /// `decide`.
    pub fn decide(&mut self, seen: Observation) -> Answer<Decision> {
        self.call("decide", |exports| &exports.decide, (seen,))
    }

    /// `aggregate-status`.
    pub fn aggregate_status(&mut self, seen: Observation) -> Result<GatewayStatus, CallError> {
        self.call(
            "aggregate-status",
            |exports| &exports.aggregate_status,
            (seen,),
        )
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_millis().div_ceil(TICK.as_millis()))
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}
