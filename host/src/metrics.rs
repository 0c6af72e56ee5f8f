//! What is counted, for Prometheus. Until [`serve`] is called nothing is kept.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context, Result};
use metrics::{counter, describe_counter, describe_histogram, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

const PASSES: &str = "ofn_gateway_passes_total";
const PASS_SECONDS: &str = "ofn_gateway_pass_duration_seconds";
const CALL_SECONDS: &str = "ofn_gateway_policy_call_duration_seconds";
const FAULTS: &str = "ofn_gateway_policy_faults_total";
const SERVES: &str = "ofn_gateway_policies_loaded_total";
const REFUSED: &str = "ofn_gateway_policies_refused_total";

/// From a call on an idle machine to one that is ended.
const CALL_BUCKETS: [f64; 8] = [0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.01, 0.1, 1.0];
/// From a pass that finds nothing to do to one that waits for the API server.
const PASS_BUCKETS: [f64; 8] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0];

/// Answers `GET /metrics` with the figures, and `GET /health`, at an address. To be called once, in
/// a runtime. `[::]` is every address of both families, also where there is but one.
///
/// # Errors
///
/// When the address cannot be had.
pub fn serve(address: SocketAddr) -> Result<()> {
    let address = of_the_families_there_are(address);
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(CALL_SECONDS.to_owned()), &CALL_BUCKETS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Full(PASS_SECONDS.to_owned()), &PASS_BUCKETS)
        })
        .and_then(|builder| builder.with_http_listener(address).install())
        .with_context(|| format!("metrics cannot be served at {address} (--metrics-address)"))?;
    describe_counter!(
        PASSES,
        "Passes for OpenFunction Gateways, by result: done, or failed"
    );
    describe_histogram!(PASS_SECONDS, "Duration of a pass");
    describe_histogram!(
        CALL_SECONDS,
        "Duration of a call into a policy component, with its instantiation"
    );
    describe_counter!(
        FAULTS,
        "Calls of policy components that gave no answer that could be acted on, by reason"
    );
    describe_counter!(
        SERVES,
        "Policy components that came to serve, at the start and in place of another one"
    );
    describe_counter!(
        REFUSED,
        "Files of policy components that cannot be used, or are gone, by reason"
    );
    Ok(())
}

/// A kernel may be without IPv6.
fn of_the_families_there_are(address: SocketAddr) -> SocketAddr {
    let has_no_ipv6 = || TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err();
    if address.ip() == Ipv6Addr::UNSPECIFIED && has_no_ipv6() {
        return (Ipv4Addr::UNSPECIFIED, address.port()).into();
    }
    address
}

/// A pass has ended.
pub(crate) fn pass_ended(done: bool, duration: Duration) {
    counter!(PASSES, "result" => if done { "done" } else { "failed" }).increment(1);
    histogram!(PASS_SECONDS).record(duration);
}

/// A call has ended, well or not.
pub(crate) fn call_ended(policy: &str, function: &'static str, duration: Duration) {
    histogram!(CALL_SECONDS, "policy" => policy.to_owned(), "function" => function)
        .record(duration);
}

/// A component did not do its part.
pub(crate) fn policy_failed(policy: &str, reason: &'static str) {
    counter!(FAULTS, "policy" => policy.to_owned(), "reason" => reason).increment(1);
}

/// A component has come to serve.
pub(crate) fn policy_serves(policy: &str) {
    counter!(SERVES, "policy" => policy.to_owned()).increment(1);
}

/// Something is wrong with a file of components.
pub(crate) fn policy_refused(reason: &'static str) {
    counter!(REFUSED, "reason" => reason).increment(1);
}
