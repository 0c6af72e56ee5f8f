//! What people are told: in the log, and as events on the OpenFunction Gateway.

use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use ofn_contract::text::cut;

use super::{Context, GatewayMeta, reference};
use crate::cluster::live::Live;
use crate::cluster::name_of;
use crate::pass::report::{Notice, Problem};
use crate::policies::News;
use crate::{api, names};

/// Bytes of the note of an event that the API server takes: 1 kB, with room.
const LONGEST_NOTE: usize = 1000;

/// Logs and events, once for each problem: what the status says already is not told again.
pub(super) async fn tell(
    context: &Context,
    gateway: &GatewayMeta,
    problems: &[Problem],
    notices: &[Notice],
) {
    let name = name_of(gateway);
    let problems = problems.iter().map(
        |Problem {
             listener,
             reason,
             message,
         }| {
            let listener = listener.as_ref().map(|name| format!("Listener {name}: "));
            let message = format!("{}{message}", listener.unwrap_or_default());
            (true, reason, message)
        },
    );
    let notices = notices.iter().map(
        |Notice {
             is_warning,
             reason,
             message,
         }| (*is_warning, reason, message.clone()),
    );
    for (is_warning, reason, message) in problems.chain(notices) {
        let type_ = if is_warning {
            tracing::warn!(gateway = %name, reason, "{message}");
            EventType::Warning
        } else {
            tracing::info!(gateway = %name, reason, "{message}");
            EventType::Normal
        };
        publish(&context.cluster, gateway, type_, reason, message).await;
    }
}

async fn publish(
    cluster: &Live,
    gateway: &GatewayMeta,
    type_: EventType,
    reason: &str,
    note: String,
) {
    let reporter = Reporter {
        controller: names::MANAGER.to_owned(),
        instance: std::env::var("POD_NAME").ok(),
    };
    // One that has published an event repeats its text for whatever has the same reason.
    let recorder = Recorder::new(cluster.client().clone(), reporter);
    let event = Event {
        type_,
        reason: reason.to_owned(),
        note: Some(cut(note, LONGEST_NOTE)),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    let mut about = gateway.object_ref(&());
    about.api_version = Some(api::Gateway::api_version(&()).into_owned());
    about.kind = Some(api::Gateway::kind(&()).into_owned());
    if let Err(error) = recorder.publish(&event, &about).await {
        tracing::warn!(gateway = %name_of(gateway), %error, "an event could not be written");
    }
}

/// An event on the OpenFunction Gateway that is served: there is no other object to tell of what is
/// wrong with components. Which of them decides is told by the pass.
pub(super) async fn tell_of_policies(context: &Context, news: &News) {
    let served = context
        .served()
        .and_then(|served| context.gateways.get(&reference(&served)));
    if let Some(served) = served
        && news.is_warning()
    {
        let (reason, note) = (news.reason(), news.to_string());
        publish(&context.cluster, &served, EventType::Warning, reason, note).await;
    }
}
