//! What the demo prints, and what must be true of it.

// Colours on a terminal only.
use anstream::println;
use anyhow::{Result, ensure};
use ofn_tests::cluster::named;
use owo_colors::OwoColorize;
use serde_json::{Value, json};

/// What comes now.
pub fn step(text: &str) {
    println!("\n{} {}", "▶".cyan(), text.bold());
}

/// More about it.
pub fn note(text: &str) {
    println!("  {}", text.dimmed());
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("-")
}

/// The three objects.
pub fn show(gateway: &Value, entry: &Value, ofn: &Value) {
    step("What happened");
    println!("\n  Gateway projectcontour/contour");
    let ours: Value =
        gateway["metadata"]["annotations"]["networking.openfunction.io/injected-listeners"]
            .as_str()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
    for listener in gateway["spec"]["listeners"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let name = text(listener, "name");
        let owner = if named(&ours, name).is_some() {
            "ofn-gateway".green().to_string()
        } else {
            "platform team, untouched".yellow().to_string()
        };
        println!(
            "  ├─ {name:<20} {:<18} {:>5} {:<6} {owner}",
            text(listener, "hostname"),
            listener["port"],
            text(listener, "protocol")
        );
    }
    println!("\n  Service openfunction/gateway, the one entry for functions");
    println!(
        "  └─ gateway.openfunction.svc.cluster.local → {}",
        text(&entry["spec"], "externalName").green()
    );
    let policy = &ofn["status"]["policy"];
    println!(
        "\n  OpenFunction Gateway openfunction/openfunction, decided by policy {} {}",
        text(policy, "name").cyan(),
        text(policy, "version")
    );
    conditions("  ├─ ", &ofn["status"]);
    for address in ofn["status"]["addresses"].as_array().into_iter().flatten() {
        println!("  ├─ address {}", text(address, "value"));
    }
    for listener in ofn["status"]["listeners"].as_array().into_iter().flatten() {
        println!(
            "  ├─ listener {}, {} routes",
            text(listener, "name"),
            listener["attachedRoutes"]
        );
        conditions("  │  └─ ", listener);
    }
}

fn conditions(indent: &str, of: &Value) {
    for condition in of["conditions"].as_array().into_iter().flatten() {
        let status = text(condition, "status");
        let status = if status == "True" {
            status.green().to_string()
        } else {
            status.red().to_string()
        };
        println!(
            "{indent}{:<10} {status} {} {}",
            text(condition, "type"),
            text(condition, "reason"),
            text(condition, "message").dimmed()
        );
    }
}

/// Whether all is as the documentation has it.
pub fn check(gateway: &Value, entry: &Value, ofn: &Value) -> Result<()> {
    println!();
    let own = named(&gateway["spec"]["listeners"], "platform");
    fact(
        "the platform team's listener is as it was",
        own.is_some_and(|own| own["hostname"] == "*.example.com"),
    )?;
    let hostname = |name| {
        named(&gateway["spec"]["listeners"], name).map(|listener| text(listener, "hostname"))
    };
    fact(
        "*.ofn.io is served for users",
        hostname("ofn-http-external") == Some("*.ofn.io"),
    )?;
    fact(
        "*.cluster.local is served inside the cluster",
        hostname("ofn-http-internal") == Some("*.cluster.local"),
    )?;
    fact(
        "the entry points at Envoy",
        entry["spec"]["externalName"] == "envoy.projectcontour.svc.cluster.local",
    )?;
    fact("the status is as OpenFunction's documentation has it", {
        let conditions = &ofn["status"]["conditions"];
        *conditions
            == json!([
                {"type": "Scheduled", "status": "True", "reason": "Scheduled", "message": "Gateway is scheduled"},
                {"type": "Ready", "status": "True", "reason": "Valid", "message": "Valid Gateway"},
            ])
    })
}

/// Tells what is true; what is not ends the demo.
pub fn fact(text: &str, holds: bool) -> Result<()> {
    ensure!(holds, "not true: {text}");
    println!("  {} {text}", "✓".green());
    Ok(())
}
