use std::fs::File;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::UInt32Type;
use arrow_ipc::reader::FileReader;
use trigsieve::serve::{HttpLimits, Operations, Rolling, RollingFiles};

use crate::common::names_in;
use crate::running::Running;

const MENU: &str = "
[[path]]
name = \"free\"
model = \"squares\"
threshold = 300.0

[[path]]
name = \"bounded\"
model = \"squares\"
threshold = 3.0
prescale = 2
rate_budget_hz = 100.0
";

#[test]
fn what_a_budget_takes_away_can_be_put_right_from_the_files() {
    let operations = Operations { auto_prescale: true, ..Operations::default() };
    let files = |folder: &std::path::Path| {
        Box::new(RollingFiles::new(&folder.join("out"), Rolling::default()).unwrap()) as Box<_>
    };
    let running = Running::start_with(MENU, false, HttpLimits::default(), operations, files);
    let mut sender = running.sender(1);
    // Some 2,000 events a second pass: 1,000 are left by the menu, 100 may be.
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        sender.send(&[2.0; 100]);
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(sender);
    let prescale = "trigsieve_path_prescale{path=\"bounded\",model=\"squares\"}";
    let menu_prescale = "trigsieve_path_menu_prescale{path=\"bounded\",model=\"squares\"}";
    let free = "trigsieve_path_prescale{path=\"free\",model=\"squares\"}";
    let metrics = running.metrics();
    assert!(metrics[prescale] >= 4.0 && metrics[prescale] % 2.0 == 0.0, "{}", metrics[prescale]);
    assert_eq!((metrics[menu_prescale], metrics[free]), (2.0, 1.0));

    let Running { service, fixture, .. } = running;
    let end = service.drain(Duration::from_secs(10));
    assert!(end.is_drained, "{end:?}");
    let bounded = &end.snapshot.paths[1];
    let (mut weighted, mut rows, mut steps) = (0, 0, 0);
    for name in names_in(&fixture.path("out")) {
        let reader = FileReader::try_new(File::open(fixture.path("out").join(name)).unwrap(), None).unwrap();
        let changes: Vec<(u64, Vec<u32>)> =
            serde_json::from_str(&reader.custom_metadata()["trigsieve.prescales"]).unwrap();
        assert_eq!((changes[0].0, changes[0].1[0]), (0, 1));
        steps += changes.len();
        let mut row = 0;
        for batch in reader {
            let decisions = batch.unwrap()["decision"].as_primitive::<UInt32Type>().clone();
            for decision in decisions.values() {
                let (_, prescales) = changes.iter().rfind(|(from, _)| *from <= row).unwrap();
                weighted += u64::from(prescales[1]) * u64::from(decision >> 1 & 1);
                row += 1;
            }
        }
        rows += row;
    }
    assert!(steps >= 2 && rows == end.snapshot.events_accepted, "{steps} steps, {rows} rows");
    // Each group of a prescale counts from its first event on: at most the last group of each is too much.
    let largest = metrics[prescale] as u64 * steps as u64;
    assert!(bounded.accepted < bounded.passed / 3, "{bounded:?}");
    assert!(weighted.abs_diff(bounded.passed) <= largest, "{weighted} weighted, {bounded:?}");
}
