//! A network of one's own: a program that calls [`enter`] first runs in a network namespace where
//! nothing else is, with fixed addresses and ports and no way out.
//!
//! All of it is the kernel's to clear away, whatever ends the program: the processes, because they are in
//! one pid namespace; temporary files, because they are in a file system in memory that no other mount
//! namespace sees. Root may make such namespaces, and anybody where user namespaces are allowed.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::signal::unix::{SignalKind, signal};

/// Where functions run. Addresses of the network for documentation, because the API server takes none of
/// 127.0.0.0/8 as an endpoint.
pub const FUNCTIONS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Where Envoy listens.
pub const ENVOY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
/// Where Traefik listens.
pub const TRAEFIK: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 12);
/// Where CoreDNS listens.
pub const DNS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
/// The addresses of Services.
pub const SERVICES: &str = "10.0.0.0/24";

/// How far a program has come on its way in.
const STAGE: &str = "OFN_GATEWAY_NETWORK";
/// A folder that every Linux has and nobody here needs: temporary files are put over it.
const TEMPORARY: &str = "/dev/shm";

/// Runs the program again, in a network of its own, and answers how that ended. Inside, it answers none:
/// go on. `prepare` is done before, outside, where the internet can be reached.
pub fn enter(prepare: impl FnOnce() -> Result<()>) -> Result<Option<ExitCode>> {
    match env::var(STAGE).as_deref() {
        Ok("inside") => {
            furnish().context("furnishing a private network")?;
            Ok(None)
        }
        Ok("door") => go_in(),
        _ => {
            is_possible()?;
            prepare()?;
            send_in().map(Some)
        }
    }
}

/// `unshare`, with the namespaces that make a network of one's own.
fn unshare() -> Command {
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount", "--pid", "--fork", "--mount-proc"]);
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare
}

fn is_possible() -> Result<()> {
    let mut probe = unshare();
    let probe = probe.arg("true").stdin(Stdio::null()).output();
    let probe = probe.context("starting unshare, of the package util-linux")?;
    ensure!(
        probe.status.success(),
        "no private network can be made here ({}): run as root, or allow user namespaces (sysctl \
         kernel.unprivileged_userns_clone=1, and where AppArmor forbids it \
         kernel.apparmor_restrict_unprivileged_userns=0); a container needs the capability SYS_ADMIN",
        String::from_utf8_lossy(&probe.stderr).trim()
    );
    Ok(())
}

/// Becomes the program inside, and never returns.
fn go_in() -> Result<Option<ExitCode>> {
    // It is to end with the one who waits for it, even if that one is killed.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let mut inside = unshare();
    inside
        .arg("--kill-child")
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(STAGE, "inside")
        .env("TMPDIR", TEMPORARY)
        .env("PATH", path_with_sbin());
    Err(inside.exec()).context("unshare")
}

/// Waits for what runs inside. A signal to us ends it.
fn send_in() -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let status: Result<ExitStatus> = runtime.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        let mut interrupted = signal(SignalKind::interrupt())?;
        let mut inside = tokio::process::Command::new(env::current_exe()?)
            .args(env::args_os().skip(1))
            .env(STAGE, "door")
            .spawn()?;
        tokio::select! {
            status = inside.wait() => return Ok(status?),
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        inside.kill().await?;
        Ok(inside.wait().await?)
    });
    let code = status?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Debian has `nft` and `ip` where only root's shell looks.
fn path_with_sbin() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    path
}

fn furnish() -> Result<()> {
    mount(&["-t", "tmpfs", "tmpfs", TEMPORARY])?;
    run("ip", &["link", "set", "lo", "up"])?;
    for address in [FUNCTIONS, ENVOY, TRAEFIK] {
        run(
            "ip",
            &["addr", "add", &format!("{address}/32"), "dev", "lo"],
        )?;
    }
    // kube-proxy only rewrites what is routed at all.
    run("ip", &["route", "add", "local", SERVICES, "dev", "lo"])?;
    put_over("/etc/resolv.conf", &format!("nameserver {DNS}\n"))?;
    // Where systemd-resolved answers, it would do so from outside, through a socket.
    if Path::new("/etc/nsswitch.conf").exists() {
        put_over("/etc/nsswitch.conf", "hosts: files dns\n")?;
    }
    Ok(())
}

/// Puts a text where a file is, for this mount namespace.
fn put_over(file: &str, text: &str) -> Result<()> {
    let name = Path::new(file).file_name().context("a file has a name")?;
    let instead = Path::new(TEMPORARY).join(name);
    fs::write(&instead, text)?;
    // A link is to a file that other programs read too.
    let file = fs::canonicalize(file)
        .with_context(|| format!("{file} must exist for another to be put over it"))?;
    mount(&["--bind".as_ref(), instead.as_os_str(), file.as_os_str()])
}

fn mount<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Result<()> {
    run("mount", arguments)
}

fn run<S: AsRef<std::ffi::OsStr>>(program: &str, arguments: &[S]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .with_context(|| program.to_owned())?;
    let arguments: Vec<_> = arguments
        .iter()
        .map(|argument| argument.as_ref().to_string_lossy())
        .collect();
    ensure!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
