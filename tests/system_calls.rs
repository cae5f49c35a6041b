//! Between its first event and its last a replay's worker asks the kernel for nothing but to wait: what it calls does not
//! grow with the number of events. Needs `strace`.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use common::{Fixture, fixed_program, report, success, trigsieve, write_fixed_bundle, write_integers};

/// What a thread with nothing to do calls, as often as it has nothing to do: on a shared machine any number of times.
const WAITING: [&str; 3] = ["sched_yield", "clock_nanosleep", "restart_syscall"];

/// System calls of a thread, other than for waiting, by name.
type Calls = BTreeMap<String, u64>;

/// The calls of the threads of a replay by their name; the program's own thread is `main`.
fn calls(fixture: &Fixture, arguments: &[&str], output: &Path) -> BTreeMap<String, Calls> {
    let trace = output.with_extension("trace");
    let mut replay = trigsieve(&["replay", "--threshold", "1e30"]);
    replay.args(arguments).arg(&fixture.events).arg("--model").arg(&fixture.model).arg("-o").arg(output);
    let mut traced = Command::new("strace");
    traced.args(["-f", "-qq", "--signal=none", "-o"]).arg(&trace).arg(replay.get_program());
    success(traced.args(replay.get_args()).env_remove("RUST_LOG").env_remove("ORT_DYLIB_PATH"));
    by_thread(&std::fs::read_to_string(&trace).unwrap())
}

/// Lines are `PID CALL(...`, or `PID <... CALL resumed>...` for the rest of one that another thread's call cut in two.
fn by_thread(trace: &str) -> BTreeMap<String, Calls> {
    let mut names: BTreeMap<&str, String> = BTreeMap::new();
    let mut calls: BTreeMap<&str, Calls> = BTreeMap::new();
    for line in trace.lines() {
        let (pid, rest) = line.split_once(' ').unwrap();
        let rest = rest.trim_start();
        if names.is_empty() {
            names.insert(pid, "main".to_owned());
        }
        if let Some(name) = rest.strip_prefix("prctl(PR_SET_NAME, \"") {
            names.insert(pid, name.split('"').next().unwrap().to_owned());
        }
        let Some((call, _)) = rest.split_once('(') else { continue };
        if !rest.starts_with('<') && !WAITING.contains(&call) {
            *calls.entry(pid).or_default().entry(call.to_owned()).or_default() += 1;
        }
    }
    let mut by_name: BTreeMap<String, Calls> = BTreeMap::new();
    for (pid, calls) in calls {
        let of_name = by_name.entry(names.get(pid).cloned().unwrap_or_default()).or_default();
        calls.into_iter().for_each(|(call, times)| *of_name.entry(call).or_default() += times);
    }
    by_name
}

/// Whether a replay of 50 times the events makes the worker, on the thread of this name, call more.
fn nothing_grows(fixture: &Fixture, thread: &str, arguments: &[&str]) {
    let of = |repeat: &str| {
        let output = fixture.path(&format!("of-{repeat}"));
        let calls = calls(fixture, &[arguments, &["--repeat", repeat, "--force"]].concat(), &output);
        (calls, report(&output, "/events_scored"))
    };
    let ((few, some), (many, more)) = (of("2"), of("100"));
    assert_eq!((some.as_u64(), more.as_u64()), (Some(2_000), Some(100_000)));
    let (few, many) = (&few[thread], &many[thread]);
    assert!(few.values().sum::<u64>() > 0, "{thread}: the trace has nothing of it");
    // A late thread may make a call begin again; 98,000 events more would show.
    for (call, times) in many {
        let before = few.get(call).copied().unwrap_or(0);
        assert!(*times <= before + 10, "{thread}, {arguments:?}: {call} {before} and {times} times");
    }
}

#[test]
fn a_trace_is_taken_apart_by_thread() {
    let trace = "7 execve(\"x\") = 0\n7 clone3({}) = 8\n8 prctl(PR_SET_NAME, \"worker 0\") = 0\n8 write(1, \"(\", 1 <unfinished ...>\n\
                 7 sched_yield() = 0\n8 <... write resumed>) = 1\n8 futex(0x1, FUTEX_WAIT) = 0\n8 write(1, \"\", 0) = 0\n8 +++ exited with 0 +++\n";
    let calls = by_thread(trace);
    assert_eq!(calls["main"], Calls::from([("execve".to_owned(), 1), ("clone3".to_owned(), 1)]));
    let worker = [("prctl".to_owned(), 1), ("write".to_owned(), 2), ("futex".to_owned(), 1)];
    assert_eq!(calls["worker 0"], Calls::from(worker));
}

#[test]
fn the_hot_loop_makes_no_system_call() {
    let mut fixture = Fixture::new(1_000);
    // rten makes its calls on a thread of its own, and the worker goes there.
    for (engine, thread) in [("onnx", "worker 0"), ("rten", "rten-0")] {
        for clock in [["--rate", "max", "--batch", "1"], ["--rate", "1MHz", "--batch", "64"]] {
            nothing_grows(&fixture, thread, &[&["--engine", engine], &clock[..]].concat());
        }
    }
    fixture.model = fixture.path("program");
    write_fixed_bundle(&fixture.model, "toy", &fixed_program(None));
    fixture.events = fixture.path("integers.arrow");
    write_integers(&fixture.events, 1_000, "1");
    for clock in [["--rate", "max", "--batch", "1"], ["--rate", "1MHz", "--batch", "1"]] {
        let fixed = ["--engine", "fixed", "--wait", "spin"];
        nothing_grows(&fixture, "worker 0", &[&fixed, &clock[..]].concat());
    }
}
