//! Arbitrary text as the files that an operator writes: menu, filling scheme, hardware units, card. The first byte
//! chooses which.

use std::path::Path;
use std::sync::LazyLock;

use crate::{Scratch, is_told};
use trigsieve::event::{Encoding, HardwareUnits};
use trigsieve::model::ModelBundle;
use trigsieve::source::FillingScheme;
use trigsieve::trigger::Menu;

static SCRATCH: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Runs the target on `bytes`; whether they were taken.
///
/// # Panics
/// When something does not hold that must.
pub fn run(bytes: &[u8]) -> bool {
    let Some((&choice, text)) = bytes.split_first() else { return false };
    match choice % 4 {
        0 => menu(text),
        1 => filling_scheme(text),
        2 => hardware_units(text),
        _ => card(text),
    }
}

/// What is written of a menu is the menu.
fn menu(text: &[u8]) -> bool {
    let path = SCRATCH.put("menu.toml", text);
    match Menu::load(&path) {
        Ok(menu) => {
            let again = SCRATCH.path("again.toml");
            menu.save(&again).expect("a menu can be written");
            assert_eq!(Menu::load(&again).expect("what was written can be read"), menu);
            true
        }
        Err(error) => is_told(&error, &path),
    }
}

/// Crossings ascend, and counting them back gives the same collisions.
fn filling_scheme(text: &[u8]) -> bool {
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
                assert_eq!(
                    scheme.crossing(last) - crossing,
                    last - index,
                    "no gap among the consecutive ones"
                );
            }
            true
        }
        Err(error) => is_told(&error, path),
    }
}

/// Every step is one that a value can be divided by.
fn hardware_units(text: &[u8]) -> bool {
    let path = SCRATCH.put("units.toml", text);
    match HardwareUnits::load(&path, &Encoding::L1x57.features()) {
        Ok(units) => {
            assert_eq!(units.units().len(), 57);
            assert!(units.steps().iter().all(|step| step.is_finite() && *step > 0.0));
            for unit in units.units() {
                let (count, _) = unit.count(f32::MAX);
                assert!(unit.period.is_none_or(|period| (0..i32::from(period)).contains(&i32::from(count))));
            }
            true
        }
        Err(error) => is_told(&error, &path),
    }
}

fn card(text: &[u8]) -> bool {
    let path = SCRATCH.put("model.toml", text);
    let folder = path.parent().expect("a file is in a folder");
    match ModelBundle::open(folder) {
        // None of its files is there.
        Ok(bundle) => {
            assert!(bundle.files().iter().all(|file| !file.is_intact() || file.name == "model.toml"));
            true
        }
        Err(error) => is_told(&error, &path),
    }
}
