//! Compiling, in a process of its own that is bounded in memory and time, and ends: the compiler
//! cannot be interrupted, keeps its memory, and was not made for hostile input.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytesize::ByteSize;
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use wasmtime::Engine;

use super::{Limits, config, shown};

/// Compiles in another process.
#[derive(Clone, Debug)]
pub struct Compiler {
    /// This program, `ofn-gateway`.
    pub program: PathBuf,
}

/// A component was not compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The compiler refuses it.
    #[error("it is not a component: {0}")]
    Refused(String),
    /// It took too long.
    #[error("compiling it takes longer than {0:?} (--policy-compile-time)")]
    Time(Duration),
    /// It took too much memory.
    #[error("compiling it takes more than {0} of address space (--policy-compile-memory)")]
    Memory(ByteSize),
    /// There is too much code.
    #[error("its code is larger than {0} (--policy-code)")]
    Code(ByteSize),
    /// Somebody else has ended the process: the kernel, when memory runs out.
    #[error(
        "the process that compiles it was killed: there may be too little memory beside the program's own"
    )]
    Killed,
    /// The compiler crashed.
    #[error("the compiler crashed ({0})")]
    Crashed(ExitStatus),
    /// The other process could not be started or talked to.
    #[error("the process that compiles it does not work: {0}")]
    Process(#[from] std::io::Error),
}

impl CompileError {
    /// It as one word.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Refused(_) => "PolicyNotAComponent",
            Self::Time(_) => "PolicyCompileTime",
            Self::Memory(_) => "PolicyCompileMemory",
            Self::Code(_) => "PolicyCodeTooLarge",
            Self::Killed => "PolicyCompilerKilled",
            Self::Crashed(_) => "PolicyCompilerCrashed",
            Self::Process(_) => "PolicyCompilerMissing",
        }
    }
}

/// Whether memory has run out, by what the child says: the standard library as it ends the process, the
/// operating system, and the standard library as it refuses to read on. What the file says is only
/// ever quoted in between.
fn is_out_of_memory(said: &str) -> bool {
    said.starts_with("memory allocation of")
        || said.ends_with("Cannot allocate memory (os error 12)")
        || said.ends_with("out of memory")
}

impl Compiler {
    /// The code of a component, as [`Engine::precompile_component`] makes it.
    pub(super) fn compile(&self, limits: &Limits, bytes: &[u8]) -> Result<Vec<u8>, CompileError> {
        let mut child = Command::new(&self.program)
            .arg("compile")
            .args(limits.compile_arguments())
            // It needs to know nothing.
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (status, code, said) = std::thread::scope(|scope| {
            let (ended, end) = mpsc::channel();
            let (stdin, stdout, stderr) =
                (child.stdin.take(), child.stdout.take(), child.stderr.take());
            // One that dies does not read to the end; how it died says more.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(bytes)));
            let code = scope.spawn(move || {
                let code = read(stdout, limits.code.as_u64().saturating_add(1));
                let _ = ended.send(());
                code
            });
            let said = scope.spawn(move || read_all(stderr, 4096));
            let in_time = end.recv_timeout(limits.compile_time).is_ok();
            let status = end_of(&mut child, in_time);
            (
                status.map(|status| in_time.then_some(status)),
                code.join().unwrap_or_default(),
                said.join().unwrap_or_default(),
            )
        });
        let Some(status) = status? else {
            return Err(CompileError::Time(limits.compile_time));
        };
        let said = String::from_utf8_lossy(&said);
        let said = said.trim();
        match status.signal() {
            _ if code.len() as u64 > limits.code.as_u64() => Err(CompileError::Code(limits.code)),
            _ if is_out_of_memory(said) => Err(CompileError::Memory(limits.compile_memory)),
            Some(signal) if signal == Signal::XCPU.as_raw() => {
                Err(CompileError::Time(limits.compile_time))
            }
            _ if status.success() => Ok(code),
            // It quotes the file.
            None if status.code() == Some(1) => Err(CompileError::Refused(shown(
                said.trim_start_matches("error: "),
            ))),
            Some(signal) if signal == Signal::KILL.as_raw() => Err(CompileError::Killed),
            _ => Err(CompileError::Crashed(status)),
        }
    }
}

fn end_of(child: &mut Child, in_time: bool) -> std::io::Result<ExitStatus> {
    if !in_time {
        child.kill()?;
    }
    child.wait()
}

/// Reads to the end, and gives so many bytes of the beginning: who writes is not to fail.
fn read_all(mut from: Option<impl Read>, most: u64) -> Vec<u8> {
    let bytes = read(from.as_mut(), most);
    if let Some(mut rest) = from {
        let _ = std::io::copy(&mut rest, &mut std::io::sink());
    }
    bytes
}

fn read(from: Option<impl Read>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let _ = from.take(most).read_to_end(&mut bytes);
    }
    bytes
}

/// The other process: reads a component from the standard input and writes its code to the standard
/// output.
///
/// # Errors
///
/// When it is not a component, or larger than the limits allow.
pub fn main(limits: &Limits) -> Result<()> {
    // At the first one the kernel says why, at the second it kills.
    let bound = |resource, most: u64, at_last: u64| {
        setrlimit(
            resource,
            Rlimit {
                current: Some(most),
                maximum: Some(at_last),
            },
        )
        .context("the limits of the process cannot be set")
    };
    // Where memory runs out, this process goes before its parent, unless all of a container go at
    // once. Not everywhere is there such a file.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let memory = limits.compile_memory.as_u64();
    bound(Resource::As, memory, memory)?;
    set_parent_process_death_signal(Some(Signal::KILL))
        .context("this process cannot be made to end with its parent")?;
    // The parent's clock comes first.
    let seconds = limits.compile_time.as_secs() + 1;
    bound(Resource::Cpu, seconds, seconds + 1)?;
    bound(Resource::Core, 0, 0)?;
    bound(Resource::Fsize, 0, 0)?;
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .context("the component cannot be read")?;
    if let Some(other) = other_than_a_component(&bytes) {
        bail!("{other}");
    }
    let engine = Engine::new(&config(limits))?;
    let code = engine.precompile_component(&bytes)?;
    std::io::stdout()
        .write_all(&code)
        .context("the code cannot be handed over")
}

/// What a file is by its first bytes, where the compiler's own message would not help. They are as in
/// the binary format of the component model.
fn other_than_a_component(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [] => Some("it is empty"),
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => Some(
            "it is a core module, of which `wasm-tools component new`, `cargo component build` or \
             the linker wasm-component-ld makes a component",
        ),
        [0, b'a', b's', b'm', ..] => None,
        _ => Some("it is no WebAssembly in binary form"),
    }
}
