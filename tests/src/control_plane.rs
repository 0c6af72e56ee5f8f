//! etcd, kube-apiserver and kube-controller-manager in a temporary folder.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use tempfile::TempDir;

/// Who may speak to the API server. Each has a kubeconfig of its own, so that the audit log tells
/// them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The test, or the person at the demo. May do all.
    Admin,
    /// The host under test. May do what `deploy/ofn-gateway.yaml` allows.
    Host,
    /// kube-controller-manager. May do all.
    ControllerManager,
}

impl User {
    const ALL: [Self; 3] = [Self::Admin, Self::Host, Self::ControllerManager];

    /// The name that the API server knows.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Host => "ofn-gateway",
            Self::ControllerManager => "controller-manager",
        }
    }

    fn groups(self) -> &'static str {
        match self {
            Self::Host => "ofn-gateway",
            Self::Admin | Self::ControllerManager => "system:masters",
        }
    }
}

/// A running control plane. It ends, and its folder goes, when this is dropped.
pub struct ControlPlane {
    // In the order in which they must end: the API server hangs without etcd.
    processes: Vec<Process>,
    folder: TempDir,
}

/// A child process that is killed when it is dropped.
pub struct Process(Child);

impl Process {
    /// Starts a program whose output goes to a file.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let log = File::create(log)?;
        let program = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self(child))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Asks it to end, and waits until it has. Answers whether it ended well.
    pub fn terminate(mut self) -> Result<bool> {
        let status = Command::new("kill").arg(self.id().to_string()).status()?;
        if !status.success() {
            bail!("kill: {status}");
        }
        Ok(self.0.wait()?.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One line of the audit log.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    stage: String,
    verb: String,
    user: AuditUser,
    object_ref: Option<AuditObject>,
    response_status: Option<AuditStatus>,
}

#[derive(Clone, Debug, Deserialize)]
struct AuditUser {
    username: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct AuditObject {
    #[serde(default)]
    resource: String,
    #[serde(default)]
    subresource: String,
    #[serde(default)]
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
struct AuditStatus {
    #[serde(default)]
    code: u16,
}

/// kubectl, as the person at the demo uses it.
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// For the cluster of a control plane.
    pub fn new(plane: &ControlPlane) -> Result<Self> {
        Ok(Self {
            program: assets("control-plane")?.join("kubectl"),
            kubeconfig: plane.kubeconfig(User::Admin),
        })
    }

    /// `kubectl apply`, client-side.
    pub fn apply(&self, object: &serde_json::Value) -> Result<()> {
        let mut child = Command::new(&self.program)
            .args(["apply", "-f", "-"])
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        let input = child.stdin.take().context("kubectl has no input")?;
        serde_json::to_writer(input, object)?;
        let status = child.wait()?;
        if !status.success() {
            bail!("kubectl apply: {status}");
        }
        Ok(())
    }
}

/// The folder that `tests/assets/assets.sh` prints.
pub fn assets(what: &str) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/assets.sh");
    let output = Command::new(script)
        .arg(what)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("assets.sh {what}: {}", output.status);
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

/// Of both families, as `--service-cluster-ip-range`.
pub const CLUSTER_IPS: [&str; 2] = ["10.0.0.0/24", "fd00:10::/112"];

impl ControlPlane {
    /// Starts one, and waits until it is ready.
    pub async fn start() -> Result<Self> {
        Self::start_with(&CLUSTER_IPS).await
    }

    /// The same, with Services' cluster IPs from these ranges; the first is of the first family.
    pub async fn start_with(cluster_ips: &[&str]) -> Result<Self> {
        let assets = assets("control-plane")?;
        let folder = tempfile::Builder::new().prefix("ofn-gateway-").tempdir()?;
        let at = |name: &str| folder.path().join(name);
        let [etcd, etcd_peers, api_server, controller_manager] = free_ports()?;
        let etcd_url = format!("http://127.0.0.1:{etcd}");
        let peers_url = format!("http://127.0.0.1:{etcd_peers}");
        let key = rcgen::KeyPair::generate()?;
        fs::write(at("sa.key"), key.serialize_pem())?;
        fs::write(at("sa.pub"), key.public_key_pem())?;
        let tokens: Vec<_> = User::ALL
            .iter()
            .map(|user| format!("{0},{0},{0},\"{1}\"", user.name(), user.groups()))
            .collect();
        fs::write(at("tokens.csv"), tokens.join("\n"))?;
        fs::write(
            at("audit.yaml"),
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n",
        )?;
        for user in User::ALL {
            fs::write(at(user.name()), kubeconfig(api_server, user))?;
        }
        let etcd = Process::start(
            Command::new(assets.join("etcd"))
                .args(["--data-dir".as_ref(), at("etcd").as_os_str()])
                .args([
                    "--listen-client-urls",
                    &etcd_url,
                    "--advertise-client-urls",
                    &etcd_url,
                ])
                .args([
                    "--listen-peer-urls",
                    &peers_url,
                    "--initial-advertise-peer-urls",
                    &peers_url,
                ])
                .args(["--initial-cluster", &format!("default={peers_url}")])
                .args(["--unsafe-no-fsync", "--log-level", "warn"]),
            &at("etcd.log"),
        )?;
        let path = |flag: &str, name: &str| format!("--{flag}={}", at(name).display());
        let api_server = Process::start(
            Command::new(assets.join("kube-apiserver"))
                .arg(format!("--etcd-servers={etcd_url}"))
                .arg(format!("--secure-port={api_server}"))
                .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
                .arg(format!(
                    "--service-cluster-ip-range={}",
                    cluster_ips.join(",")
                ))
                .arg("--allow-privileged=true")
                .args([
                    "--authorization-mode=RBAC",
                    "--endpoint-reconciler-type=none",
                ])
                .args(["--profiling=false"])
                .args(["--service-account-issuer=https://kubernetes.default.svc"])
                .args([
                    path("cert-dir", "certs"),
                    path("token-auth-file", "tokens.csv"),
                ])
                .args([path("service-account-key-file", "sa.pub")])
                .args([path("service-account-signing-key-file", "sa.key")])
                .args([
                    path("audit-policy-file", "audit.yaml"),
                    path("audit-log-path", "audit.log"),
                ]),
            &at("kube-apiserver.log"),
        )?;
        let mut plane = Self {
            processes: vec![api_server, etcd],
            folder,
        };
        plane.wait_until_ready().await?;
        let controllers = [
            "garbage-collector-controller",
            "namespace-controller",
            "endpointslice-controller",
            "endpointslice-mirroring-controller",
            "serviceaccount-controller",
            "serviceaccount-token-controller",
            "root-ca-certificate-publisher-controller",
        ];
        let key_file = plane.folder.path().join("sa.key");
        let controller_manager = Process::start(
            Command::new(assets.join("kube-controller-manager"))
                .arg(format!(
                    "--kubeconfig={}",
                    plane.kubeconfig(User::ControllerManager).display()
                ))
                .arg(format!(
                    "--service-account-private-key-file={}",
                    key_file.display()
                ))
                .args(["--leader-elect=false", "--bind-address=127.0.0.1"])
                .arg(format!("--secure-port={controller_manager}"))
                .arg(format!("--controllers={}", controllers.join(","))),
            &plane.folder.path().join("kube-controller-manager.log"),
        )?;
        plane.processes.insert(0, controller_manager);
        Ok(plane)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        let client = self.client(User::Admin).await?;
        let deadline = Instant::now() + Duration::from_secs(120);
        while !client
            .request_text(http_get("/readyz")?)
            .await
            .is_ok_and(|text| text == "ok")
        {
            if Instant::now() > deadline {
                let log = fs::read_to_string(self.folder.path().join("kube-apiserver.log"))?;
                let tail: Vec<_> = log.lines().rev().take(20).collect();
                bail!("the API server does not become ready:\n{}", tail.join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Where everything of it is.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The kubeconfig file of a user.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        self.folder.path().join(user.name())
    }

    /// A client for a user.
    pub async fn client(&self, user: User) -> Result<Client> {
        client(&self.kubeconfig(user)).await
    }

    /// The writes of a user so far that the API server let through, such as `patch gateways
    /// contour`. Events are not among them.
    pub fn writes(&self, user: User) -> Result<Vec<String>> {
        let requests = self.audits(user)?.into_iter().filter(|audit| {
            matches!(
                audit.verb.as_str(),
                "create" | "update" | "patch" | "delete"
            ) && audit
                .response_status
                .as_ref()
                .is_some_and(|status| status.code < 400)
        });
        Ok(requests
            .filter_map(|audit| {
                let object = audit.object_ref?;
                let resource = if object.subresource.is_empty() {
                    object.resource
                } else {
                    format!("{}/{}", object.resource, object.subresource)
                };
                (resource != "events").then(|| format!("{} {resource} {}", audit.verb, object.name))
            })
            .collect())
    }

    /// How many requests of a user the API server refused for want of rights.
    pub fn forbidden(&self, user: User) -> Result<usize> {
        let is_forbidden = |audit: &Audit| {
            audit
                .response_status
                .as_ref()
                .is_some_and(|status| status.code == 403)
        };
        Ok(self
            .audits(user)?
            .iter()
            .filter(|audit| is_forbidden(audit))
            .count())
    }

    fn audits(&self, user: User) -> Result<Vec<Audit>> {
        let log = fs::read_to_string(self.folder.path().join("audit.log"))?;
        let mut audits = Vec::new();
        for line in log.lines() {
            // The last line may be under way.
            let Ok(audit) = serde_json::from_str::<Audit>(line) else {
                continue;
            };
            if audit.stage == "ResponseComplete" && audit.user.username == user.name() {
                audits.push(audit);
            }
        }
        Ok(audits)
    }
}

/// A client for a kubeconfig file.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}

fn kubeconfig(port: u16, user: User) -> String {
    let name = user.name();
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "demo",
        "clusters": [{"name": "demo", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            // Made anew for each start, by the API server itself.
            "insecure-skip-tls-verify": true,
        }}],
        "contexts": [{"name": "demo", "context": {"cluster": "demo", "user": name}}],
        "users": [{"name": name, "user": {"token": name}}],
    })
    .to_string()
}

/// A port of this machine that nobody uses.
pub fn free_port() -> Result<u16> {
    let [port] = free_ports()?;
    Ok(port)
}

fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners: Vec<_> = (0..N)
        .map(|_| TcpListener::bind("127.0.0.1:0"))
        .collect::<Result<_, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
