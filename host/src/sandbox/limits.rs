//! How far a component may go.

use std::time::Duration;

use bytesize::ByteSize;
use clap::Args;

/// How far a component may go. The defaults are what the standard policy needs for a Gateway with
/// 64 listeners, with room for a component in another language, and bound what the worst one costs.
#[derive(Args, Clone, Copy, Debug, PartialEq)]
#[command(next_help_heading = "Limits of a policy component")]
pub struct Limits {
    /// Linear memory of one instance
    ///
    /// The standard policy needs under 2 MiB. Bulk memory operations are not interrupted, so this
    /// bounds what one of them takes too.
    #[arg(id = "policy-memory", long, env = "OFN_GATEWAY_POLICY_MEMORY", value_name = "SIZE", default_value_t = Self::default().memory)]
    pub memory: ByteSize,
    /// Elements of all tables of one instance
    ///
    /// One for each function that is called indirectly: some hundreds.
    #[arg(id = "policy-table", long, env = "OFN_GATEWAY_POLICY_TABLE", value_name = "NUMBER", default_value_t = Self::default().table)]
    pub table: usize,
    /// Stack of one call
    ///
    /// A thread of ours has 2 MiB, and needs some itself.
    #[arg(id = "policy-stack", long, env = "OFN_GATEWAY_POLICY_STACK", value_name = "SIZE", default_value_t = Self::default().stack, value_parser = stack)]
    pub stack: ByteSize,
    /// Wall time of one call
    ///
    /// It takes some 50 µs; a thousand times that is a defect, or a processor that is taken away.
    #[arg(id = "policy-time", long, env = "OFN_GATEWAY_POLICY_TIME", value_name = "DURATION", default_value = "200ms", value_parser = duration)]
    pub time: Duration,
    /// What is copied out of an instance for one answer
    ///
    /// 64 listeners with all their fields are some 100 kB.
    #[arg(id = "policy-answer", long, env = "OFN_GATEWAY_POLICY_ANSWER", value_name = "SIZE", default_value_t = Self::default().answer)]
    pub answer: ByteSize,
    /// Instances at the same time
    ///
    /// A pass has one at a time, and there are four passes at a time.
    #[arg(id = "policy-instances", long, env = "OFN_GATEWAY_POLICY_INSTANCES", value_name = "NUMBER", default_value_t = Self::default().instances, value_parser = clap::value_parser!(u32).range(1..))]
    pub instances: u32,
    /// Size of a component's file
    ///
    /// Ours have a quarter of a MiB, one in JavaScript about 2.
    #[arg(id = "policy-file", long, env = "OFN_GATEWAY_POLICY_FILE", value_name = "SIZE", default_value_t = Self::default().file)]
    pub file: ByteSize,
    /// Wall time of compiling a component
    ///
    /// A tenth of a second for ours; a pod may have a tenth of a processor.
    #[arg(id = "policy-compile-time", long, env = "OFN_GATEWAY_POLICY_COMPILE_TIME", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub compile_time: Duration,
    /// Address space of the process that compiles a component
    ///
    /// Ours take under 48 MiB. A pod's memory must have room for it, beside the host's own.
    #[arg(id = "policy-compile-memory", long, env = "OFN_GATEWAY_POLICY_COMPILE_MEMORY", value_name = "SIZE", default_value_t = Self::default().compile_memory)]
    pub compile_memory: ByteSize,
    /// Size of a component's compiled code
    ///
    /// It stays in memory. That of ours has 0.8 MB, that of one in JavaScript 6.
    #[arg(id = "policy-code", long, env = "OFN_GATEWAY_POLICY_CODE", value_name = "SIZE", default_value_t = Self::default().code)]
    pub code: ByteSize,
    /// Memory that the compiled code of all components takes together
    ///
    /// One that takes another's place needs its own before that goes. A pod's memory has room for it.
    #[arg(id = "policies-code", long, env = "OFN_GATEWAY_POLICIES_CODE", value_name = "SIZE", default_value_t = Self::default().all_code)]
    pub all_code: ByteSize,
}

/// The largest `--policy-stack`.
const MOST_STACK: ByteSize = ByteSize::mib(1);

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: ByteSize::mib(16),
            table: 10_000,
            stack: ByteSize::kib(512),
            time: Duration::from_millis(200),
            answer: ByteSize::mib(1),
            instances: 16,
            file: ByteSize::mib(8),
            compile_time: Duration::from_secs(30),
            compile_memory: ByteSize::mib(192),
            code: ByteSize::mib(16),
            all_code: ByteSize::mib(64),
        }
    }
}

impl Limits {
    /// Those that compiling depends on, as arguments for another process of this program.
    pub(super) fn compile_arguments(&self) -> [String; 6] {
        [
            "--policy-memory".to_owned(),
            format!("{}B", self.memory.as_u64()),
            "--policy-compile-memory".to_owned(),
            format!("{}B", self.compile_memory.as_u64()),
            "--policy-compile-time".to_owned(),
            format!("{}ms", self.compile_time.as_millis()),
        ]
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: jiff::SignedDuration = text
        .parse()
        .map_err(|_| "not a duration such as 200ms or 30s".to_owned())?;
    Duration::try_from(parsed)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "not more than zero".to_owned())
}

fn stack(text: &str) -> Result<ByteSize, String> {
    let stack: ByteSize = text.parse()?;
    if stack > MOST_STACK {
        return Err(format!("at most {MOST_STACK}: a thread has little more"));
    }
    Ok(stack)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        limits: Limits,
    }

    fn parsed(arguments: &[&str]) -> Limits {
        let line = ["ofn-gateway"].iter().chain(arguments);
        let line = Line::try_parse_from(line);
        line.unwrap_or_else(|error| panic!("{error}")).limits
    }

    #[test]
    fn without_flags_the_limits_are_the_defaults() {
        assert_eq!(parsed(&[]), Limits::default());
    }

    #[test]
    fn each_flag_sets_its_own_limit_alone() {
        type Set = fn(&mut Limits);
        let flags: [(&str, &str, Set); 11] = [
            ("policy-memory", "3MiB", |limits| {
                limits.memory = ByteSize::mib(3)
            }),
            ("policy-table", "4", |limits| limits.table = 4),
            ("policy-stack", "5KiB", |limits| {
                limits.stack = ByteSize::kib(5)
            }),
            ("policy-time", "6ms", |limits| {
                limits.time = Duration::from_millis(6)
            }),
            ("policy-answer", "7KiB", |limits| {
                limits.answer = ByteSize::kib(7)
            }),
            ("policy-instances", "8", |limits| limits.instances = 8),
            ("policy-file", "9KiB", |limits| {
                limits.file = ByteSize::kib(9)
            }),
            ("policy-compile-time", "10s", |limits| {
                limits.compile_time = Duration::from_secs(10);
            }),
            ("policy-compile-memory", "11MiB", |limits| {
                limits.compile_memory = ByteSize::mib(11);
            }),
            ("policy-code", "12KiB", |limits| {
                limits.code = ByteSize::kib(12)
            }),
            ("policies-code", "13MiB", |limits| {
                limits.all_code = ByteSize::mib(13)
            }),
        ];
        for (flag, value, set) in flags {
            let mut expected = Limits::default();
            set(&mut expected);
            assert_eq!(parsed(&[&format!("--{flag}"), value]), expected, "{flag}");
        }
        let tried: BTreeSet<_> = flags.iter().map(|(flag, ..)| *flag).collect();
        let command = Line::command();
        let all = command.get_arguments().filter_map(|one| one.get_long());
        assert_eq!(tried, all.collect());
    }

    /// `--help` shows it, `-h` does not.
    #[test]
    fn each_limit_says_why_it_is_as_it_is() {
        for argument in Line::command().get_arguments() {
            let why = argument.get_long_help().map(ToString::to_string);
            let (_, why) = why
                .as_deref()
                .and_then(|help| help.split_once("\n\n"))
                .unwrap_or_default();
            assert!(why.ends_with('.'), "{argument}: {why:?}");
        }
    }
}
