//! What a component can do wrong in a call, told apart.

use std::fmt;

use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter, Trap};

use super::Limits;
use crate::names::reason;

/// What went wrong in a call. All but [`Fault::Busy`] are the component's defects, not the user's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ended itself, or did what WebAssembly forbids.
    Trap,
    /// It took longer than [`Limits::time`].
    Time,
    /// It wanted more than [`Limits::memory`] or [`Limits::table`], or more than the 100,000 handles
    /// of resources that wasmtime lets an instance have.
    Memory,
    /// It called deeper than [`Limits::stack`].
    Stack,
    /// Its answer is larger than [`Limits::answer`].
    TooLarge,
    /// What it gave back cannot be read as an answer: bytes outside its memory, text that is not
    /// UTF-8, a case that a variant does not have.
    Unreadable,
    /// There are [`Limits::instances`] already.
    Busy,
}

impl Fault {
    /// The reason in a condition and an event.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Trap => reason::POLICY_TRAPPED,
            Self::Time => reason::POLICY_TIMEOUT,
            Self::Memory => reason::POLICY_OUT_OF_MEMORY,
            Self::Stack => reason::POLICY_OUT_OF_STACK,
            Self::TooLarge => reason::POLICY_ANSWER_TOO_LARGE,
            Self::Unreadable => reason::POLICY_ANSWER_INVALID,
            Self::Busy => reason::POLICY_BUSY,
        }
    }

    pub(super) fn of(error: &wasmtime::Error) -> Self {
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return match trap {
                Trap::Interrupt => Self::Time,
                Trap::StackOverflow => Self::Stack,
                _ => Self::Trap,
            };
        }
        // Of what has no type that could be named.
        let says = |words: &str| error.chain().any(|cause| cause.to_string().contains(words));
        if error.is::<Exceeded>() {
            Self::Memory
        } else if error.is::<PoolConcurrencyLimitError>() {
            Self::Busy
        } else if says("fuel allocated for hostcalls") {
            Self::TooLarge
        } else if says("store handle limit exceeded") {
            Self::Memory
        } else {
            Self::Unreadable
        }
    }
}

/// The step before the first call.
pub(super) const INSTANTIATION: &str = "instantiation";

/// A call did not come to an answer.
#[derive(Debug)]
pub struct CallError {
    /// The function of the contract, or the step before the first of them.
    pub function: &'static str,
    /// What kind of defect it is.
    pub fault: Fault,
    limits: Box<Limits>,
    source: wasmtime::Error,
}

impl CallError {
    pub(super) fn new(function: &'static str, limits: Limits, source: wasmtime::Error) -> Self {
        Self {
            function,
            fault: Fault::of(&source),
            limits: Box::new(limits),
            source,
        }
    }

    /// Whether it may be the machine's fault, and gone at another time.
    pub fn may_pass(&self) -> bool {
        // What has no type of its own while an instance is made is the machine's, such as memory that
        // cannot be had.
        let is_the_machines = self.function == INSTANTIATION && self.fault == Fault::Unreadable;
        matches!(self.fault, Fault::Busy | Fault::Time) || is_the_machines
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            function,
            limits,
            source,
            ..
        } = self;
        match self.fault {
            Fault::Trap => write!(f, "{function} trapped: {}", source.root_cause()),
            Fault::Time => write!(
                f,
                "{function} took longer than {:?} (--policy-time)",
                limits.time
            ),
            Fault::Memory => write!(f, "{function} failed: {}", source.root_cause()),
            Fault::Stack => write!(
                f,
                "{function} called deeper than a stack of {} allows (--policy-stack)",
                limits.stack
            ),
            Fault::TooLarge => write!(
                f,
                "the answer of {function} is larger than {} (--policy-answer)",
                limits.answer
            ),
            Fault::Unreadable if self.function == INSTANTIATION => {
                write!(f, "it cannot be instantiated: {}", source.root_cause())
            }
            Fault::Unreadable => write!(
                f,
                "the answer of {function} cannot be read: {}",
                source.root_cause()
            ),
            Fault::Busy => write!(
                f,
                "{function} has to wait: {} instances are at work (--policy-instances)",
                limits.instances
            ),
        }
    }
}

impl std::error::Error for CallError {}

/// It wanted more memory than it may have.
#[derive(Debug, thiserror::Error)]
enum Exceeded {
    #[error("it wants {wanted} bytes of memory and may have {} (--policy-memory)", limits.memory)]
    Memory { wanted: usize, limits: Limits },
    #[error("it wants {wanted} elements in its tables and may have {} (--policy-table)", limits.table)]
    Table { wanted: usize, limits: Limits },
}

/// Bounds the memory and the tables of one instance. An instance that is refused more ends there:
/// what it would do without is nobody's concern.
pub(super) struct Limiter {
    limits: Limits,
    /// Bytes of all memories together.
    memory: usize,
    /// Elements of all tables together.
    table: usize,
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            memory: 0,
            table: 0,
        }
    }
}

/// All together, after one of them has grown.
fn together(all: usize, current: usize, wanted: usize) -> usize {
    all.saturating_sub(current).saturating_add(wanted)
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        wanted: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limits = self.limits;
        if maximum.is_some_and(|maximum| wanted > maximum) {
            return Ok(false);
        }
        let wanted = together(self.memory, current, wanted);
        if wanted as u64 > limits.memory.as_u64() {
            return Err(Exceeded::Memory { wanted, limits }.into());
        }
        self.memory = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        wanted: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let limits = self.limits;
        // Without one of its own, the maximum is the pool's, which is our limit.
        let own = maximum.filter(|maximum| *maximum < limits.table);
        if own.is_some_and(|maximum| wanted > maximum) {
            return Ok(false);
        }
        let wanted = together(self.table, current, wanted);
        if wanted > limits.table {
            return Err(Exceeded::Table { wanted, limits }.into());
        }
        self.table = wanted;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is in a core instance of its own, where WebAssembly without multi-memory has them.
    #[test]
    fn the_memories_of_an_instance_have_the_limit_together() {
        let limits = Limits::default();
        let half = usize::try_from(limits.memory.as_u64() / 2).expect("it fits");
        let mut limiter = Limiter::new(limits);
        let mut grow = |current, wanted| limiter.memory_growing(current, wanted, None).is_ok();
        assert!(grow(0, half - 1));
        assert!(grow(0, half));
        assert!(grow(half - 1, half));
        assert!(!grow(half, half + 1));
    }
}
