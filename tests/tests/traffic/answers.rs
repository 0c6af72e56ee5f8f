//! Functions answer where `ofn-gateway route` says.

use anyhow::{Result, ensure};
use ofn_tests::traffic::Vendor;
use ofn_tests::traffic::client::Client;

use crate::scene::{Scene, tests};

tests![[Vendor::Contour, Vendor::Traefik];
    a_function_answers_at_its_external_host_name,
    a_function_with_a_host_name_of_its_users_answers_by_its_path,
    a_function_answers_at_its_name_in_the_cluster,
    a_host_name_of_no_function_is_not_answered_by_one,
];

async fn a_function_answers_at_its_external_host_name(scene: &Scene, vendor: Vendor) -> Result<()> {
    scene.serve(vendor).await?;
    let function = scene.function("hello").await?;
    ensure!(function.external_host() == "hello.default.ofn.io");
    let url = format!("http://{}/greet", function.external_host());
    let world = Client::at(vendor.address(80));
    let reply = scene.is_answered(&world, &url, &function).await?;
    ensure!(reply.body["path"] == "/greet", "{reply:?}");
    Ok(())
}

async fn a_function_with_a_host_name_of_its_users_answers_by_its_path(
    scene: &Scene,
    vendor: Vendor,
) -> Result<()> {
    scene.serve(vendor).await?;
    let function = scene.function_at("hello", &["api.ofn.io"]).await?;
    ensure!(function.path() == "/default/hello");
    let world = Client::at(vendor.address(80));
    let url = "http://api.ofn.io/default/hello";
    scene.is_answered(&world, url, &function).await?;
    let elsewhere = world.get("http://api.ofn.io/default/other").await?;
    ensure!(elsewhere.status == 404, "{elsewhere:?}");
    Ok(())
}

/// The whole way, with no help from here: the function's name is a Service that is another name for the
/// entry, which is another name for the data plane's Service, whose address kube-proxy knows.
async fn a_function_answers_at_its_name_in_the_cluster(
    scene: &Scene,
    vendor: Vendor,
) -> Result<()> {
    scene.serve(vendor).await?;
    let function = scene.function("hello").await?;
    let url = function.internal_url();
    ensure!(url == "http://hello.default.svc.cluster.local/", "{url}");
    scene
        .is_answered(&Client::default(), &url, &function)
        .await?;
    Ok(())
}

async fn a_host_name_of_no_function_is_not_answered_by_one(
    scene: &Scene,
    vendor: Vendor,
) -> Result<()> {
    scene.serve(vendor).await?;
    let function = scene.function("hello").await?;
    let world = Client::at(vendor.address(80));
    let url = format!("http://{}/", function.external_host());
    scene.is_answered(&world, &url, &function).await?;
    let other = world.get("http://other.default.ofn.io/").await?;
    ensure!(other.status == 404, "{other:?}");
    Ok(())
}
