//! HTTPS listeners.

use anyhow::{Result, ensure};
use ofn_tests::cluster::{Kind, named};
use ofn_tests::traffic::Vendor;
use ofn_tests::traffic::client::Client;
use serde_json::json;

use crate::scene::{Scene, tests};

tests![[Vendor::Contour, Vendor::Traefik];
    a_tls_listener_is_passed_on_as_it_is_and_terminated_with_the_users_certificate,
];

async fn a_tls_listener_is_passed_on_as_it_is_and_terminated_with_the_users_certificate(
    scene: &Scene,
    vendor: Vendor,
) -> Result<()> {
    let gateway = vendor.gateway();
    let certificate = rcgen::generate_simple_self_signed(vec!["*.default.ofn.io".to_owned()])?;
    let secret = json!({
        "type": "kubernetes.io/tls",
        "stringData": {
            "tls.crt": certificate.cert.pem(),
            "tls.key": certificate.signing_key.serialize_pem(),
        },
    });
    scene
        .cluster
        .apply(
            Kind::Secret,
            &gateway.namespace,
            "functions",
            "platform-team",
            secret,
        )
        .await?;
    let tls = json!({
        "mode": "Terminate",
        "certificateRefs": [{"group": "", "kind": "Secret", "name": "functions"}],
    });
    let allowed = json!({"namespaces": {"from": "All"}});
    let listener = json!({
        "name": "ofn-https", "hostname": "*.ofn.io", "port": 443, "protocol": "HTTPS",
        "tls": tls, "allowedRoutes": allowed,
    });
    scene.make(scene.spec(vendor, &[listener])).await?;
    scene.is_ready().await?;

    let there = scene
        .cluster
        .must_get(Kind::Gateway, &gateway.namespace, &gateway.name)
        .await?;
    let there = named(&there["spec"]["listeners"], "ofn-https").cloned();
    let there = there.unwrap_or_default();
    ensure!(there["tls"] == tls, "{there:#}");
    ensure!(there["allowedRoutes"] == allowed, "{there:#}");

    let function = scene.function("hello").await?;
    let world = Client::at(vendor.address(443)).trusting(certificate.cert.der().clone())?;
    let url = format!("https://{}/", function.external_host());
    scene.is_answered(&world, &url, &function).await?;
    Ok(())
}
