//! What keeps requests from going through the entry as they should.

use kube::Resource;
use kube::api::ObjectMeta;

use crate::cluster::Kind;
use crate::names::{self, reason};
use crate::pass::report::Problem;
use crate::pass::world::{World, is_owned_by};

/// Objects with our names that are not ours.
pub(super) fn foreign(world: &World) -> Option<Problem> {
    let conflict = |kind: Kind, metadata: &ObjectMeta| {
        (!is_owned_by(metadata, &world.gateway)).then(|| {
            let owner = metadata
                .managed_fields
                .iter()
                .flatten()
                .find_map(|entry| entry.manager.as_deref());
            Problem::general(
                reason::SERVICE_CONFLICT,
                format!(
                    "{kind} {}/{} is not ours{}: it stays as it is, and functions cannot be \
                     reached through it until it is deleted or renamed",
                    metadata.namespace.as_deref().unwrap_or_default(),
                    metadata.name.as_deref().unwrap_or_default(),
                    owner
                        .map(|owner| format!(" (made by {owner})"))
                        .unwrap_or_default()
                ),
            )
        })
    };
    let service = world.entry.as_ref();
    service
        .and_then(|service| conflict(Kind::Service, service.meta()))
        .or_else(|| {
            world
                .slices
                .values()
                .find_map(|slice| conflict(Kind::EndpointSlice, slice.meta()))
        })
}

/// EndpointSlices that somebody gave to the entry beside ours, by hand or as an Endpoints object, from
/// which the control plane makes them: a part of the traffic goes there.
pub(super) fn beside(world: &World) -> Option<Problem> {
    let slice = world.other_slices.first()?;
    let mirrored = slice
        .labels
        .iter()
        .flatten()
        .any(|(key, value)| key == names::SLICE_MANAGED_BY_LABEL && value == names::MIRROR);
    let namespace = slice.namespace.as_deref().unwrap_or_default();
    let name = slice.name.as_deref().unwrap_or_default();
    let whose = if mirrored {
        format!("Endpoints {namespace}/{}", names::ENTRY_SERVICE)
    } else {
        format!("EndpointSlice {namespace}/{name}")
    };
    Some(Problem::general(
        reason::SERVICE_CONFLICT,
        format!(
            "{whose} is not ours, and sends a part of the functions' traffic to other addresses than \
             those of the Gateway: delete it"
        ),
    ))
}
