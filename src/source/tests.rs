use std::path::Path;

use proptest::prelude::*;

use super::{Clock, FillingScheme, ORBIT_CROSSINGS};

fn scheme(text: &str) -> FillingScheme {
    FillingScheme::parse(text, Path::new("scheme.txt")).unwrap()
}

#[test]
fn a_scheme_reads_slots_ranges_and_comments() {
    let scheme = scheme("# a train\n10-12\n\n100 # alone\n3563\n11\n");
    assert_eq!(scheme.filled(), [10, 11, 12, 100, 3563]);
    assert_eq!(scheme.crossing(0), 10);
    assert_eq!(scheme.crossing(4), 3563);
    assert_eq!(scheme.crossing(5), ORBIT_CROSSINGS + 10);
}

#[test]
fn bad_schemes_name_the_line() {
    for (text, expected) in [
        ("1\n3564\n", "scheme.txt:2: `3564` is not a bunch slot from 0 to 3563"),
        ("9-3\n", "scheme.txt:1: the range 9-3 runs backwards"),
        ("\n\nx\n", "scheme.txt:3: `x` is not a bunch slot from 0 to 3563"),
        ("# nothing\n", "scheme.txt: no filled bunch slot"),
    ] {
        let error = FillingScheme::parse(text, Path::new("scheme.txt")).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn the_bunch_clock_has_an_event_every_25_ns() {
    let clock = Clock::fixed(40e6);
    assert_eq!(clock.scheduled_ns(1), 25);
    assert_eq!(clock.scheduled_ns(40_000_000), 1_000_000_000);
    assert_eq!(clock.due(0), 1);
    assert_eq!(clock.due(24), 1);
    assert_eq!(clock.due(25), 2);
}

#[test]
fn a_filled_clock_has_the_rate_of_its_bunches() {
    let clock = Clock::Filled(scheme("0-3563"));
    assert!((clock.rate_hz().unwrap() - 40e6).abs() < 1e-6);
    let clock = Clock::Filled(scheme("0\n1782\n"));
    assert!((clock.rate_hz().unwrap() - 2.0 * 40e6 / 3564.0).abs() < 1e-6);
}

#[test]
fn trains_of_bunches_are_evenly_spaced() {
    let clock = Clock::Filled(scheme("0-2\n5\n3562-3563\n"));
    let runs: Vec<u64> = (0..8).map(|index| clock.evenly_spaced(index, 100)).collect();
    assert_eq!(runs, [3, 2, 1, 1, 2, 1, 3, 2]);
    assert_eq!((clock.evenly_spaced(0, 2), clock.step_ns()), (2, Some(25)));
    assert_eq!((Clock::fixed(40e6).evenly_spaced(7, 9), Clock::fixed(40e6).step_ns()), (9, Some(25)));
    assert_eq!((Clock::fixed(30e6).step_ns(), Clock::Unpaced.step_ns()), (None, None));
}

proptest! {
    /// What is due is exactly what is scheduled at or before now, for any clock.
    #[test]
    fn due_is_the_inverse_of_scheduled(
        rate_hz in 1e2..4e7_f64,
        slots in proptest::collection::btree_set(0_u64..ORBIT_CROSSINGS, 1..50),
        now_ns in 0_u64..10_000_000_000,
    ) {
        let text: String = slots.iter().map(|slot| format!("{slot}\n")).collect();
        for clock in [Clock::fixed(rate_hz), Clock::Filled(scheme(&text))] {
            let due = clock.due(now_ns);
            prop_assert!(clock.scheduled_ns(due) > now_ns);
            if due > 0 {
                prop_assert!(clock.scheduled_ns(due - 1) <= now_ns);
            }
        }
    }
}
