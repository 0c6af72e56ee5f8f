//! When to make a pass: watches, and who is served.
//!
//! Watches only say that something changed; what it is now is read by the pass. Nothing that they
//! bring is kept but the metadata of OpenFunction Gateways, so memory does not grow with the
//! cluster.

mod events;
mod ground;
mod interest;

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::{FutureExt, Stream, StreamExt};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use k8s_openapi::api::core::v1::{Namespace, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::core::ApiResource;
use kube::runtime::controller::{self, Action, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use ofn_contract::ObjectName;
use ofn_contract::text::printable;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::block_in_place;

use self::events::{tell, tell_of_policies};
use self::ground::Ground;
use self::interest::{is_entry, matches};
use crate::cluster::live::Live;
use crate::cluster::{Cluster, Kind, name_of};
use crate::pass;
use crate::pass::observe::Interest;
use crate::policies::{Followed, Policies};
use crate::{api, metrics, names};

type GatewayMeta = PartialObjectMeta<api::Gateway>;

/// A pass now and then although nothing was heard: a net under the watches.
const RESYNC: Duration = Duration::from_secs(600);
/// The wait after a first failure; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(200);
/// The longest wait after a failure.
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// Objects read at once when a watch begins.
const PAGE: u32 = 100;
/// One pass a second that writes, and some at once: who undoes what we write and what we remember of it
/// would be answered as fast as the network allows.
const WRITING: Quota = Quota::per_second(NonZeroU32::MIN).allow_burst(NonZeroU32::new(60).unwrap());

struct Context {
    cluster: Live,
    policies: watch::Receiver<Arc<Policies>>,
    /// Where the API server is.
    api_server: Vec<SocketAddr>,
    gateways: Store<GatewayMeta>,
    interests: Mutex<HashMap<ObjectName, Interest>>,
    failures: Mutex<HashMap<ObjectName, u32>>,
    /// Passes that write.
    writing: DefaultDirectRateLimiter,
}

/// Watches a cluster and makes passes until `shutdown` is done; a pass that is under way ends
/// first. Waits while the APIs that it needs are not served, and begins anew when the Gateway API
/// comes to be served in another version, or the API server elsewhere. Another component serves from
/// the next pass on.
///
/// # Errors
///
/// When the API server does not answer at the start.
pub async fn run(
    client: Client,
    mut policies: Followed,
    shutdown: impl Future<Output = ()> + Send + Sync + 'static,
) -> Result<()> {
    let shutdown = shutdown.shared();
    tokio::select! {
        answer = client.apiserver_version() => {
            answer.context("the API server does not answer")?;
        }
        () = shutdown.clone() => {}
    }
    while shutdown.peek().is_none() {
        let ground = tokio::select! {
            ground = ground::discover(&client) => ground,
            () = shutdown.clone() => break,
        };
        tracing::info!(
            gateway_api = ground.gateway_api,
            "the Gateway API is served"
        );
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let until = async {
            tokio::select! {
                () = shutdown.clone() => {}
                () = ground::has_changed(&client, &ground) => {}
            }
            drop(stop);
        };
        let passes = make_passes(&client, &mut policies, &ground, stopped.map(drop));
        tokio::join!(until, passes);
    }
    Ok(())
}

/// Watches a cluster and makes passes until `stop` is done.
async fn make_passes(
    client: &Client,
    policies: &mut Followed,
    ground: &Ground,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let cluster = Live::new(client.clone(), ground.gateway_api.as_str());
    let page = watcher::Config::default().page_size(PAGE);
    let controller = Controller::new(Api::<GatewayMeta>::all(client.clone()), page.clone())
        .with_config(controller::Config::default().concurrency(4));
    let context = Arc::new(Context {
        cluster: cluster.clone(),
        policies: policies.policies.clone(),
        api_server: ground.api_server.clone(),
        gateways: controller.store(),
        interests: Mutex::default(),
        failures: Mutex::default(),
        writing: RateLimiter::direct(WRITING),
    });
    let metadata = |kind| -> (Api<PartialObjectMeta<DynamicObject>>, ApiResource) {
        let resource = cluster.resource(kind);
        (Api::all_with(client.clone(), &resource), resource)
    };
    let (targets, target_resource) = metadata(Kind::KubernetesGateway);
    let (classes, class_resource) = metadata(Kind::GatewayClass);
    let interested = |context: &Arc<Context>| {
        let context = Arc::clone(context);
        move |test: &dyn Fn(&ObjectName, &Interest) -> bool| context.interested(test)
    };
    let (by_target, by_class) = (interested(&context), interested(&context));
    let (by_namespace, by_service) = (interested(&context), interested(&context));
    let by_slice = interested(&context);
    let served = Arc::clone(&context);
    let controller = controller
        .graceful_shutdown_on(stop)
        .reconcile_all_on(changes(policies.policies.clone()))
        // Another OpenFunction Gateway may be the one to serve now.
        .watches(
            Api::<GatewayMeta>::all(client.clone()),
            page.clone(),
            move |changed| {
                let others = served.gateways.state();
                let key = ObjectRef::from_obj(&changed);
                let refs: Vec<_> = others
                    .iter()
                    .map(|other| ObjectRef::from_obj(&**other))
                    .collect();
                refs.into_iter().filter(move |other| *other != key)
            },
        )
        .watches_with(targets, target_resource, page.clone(), move |target| {
            let name = name_of(&target);
            by_target(&|_, interest| interest.targets.contains(&name))
        })
        .watches_with(classes, class_resource, page.clone(), move |class| {
            let name = class.name_any();
            by_class(&|_, interest| interest.class.as_ref() == Some(&name))
        })
        // A Kubernetes Gateway, and a Service of ours, can be made only when its namespace is there.
        .watches(
            Api::<PartialObjectMeta<Namespace>>::all(client.clone()),
            page.clone(),
            move |namespace| {
                let name = namespace.name_any();
                by_namespace(&|_, interest| {
                    interest
                        .targets
                        .iter()
                        .any(|target| target.namespace == name)
                })
            },
        )
        .watches(
            Api::<Service>::all(client.clone()),
            page.clone(),
            move |service| {
                by_service(&|gateway, interest| {
                    is_entry(&service, gateway)
                        || interest
                            .services
                            .iter()
                            .any(|query| matches(query, &service))
                })
            },
        )
        // One that loses the label is told as one that is gone.
        .watches(
            Api::<PartialObjectMeta<EndpointSlice>>::all(client.clone()),
            page.labels(&format!(
                "{}={}",
                names::SERVICE_NAME_LABEL,
                names::ENTRY_SERVICE
            )),
            move |slice| {
                let namespace = slice.namespace();
                by_slice(&|gateway, _| namespace.as_deref() == Some(&gateway.namespace))
            },
        );
    let passes = controller
        .run(reconcile, after_failure, Arc::clone(&context))
        .for_each(|result| async {
            match result {
                // Failures of passes are told where they happen. An object may go between its
                // event and the pass.
                Ok(_)
                | Err(
                    controller::Error::ReconcilerFailed(..) | controller::Error::ObjectNotFound(_),
                ) => {}
                Err(error) => tracing::warn!(%error, "a watch failed, and begins anew"),
            }
        });
    let tell = async {
        // Until they are known there is nobody to tell. It fails where the passes end.
        let _ = context.gateways.wait_until_ready().await;
        while let Some(news) = policies.news.recv().await {
            tell_of_policies(&context, &news).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        () = passes => {}
        () = tell => {}
    }
}

/// Each time that other components come to serve.
fn changes(policies: watch::Receiver<Arc<Policies>>) -> impl Stream<Item = ()> {
    futures::stream::unfold(policies, async |mut policies| {
        policies.changed().await.ok()?;
        Some(((), policies))
    })
}

async fn reconcile(
    gateway: Arc<GatewayMeta>,
    context: Arc<Context>,
) -> Result<Action, pass::Error> {
    let name = name_of(&*gateway);
    match context.served() {
        Some(served) if served != name => {
            lock(&context.interests).remove(&name);
            let mut notices = Vec::new();
            let ended = pass::stand_by(&context.cluster, &name, &served, &mut notices).await;
            tell(&context, &gateway, &[], &notices).await;
            ended?;
            lock(&context.failures).remove(&name);
            // The store may not know yet that the other one is gone.
            let seen = context.cluster.get(Kind::Gateway, &served).await?;
            Ok(Action::requeue(if seen.is_none() {
                FIRST_RETRY
            } else {
                RESYNC
            }))
        }
        _ => {
            let mut interested = |interest: &Interest| {
                lock(&context.interests).insert(name.clone(), interest.clone());
            };
            let mut notices = Vec::new();
            let began = Instant::now();
            // The whole pass has the same ones.
            let policies = context.policies.borrow().beside(context.api_server.clone());
            // A component may use all its time, and watches, health and metrics need theirs.
            let ended = block_in_place(|| {
                Handle::current().block_on(pass::pass(
                    &context.cluster,
                    &policies,
                    &name,
                    &mut interested,
                    &mut notices,
                ))
            });
            metrics::pass_ended(ended.is_ok(), began.elapsed());
            let problems = ended.as_ref().map(|outcome| &*outcome.new_problems);
            tell(&context, &gateway, problems.unwrap_or_default(), &notices).await;
            let outcome = ended?;
            if outcome.has_written {
                context.writing.until_ready().await;
            }
            lock(&context.failures).remove(&name);
            // An older one may have come to be known during the pass.
            if context.served().is_some_and(|served| served != name) {
                return Ok(Action::requeue(FIRST_RETRY));
            }
            let again = outcome
                .again
                .and_then(|again| Duration::try_from(again).ok());
            Ok(Action::requeue(again.unwrap_or(RESYNC).min(RESYNC)))
        }
    }
}

fn after_failure(gateway: Arc<GatewayMeta>, error: &pass::Error, context: Arc<Context>) -> Action {
    let name = name_of(&*gateway);
    let mut failures = lock(&context.failures);
    let count = failures.entry(name.clone()).or_default();
    *count = count.saturating_add(1);
    let wait = FIRST_RETRY
        .saturating_mul(2_u32.saturating_pow(*count - 1))
        .min(LONGEST_RETRY);
    // It may quote what is in an object.
    let error = printable(&error.to_string());
    tracing::warn!(gateway = %name, error, retry_after = ?wait, "the pass failed");
    Action::requeue(wait)
}

impl Context {
    /// The OpenFunction Gateway that is served: the oldest, then the first by namespace and name.
    /// One that is being deleted is served until it is gone.
    fn served(&self) -> Option<ObjectName> {
        let key = |gateway: &Arc<GatewayMeta>| {
            let created = gateway
                .meta()
                .creation_timestamp
                .as_ref()
                .map(|Time(time)| *time);
            (created, name_of(&**gateway))
        };
        self.gateways
            .state()
            .iter()
            .map(key)
            .min()
            .map(|(_, name)| name)
    }

    fn interested(
        &self,
        test: &dyn Fn(&ObjectName, &Interest) -> bool,
    ) -> Vec<ObjectRef<GatewayMeta>> {
        let mut interests = lock(&self.interests);
        interests.retain(|name, _| self.gateways.get(&reference(name)).is_some());
        interests
            .iter()
            .filter(|(name, interest)| test(name, interest))
            .map(|(name, _)| reference(name))
            .collect()
    }
}

fn reference(name: &ObjectName) -> ObjectRef<GatewayMeta> {
    ObjectRef::new(&name.name).within(&name.namespace)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
