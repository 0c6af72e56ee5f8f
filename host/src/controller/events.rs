//! What people are told: in the log, and as events on the OpenFunction Gateway.

use kube::Resource;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use ofn_contract::ObjectName;
use ofn_contract::text::{cut, printable};

use super::{Context, GatewayMeta, reference};
use crate::cluster::live::Live;
use crate::cluster::name_of;
use crate::pass::report::{Notice, Problem};
use crate::policies::News;
use crate::{api, names};

/// Bytes of the note of an event that the API server takes: 1 kB, with room.
const LONGEST_NOTE: usize = 1000;
/// Bytes of its reason.
const LONGEST_REASON: usize = 128;
/// An event must have a reason.
const NO_REASON: &str = "Unknown";

/// Logs and events, once for each problem: what the status says already is not told again.
pub(super) async fn tell(
    context: &Context,
    gateway: &GatewayMeta,
    problems: &[Problem],
    notices: &[Notice],
) {
    let name = name_of(gateway);
    let problems = problems
        .iter()
        .map(|problem| (true, &problem.reason, problem.to_string()));
    let notices = notices.iter().map(
        |Notice {
             is_warning,
             reason,
             message,
         }| (*is_warning, reason, message.clone()),
    );
    for (is_warning, reason, message) in problems.chain(notices) {
        log(&name, is_warning, reason, &message);
        let type_ = if is_warning {
            EventType::Warning
        } else {
            EventType::Normal
        };
        publish(&context.cluster, gateway, type_, reason, message).await;
    }
}

/// On one line: a message may quote others, who are not to write lines of their own.
fn log(gateway: &ObjectName, is_warning: bool, reason: &str, message: &str) {
    let message = printable(message);
    if is_warning {
        tracing::warn!(gateway = %gateway, reason, "{message}");
    } else {
        tracing::info!(gateway = %gateway, reason, "{message}");
    }
}

/// As the API server takes it.
fn event(type_: EventType, reason: &str, note: String) -> Event {
    let reason = if reason.is_empty() { NO_REASON } else { reason };
    Event {
        type_,
        reason: cut(reason.to_owned(), LONGEST_REASON),
        note: Some(cut(note, LONGEST_NOTE)),
        action: "Reconcile".to_owned(),
        secondary: None,
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
    let event = event(type_, reason, note);
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_message_of_several_lines_is_one_line_of_the_log() {
        let file = Arc::new(tempfile::tempfile().expect("a file"));
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(Arc::clone(&file))
            .finish();
        let gateway = ObjectName {
            namespace: "ofn".to_owned(),
            name: "openfunction".to_owned(),
        };
        tracing::subscriber::with_default(subscriber, || {
            log(
                &gateway,
                true,
                "Invalid",
                "bad\n2026-01-01 INFO all is well",
            );
            log(&gateway, false, "Invalid", "bad\r\u{1b}[2Jwell");
        });
        let mut logged = String::new();
        let mut file: &File = &file;
        file.rewind().expect("the beginning");
        file.read_to_string(&mut logged).expect("text");
        assert_eq!(logged.lines().count(), 2, "{logged:?}");
        let is_odd = |char: char| char.is_control() && char != '\n';
        assert!(!logged.contains(is_odd), "{logged:?}");
        assert!(
            logged.contains("bad 2026-01-01 INFO all is well"),
            "{logged:?}"
        );
    }

    #[test]
    fn an_event_has_a_reason_and_a_note_of_a_length_that_the_api_server_takes() {
        let event = |reason: &str| event(EventType::Normal, reason, "note".repeat(1000));
        assert_eq!(event("").reason, "Unknown");
        assert_eq!(event("NotFound").reason, "NotFound");
        for reason in ["x".repeat(128), "x".repeat(129), "ñ".repeat(100)] {
            let event = event(&reason);
            let bytes = reason.len();
            assert_eq!(event.reason == reason, bytes <= 128, "{bytes}");
            assert!(event.reason.len() <= 128, "{bytes}");
            assert!(event.note.is_some_and(|note| note.len() <= 1024));
        }
    }
}
