use std::io::IsTerminal;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use kube::config::KubeConfigOptions;
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::PoliciesFolder;
use crate::policies::follow;
use crate::sandbox::duration;
use crate::{controller, metrics, names};

#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    policies: PoliciesFolder,
    /// How often the folders of policy components are looked at
    #[arg(
        long,
        env = "OFN_GATEWAY_POLICIES_EVERY",
        value_name = "DURATION",
        default_value = "1s",
        value_parser = duration
    )]
    policies_every: Duration,
    /// Context of the kubeconfig to use [default: the current one]. Without a kubeconfig, the
    /// service account of the pod is used
    #[arg(long, env = "OFN_GATEWAY_CONTEXT", value_name = "NAME")]
    context: Option<String>,
    /// Form of the logs [default: text on a terminal, else json]
    #[arg(long, env = "OFN_GATEWAY_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,
    /// What to log: a level, or `tracing` directives such as info,kube=debug
    #[arg(
        long,
        env = "OFN_GATEWAY_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    log: String,
    /// Where to serve metrics for Prometheus, at /metrics, and /health [default: nowhere]
    #[arg(long, env = "OFN_GATEWAY_METRICS_ADDRESS", value_name = "ADDRESS:PORT")]
    metrics_address: Option<SocketAddr>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

impl Run {
    pub(super) fn main(self) -> Result<ExitCode> {
        self.start_logging()?;
        // A thread that is missing would not be missed, so all begin anew.
        std::panic::set_hook(Box::new(|defect| {
            tracing::error!(%defect, "this program has a defect, and ends");
            std::process::exit(101);
        }));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            // For watches, health and metrics. Passes are made by threads of their own.
            .worker_threads(1)
            .build()
            .context("the runtime does not start")?;
        runtime.block_on(self.serve())?;
        // A component that is being compiled is not waited for.
        runtime.shutdown_background();
        Ok(ExitCode::SUCCESS)
    }

    async fn serve(self) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be caught")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be caught")?;
        let mut ending = Box::pin(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("ending: no new pass begins");
        });
        if let Some(address) = self.metrics_address {
            metrics::serve(address)?;
        }
        let folders = self.policies.clone();
        let opened = tokio::task::spawn_blocking(move || folders.open());
        let (folders, news) = tokio::select! {
            () = &mut ending => return Ok(()),
            opened = opened => opened.context("the components are not loaded")??,
        };
        let policies = follow(folders, news, self.policies_every)?;
        let client = self.client().await?;
        tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
        controller::run(client, policies, ending).await?;
        tracing::info!("ended");
        Ok(())
    }

    async fn client(&self) -> Result<Client> {
        let mut config = match &self.context {
            None => Config::infer()
                .await
                .context("there is neither a usable kubeconfig nor a service account")?,
            Some(context) => {
                let options = KubeConfigOptions {
                    context: Some(context.clone()),
                    ..KubeConfigOptions::default()
                };
                Config::from_kubeconfig(&options)
                    .await
                    .with_context(|| format!("--context {context} cannot be used"))?
            }
        };
        let agent = format!("{}/{}", names::MANAGER, env!("CARGO_PKG_VERSION"));
        config
            .headers
            .push((http::header::USER_AGENT, agent.parse()?));
        // A watch lasts 290 seconds at most; a connection that is silent longer is dead.
        config.read_timeout = Some(Duration::from_secs(295));
        Client::try_from(config).context("the client does not start")
    }

    fn start_logging(&self) -> Result<()> {
        let filter = EnvFilter::try_new(&self.log)
            .with_context(|| format!("--log: {:?} is not a filter", self.log))?;
        let builder = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr);
        let terminal = std::io::stderr().is_terminal();
        let format = self.log_format.unwrap_or(if terminal {
            LogFormat::Text
        } else {
            LogFormat::Json
        });
        match format {
            // The spans are kube's own; every line of ours names its object itself.
            LogFormat::Json => builder
                .json()
                .with_current_span(false)
                .with_span_list(false)
                .init(),
            LogFormat::Text => builder.with_ansi(terminal).init(),
        }
        Ok(())
    }
}
