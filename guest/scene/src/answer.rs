//! What a policy answered, in words that a test can compare.

use ofn_contract::{
    Condition, EntryTarget, GatewayStatus, GatewayTemplate, ServiceQuery, Violation,
};
use ofn_gateway::pass::vet::Wish;

/// The answers of a policy. Those that tests read are texts.
#[derive(Debug)]
pub struct Answer {
    queries: Vec<ServiceQuery>,
    decision: Result<Wish, Vec<Violation>>,
    status: Option<GatewayStatus>,
}

impl Answer {
    pub(crate) fn new(
        queries: Vec<ServiceQuery>,
        decision: Result<Wish, Vec<Violation>>,
        status: GatewayStatus,
    ) -> Self {
        Self {
            queries,
            decision,
            status: Some(status),
        }
    }

    pub(crate) fn violated(violations: Vec<Violation>) -> Self {
        Self {
            queries: Vec::new(),
            decision: Err(violations),
            status: None,
        }
    }

    fn decision(&self) -> &Wish {
        match &self.decision {
            Ok(decision) => decision,
            Err(violations) => panic!("nothing is decided: {violations:?}"),
        }
    }

    fn status(&self) -> &GatewayStatus {
        self.status.as_ref().expect("nothing is decided")
    }

    /// Which Services were asked for.
    pub fn queries(&self) -> &[ServiceQuery] {
        &self.queries
    }

    /// Where the entry points: `<namespace>/<name>` of a Service, a host name, IP addresses, or
    /// `nowhere`.
    pub fn entry(&self) -> String {
        match self.decision().entry.as_ref().map(|entry| &entry.target) {
            None => "nowhere".to_owned(),
            Some(EntryTarget::Service(name)) => name.to_string(),
            Some(EntryTarget::HostName(name)) => name.clone(),
            Some(EntryTarget::IpAddresses(ips)) => ips.join(" "),
        }
    }

    /// The ports of the entry.
    pub fn entry_ports(&self) -> Vec<u16> {
        let entry = self.decision().entry.as_ref();
        let ports = entry.map(|entry| &entry.ports[..]).unwrap_or_default();
        ports.iter().map(|port| port.port).collect()
    }

    /// The port of a listener in the Kubernetes Gateway; none if it is refused.
    pub fn port(&self, listener: &str) -> Option<u16> {
        let mut listeners = self.decision().listeners.iter();
        let listener = listeners.find(|other| other.name == listener)?;
        Some(listener.port)
    }

    /// Why a listener is refused: `<reason>: <message>`. Empty if it is not.
    pub fn refusal(&self, listener: &str) -> String {
        let mut refusals = self.decision().refusals.iter();
        refusals
            .find(|refusal| refusal.listener == listener)
            .map(|refusal| format!("{}: {}", refusal.reason, refusal.message))
            .unwrap_or_default()
    }

    /// The listeners that are refused.
    pub fn refused(&self) -> Vec<&str> {
        let refusals = &self.decision().refusals;
        refusals
            .iter()
            .map(|refusal| refusal.listener.as_str())
            .collect()
    }

    /// What a new Gateway needs.
    pub fn template(&self) -> &GatewayTemplate {
        &self.decision().template
    }

    /// What the user must mend: `<field>: <message>` each.
    pub fn violations(&self) -> Vec<String> {
        let violations = match &self.decision {
            Ok(_) => &[][..],
            Err(violations) => violations,
        };
        violations
            .iter()
            .map(|violation| format!("{}: {}", violation.field, violation.message))
            .collect()
    }

    /// `Scheduled` and `Ready`: `<status> <reason>: <message>`.
    pub fn condition(&self, type_: &str) -> String {
        text(&self.status().conditions, type_)
    }

    /// The same for `Ready` of a listener.
    pub fn listener_ready(&self, listener: &str) -> String {
        self.listener_condition(listener, "Ready")
    }

    /// The same for any condition of a listener. Empty if it has none of that type.
    pub fn listener_condition(&self, listener: &str, type_: &str) -> String {
        let mut listeners = self.status().listeners.iter();
        let listener = listeners
            .find(|other| other.name == listener)
            .expect("a listener");
        text(&listener.conditions, type_)
    }

    /// Asserts that the status says that all is well with the Gateway and a listener, in the words that
    /// the contract fixes.
    ///
    /// # Panics
    ///
    /// When it says something else.
    #[track_caller]
    pub fn assert_ready(&self, listener: &str) {
        assert_eq!(
            self.condition("Scheduled"),
            "True Scheduled: Gateway is scheduled"
        );
        assert_eq!(self.condition("Ready"), "True Valid: Valid Gateway");
        assert_eq!(self.listener_ready(listener), "True Ready: Valid listener");
    }
}

fn text(conditions: &[Condition], type_: &str) -> String {
    conditions
        .iter()
        .find(|condition| condition.type_ == type_)
        .map(|condition| {
            format!(
                "{} {}: {}",
                condition.status, condition.reason, condition.message
            )
        })
        .unwrap_or_default()
}
