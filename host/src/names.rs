//! The names that others rely on: those of the objects, annotations and reasons that we write.

/// Field manager of every write, and prefix of the user agent.
pub const MANAGER: &str = "ofn-gateway";
/// Finalizer of an OpenFunction Gateway. The old controller's, so that it can be taken over.
pub const FINALIZER: &str = "networking.openfunction.io/finalizer";

/// Prefix of the annotations of an OpenFunction Gateway that a component may read.
pub const ANNOTATION_PREFIX: &str = "networking.openfunction.io/";
/// Prefix of the annotations that are a component's settings.
pub const SETTING_PREFIX: &str = "policy.networking.openfunction.io/";
/// On an OpenFunction Gateway: the name of the component to use.
pub const POLICY_ANNOTATION: &str = "networking.openfunction.io/policy";
/// On an OpenFunction Gateway: the effective spec that was last acted on, as `{"spec":…}`.
pub const LAST_APPLIED_ANNOTATION: &str = "networking.openfunction.io/last-applied-configuration";
/// On an OpenFunction Gateway: the Kubernetes Gateways that were touched and not cleaned yet.
pub const TARGETS_ANNOTATION: &str = "networking.openfunction.io/targets";
/// On an OpenFunction Gateway: who has taken defaults out of its spec again, and how often.
pub const TAKEN_OUT_ANNOTATION: &str = "networking.openfunction.io/defaults-taken-out";

/// On a Kubernetes Gateway: exactly the listeners that were put there, a JSON list.
pub const INJECTED_ANNOTATION: &str = "networking.openfunction.io/injected-listeners";
/// On a Kubernetes Gateway: the generation that our own last change of its spec produced, and the uid of
/// the Gateway, `<generation> <uid>`; without a uid where it was not known yet.
pub const GENERATION_ANNOTATION: &str = "networking.openfunction.io/injected-generation";
/// On a Kubernetes Gateway that we created: the uid of the OpenFunction Gateway it is for.
pub const CREATED_FOR_ANNOTATION: &str = "networking.openfunction.io/created-for";

/// On a Kubernetes Gateway, on the entry Service and on its EndpointSlices: how often what is ours in it
/// was put right after somebody had changed it, and when.
pub const UNDONE_ANNOTATION: &str = "networking.openfunction.io/undone";

/// On the entry Service and its EndpointSlices: a digest of what was applied last.
pub const APPLIED_ANNOTATION: &str = "networking.openfunction.io/applied";
/// On the entry Service and its EndpointSlices: when they were moved from one Kubernetes Gateway to
/// another.
pub const MOVED_ANNOTATION: &str = "networking.openfunction.io/moved";

/// Label of all that we created, with [`MANAGER`] as its value.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Label by which an EndpointSlice belongs to a Service.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
/// Label by which an EndpointSlice names its owner.
pub const SLICE_MANAGED_BY_LABEL: &str = "endpointslice.kubernetes.io/managed-by";

/// Value of [`SLICE_MANAGED_BY_LABEL`] where the control plane copied an Endpoints object. Source:
/// `k8s.io/endpointslice` of Kubernetes, its mirroring controller.
pub const MIRROR: &str = "endpointslicemirroring-controller.k8s.io";

/// Namespace and name of the Service that stands for the API server.
pub const API_SERVER: (&str, &str) = ("default", "kubernetes");

/// On an OpenFunction Gateway: the Service that is its data plane, `<namespace>/<name>`. Components
/// read it.
pub const ENTRY_SERVICE_ANNOTATION: &str = "networking.openfunction.io/entry-service";
/// Name of the default listener, which components add and put right.
pub const DEFAULT_LISTENER: &str = ofn_contract::DEFAULT_LISTENER;
/// On an OpenFunction Gateway: whether there is a default listener. Components read it.
pub const DEFAULT_LISTENER_ANNOTATION: &str = "networking.openfunction.io/default-listener";
/// The annotations of an OpenFunction Gateway that begin with [`ANNOTATION_PREFIX`]: those of users, then
/// our own.
pub const GATEWAY_ANNOTATIONS: ([&str; 3], [&str; 3]) = (
    [
        DEFAULT_LISTENER_ANNOTATION,
        ENTRY_SERVICE_ANNOTATION,
        POLICY_ANNOTATION,
    ],
    [
        LAST_APPLIED_ANNOTATION,
        TARGETS_ANNOTATION,
        TAKEN_OUT_ANNOTATION,
    ],
);
/// Name of the entry Service, in the namespace of the OpenFunction Gateway.
pub const ENTRY_SERVICE: &str = ofn_contract::ENTRY_SERVICE;

/// Reasons of conditions and events that this host gives. Implementations' own reasons are passed
/// on as they are.
pub mod reason {
    /// A policy component trapped.
    pub const POLICY_TRAPPED: &str = "PolicyTrapped";
    /// A policy component took too long.
    pub const POLICY_TIMEOUT: &str = "PolicyTimeout";
    /// A policy component wanted too much memory.
    pub const POLICY_OUT_OF_MEMORY: &str = "PolicyOutOfMemory";
    /// A policy component called too deep.
    pub const POLICY_OUT_OF_STACK: &str = "PolicyOutOfStack";
    /// A policy component answered too much.
    pub const POLICY_ANSWER_TOO_LARGE: &str = "PolicyAnswerTooLarge";
    /// A policy component's answer is none, or breaks a rule.
    pub const POLICY_ANSWER_INVALID: &str = "PolicyAnswerInvalid";
    /// A policy component changes its mind though the user wishes the same.
    pub const POLICY_UNSTABLE: &str = "PolicyUnstable";
    /// Another policy component decides than before.
    pub const POLICY_SWAPPED: &str = "PolicySwapped";
    /// Too many instances of policy components are at work.
    pub const POLICY_BUSY: &str = "PolicyBusy";
    /// The spec breaks a rule: the message names the fields.
    pub const INVALID: &str = "Invalid";
    /// An object could not be written.
    pub const CREATION_FAILURE: &str = "CreationFailure";
    /// The component failed or does not exist; what was decided before stays.
    pub const NOT_RECONCILED: &str = "NotReconciled";
    /// Somebody else's listener is in the way of one of ours.
    pub const LISTENER_CONFLICT: &str = "ListenerConflict";
    /// The API server does not take one of our listeners.
    pub const LISTENER_REJECTED: &str = "ListenerRejected";
    /// The entry Service, or an EndpointSlice of it, belongs to somebody else.
    pub const SERVICE_CONFLICT: &str = "ServiceConflict";
    /// Somebody keeps changing what is ours: it is put right less and less often.
    pub const UNDONE: &str = "Undone";
    /// A Gateway is ready, and it is not known where its data plane is.
    pub const DATA_PLANE_UNKNOWN: &str = "DataPlaneUnknown";
    /// The Kubernetes Gateway that `gatewayDef` names exists with another class.
    pub const CLASS_CONFLICT: &str = "GatewayClassConflict";
    /// Another OpenFunction Gateway is served.
    pub const NOT_SERVED: &str = "NotServed";
    /// The OpenFunction Gateway has annotations of ours that mean nothing.
    pub const UNKNOWN_ANNOTATION: &str = "UnknownAnnotation";
    /// Listeners had to stay, because a Gateway must have one.
    pub const LISTENER_LEFT: &str = "ListenerLeft";
    /// Defaults are effective without being written into the spec, because it is somebody else's.
    pub const DEFAULTS_WITHHELD: &str = "DefaultsWithheld";
    /// A Gateway that we created stays, because others use it.
    pub const GATEWAY_LEFT: &str = "GatewayLeft";
}
