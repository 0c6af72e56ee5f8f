//! A component that is ready, and its instances.

use std::time::{Duration, Instant};

use ofn_contract::{
    Decision, Description, EffectiveSpec, Gateway, GatewaySpec, GatewayStatus, INTERFACE,
    ObjectName, Observation, Route, ServiceQuery, Violation,
};
use wasmtime::Store;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, InstancePre, Lift, Linker, Lower,
};

use super::fault::{CallError, INSTANTIATION, Limiter};
use super::room::Room;
use super::{Defect, Limits, TICK, shown};
use crate::metrics;
use crate::pass::vet;

/// What a component answers, its own violations included.
pub type Answer<T> = Result<Result<T, Vec<Violation>>, CallError>;

/// A compiled component, ready to be instantiated.
pub struct PolicyComponent {
    /// What it says of itself.
    pub description: Description,
    /// `sha256:` and the digest of its file.
    pub digest: String,
    pre: InstancePre<Limiter>,
    exports: Exports,
    limits: Limits,
    /// Taken as long as its code is there.
    _room: Room,
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
    began: Instant,
    store: Store<Limiter>,
    instance: wasmtime::component::Instance,
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
    /// Checks that it keeps the contract, as far as loading can tell, and asks it what it is.
    pub(super) fn new(
        component: &Component,
        digest: &str,
        limits: Limits,
        room: Room,
    ) -> Result<Self, Defect> {
        let exports = Exports::of(component).map_err(Defect::Contract)?;
        let pre = Linker::new(component.engine())
            .instantiate_pre(component)
            .map_err(|error| Defect::Parts(shown(&format!("{error:#}"))))?;
        let mut loaded = Self {
            description: Description {
                name: String::new(),
                version: String::new(),
                controller_names: Vec::new(),
                settings: Vec::new(),
            },
            digest: digest.to_owned(),
            pre,
            exports,
            limits,
            _room: room,
        };
        let mut instance = loaded.instance()?;
        instance.check_types().map_err(Defect::Contract)?;
        let description = vet::description(instance.describe()?)?;
        drop(instance);
        loaded.description = description;
        Ok(loaded)
    }

    /// A fresh instance.
    pub fn instance(&self) -> Result<Instance<'_>, CallError> {
        let began = Instant::now();
        let limits = self.limits;
        let mut store = Store::new(self.pre.engine(), Limiter::new(limits));
        store.limiter(|limiter| limiter);
        store.set_hostcall_fuel(usize::try_from(limits.answer.as_u64()).unwrap_or(usize::MAX));
        // Without a deadline a store traps at once; the start function runs under it too.
        store.set_epoch_deadline(ticks(limits.time));
        let instance = self
            .pre
            .instantiate(&mut store)
            .map_err(|source| CallError::new(INSTANTIATION, limits, source))?;
        Ok(Instance {
            component: self,
            began,
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
        let answer = self.uncounted_call(function, index, arguments);
        let policy = &self.component.description.name;
        metrics::call_ended(policy, function, self.began.elapsed());
        answer
    }

    fn uncounted_call<P, R>(
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
        let limits = self.component.limits;
        self.store.set_epoch_deadline(ticks(limits.time));
        self.instance
            .get_typed_func::<P, (R,)>(&mut self.store, index(&self.component.exports))
            .and_then(|typed| typed.call(&mut self.store, arguments))
            .map(|(answer,)| answer)
            .map_err(|source| CallError::new(function, limits, source))
    }

    /// Finds out at load time whether every function has the type that the contract gives it.
    fn check_types(&mut self) -> Result<(), String> {
        type Checked<T> = Result<T, Vec<Violation>>;
        type Defaulted = (Gateway, Option<GatewaySpec>);
        type Asked = (EffectiveSpec, ObjectName);
        let exports = &self.component.exports;
        self.check_type::<(), Description>("describe", &exports.describe)?;
        self.check_type::<Defaulted, Checked<EffectiveSpec>>("default", &exports.default)?;
        self.check_type::<Asked, Checked<Route>>("route-of", &exports.route_of)?;
        self.check_type::<(Observation,), Checked<Vec<ServiceQuery>>>(
            "service-queries",
            &exports.service_queries,
        )?;
        self.check_type::<(Observation,), Checked<Decision>>("decide", &exports.decide)?;
        self.check_type::<(Observation,), GatewayStatus>(
            "aggregate-status",
            &exports.aggregate_status,
        )
    }

    fn check_type<P, R>(
        &mut self,
        function: &str,
        index: &ComponentExportIndex,
    ) -> Result<(), String>
    where
        P: ComponentNamedList + Lower,
        (R,): ComponentNamedList + Lift,
    {
        self.instance
            .get_typed_func::<P, (R,)>(&mut self.store, index)
            .map(drop)
            .map_err(|error| {
                let error = shown(&format!("{error:#}"));
                format!("the function {function} has another type: {error}")
            })
    }

    /// `describe`. Asked once, before the component has a name by which it could be counted.
    pub fn describe(&mut self) -> Result<Description, CallError> {
        self.uncounted_call("describe", |exports| &exports.describe, ())
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
