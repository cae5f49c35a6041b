//! Arbitrary text as the files that an operator writes: menu, filling scheme, hardware units, card. The first byte
//! chooses which.

#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use trigsieve::event::{Encoding, HardwareUnits};
use trigsieve::model::ModelBundle;
use trigsieve::source::FillingScheme;
use trigsieve::trigger::Menu;
use trigsieve_fuzz::{Scratch, is_told};

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, text)) = bytes.split_first() else { return };
    match choice % 4 {
        0 => menu(text),
        1 => filling_scheme(text),
        2 => hardware_units(text),
        _ => card(text),
    }
});

/// What is written of a menu is the menu.
fn menu(text: &[u8]) {
    let path = SCRATCH.put("menu.toml", text);
    match Menu::load(&path) {
        Ok(menu) => {
            let again = SCRATCH.path("again.toml");
            menu.save(&again).expect("a menu can be written");
            assert_eq!(Menu::load(&again).expect("what was written can be read"), menu);
        }
        Err(error) => is_told(&error, &path),
    }
}

/// Crossings ascend, and counting them back gives the same collisions.
fn filling_scheme(text: &[u8]) {
    let path = Path::new("filling.txt");
    let text = String::from_utf8_lossy(text);
    match FillingScheme::parse(&text, path) {
        Ok(scheme) => {
            let filled = scheme.filled().len() as u64;
            assert!((1..=3564).contains(&filled));
            for index in [0, filled / 2, filled - 1, filled, 3 * filled - 1, 1_000_000_007] {
                let crossing = scheme.crossing(index);
                assert_eq!(scheme.filled_until(crossing), index + 1);
                assert!(scheme.crossing(index + 1) > crossing);
                let last = index + scheme.consecutive(index) - 1;
                assert_eq!(scheme.crossing(last) - crossing, last - index, "no gap among the consecutive ones");
            }
        }
        Err(error) => is_told(&error, path),
    }
}

/// Every step is one that a value can be divided by.
fn hardware_units(text: &[u8]) {
    let path = SCRATCH.put("units.toml", text);
    match HardwareUnits::load(&path, &Encoding::L1x57.features()) {
        Ok(units) => {
            assert_eq!(units.units().len(), 57);
            assert!(units.steps().iter().all(|step| step.is_finite() && *step > 0.0));
            for unit in units.units() {
                let (count, _) = unit.count(f32::MAX);
                assert!(unit.period.is_none_or(|period| (0..i32::from(period)).contains(&i32::from(count))));
            }
        }
        Err(error) => is_told(&error, &path),
    }
}

fn card(text: &[u8]) {
    let path = SCRATCH.put("model.toml", text);
    let folder = path.parent().expect("a file is in a folder");
    match ModelBundle::open(folder) {
        // None of its files is there.
        Ok(bundle) => assert!(bundle.files().iter().all(|file| !file.is_intact() || file.name == "model.toml")),
        Err(error) => is_told(&error, &path),
    }
}
