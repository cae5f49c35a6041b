use std::io::Write as _;

use proptest::prelude::*;

use super::line::{EventLine, LineFault};
use super::lines::{Line, Lines, MAX_LINE_BYTES};
use super::selection::Selection::{Chan1, Chan2a, Chan2b, Chan3};
use crate::event::ObjectSymbol::{Antimuon, BJet, Electron, Jet, Muon, Photon, Positron};
use crate::event::{CollisionEvent, ObjectSymbol, PhysicsObject};

/// Values just above a border.
const MORE: f64 = 1e-3;

fn object(symbol: ObjectSymbol, pt_gev: f64, eta: f64) -> PhysicsObject {
    PhysicsObject { symbol, pt_gev, eta, phi: 0.0, energy_gev: pt_gev }
}

fn event(met_gev: f64, objects: &[(ObjectSymbol, f64)]) -> CollisionEvent {
    let objects = objects.iter().map(|(symbol, pt_gev)| object(*symbol, *pt_gev, 0.0)).collect();
    CollisionEvent { met_gev, met_phi: 0.0, objects }
}

/// Jets of both kinds that just pass channel 1 with HT = 600 GeV.
const FOUR_JETS: [(ObjectSymbol, f64); 4] = [(Jet, 300.0), (BJet, 150.0), (Jet, 75.0), (BJet, 75.0)];

#[test]
fn chan1_ht_is_at_least_600() {
    assert!(Chan1.passes(&event(200.0, &FOUR_JETS)));
    let mut below = FOUR_JETS;
    below[0].1 -= MORE;
    assert!(!Chan1.passes(&event(200.0, &below)));
}

#[test]
fn chan1_met_is_at_least_200() {
    assert!(!Chan1.passes(&event(200.0 - MORE, &FOUR_JETS)));
}

#[test]
fn chan1_met_is_at_least_a_fifth_of_ht() {
    let mut jets = FOUR_JETS;
    jets[0].1 = 900.0;
    assert!(Chan1.passes(&event(240.0, &jets)), "HT 1200");
    assert!(!Chan1.passes(&event(240.0 - MORE, &jets)));
    jets[0].1 += MORE;
    assert!(!Chan1.passes(&event(240.0, &jets)));
}

#[test]
fn chan1_has_four_jets_above_50() {
    let jets = |fourth| event(250.0, &[(Jet, 400.0), (BJet, 150.0), (Jet, 75.0), (Jet, fourth)]);
    assert!(Chan1.passes(&jets(50.0 + MORE)));
    assert!(!Chan1.passes(&jets(50.0)));
    let lepton = [(Jet, 400.0), (BJet, 150.0), (Jet, 75.0), (Muon, 80.0)];
    assert!(!Chan1.passes(&event(250.0, &lepton)), "a lepton is no jet");
}

#[test]
fn chan1_has_a_jet_above_200() {
    let jets = |first| event(250.0, &[(BJet, first), (Jet, 150.0), (Jet, 150.0), (Jet, 150.0)]);
    assert!(Chan1.passes(&jets(200.0 + MORE)));
    assert!(!Chan1.passes(&jets(200.0)));
}

#[test]
fn chan2a_met_is_at_least_50() {
    let leptons = [(Electron, 20.0), (Antimuon, 20.0), (Positron, 20.0)];
    assert!(Chan2a.passes(&event(50.0, &leptons)));
    assert!(!Chan2a.passes(&event(50.0 - MORE, &leptons)));
}

#[test]
fn chan2a_has_three_leptons_above_15() {
    let leptons = |third| event(60.0, &[(Electron, 20.0), (Muon, 20.0), (third, 20.0)]);
    for lepton in [Electron, Positron, Muon, Antimuon] {
        assert!(Chan2a.passes(&leptons(lepton)));
    }
    for other in [Photon, Jet, BJet] {
        assert!(!Chan2a.passes(&leptons(other)));
    }
    let third_at = |pt| event(60.0, &[(Electron, 20.0), (Muon, 20.0), (Muon, pt)]);
    assert!(Chan2a.passes(&third_at(15.0 + MORE)));
    assert!(!Chan2a.passes(&third_at(15.0)));
}

#[test]
fn chan2b_met_is_at_least_50() {
    let objects = [(Electron, 20.0), (Muon, 20.0), (Jet, 50.0)];
    assert!(Chan2b.passes(&event(50.0, &objects)));
    assert!(!Chan2b.passes(&event(50.0 - MORE, &objects)));
}

#[test]
fn chan2b_ht_is_at_least_50() {
    let jet = |pt| event(60.0, &[(Electron, 20.0), (Muon, 20.0), (BJet, pt)]);
    assert!(Chan2b.passes(&jet(50.0)));
    assert!(!Chan2b.passes(&jet(50.0 - MORE)));
}

#[test]
fn chan2b_has_two_leptons_above_15() {
    let second = |symbol, pt| event(60.0, &[(Electron, 20.0), (symbol, pt), (Jet, 50.0)]);
    assert!(Chan2b.passes(&second(Antimuon, 15.0 + MORE)));
    assert!(!Chan2b.passes(&second(Antimuon, 15.0)));
    assert!(!Chan2b.passes(&second(Photon, 30.0)));
}

#[test]
fn chan3_ht_is_at_least_600() {
    assert!(Chan3.passes(&event(101.0, &[(Jet, 350.0), (BJet, 250.0)])));
    assert!(!Chan3.passes(&event(101.0, &[(Jet, 350.0), (BJet, 250.0 - MORE)])));
}

#[test]
fn chan3_met_is_above_100() {
    assert!(Chan3.passes(&event(100.0 + MORE, &[(Jet, 600.0)])));
    assert!(!Chan3.passes(&event(100.0, &[(Jet, 600.0)])));
}

#[test]
fn ht_sums_jets_above_20_gev_within_2_8() {
    let second = |pt, eta| {
        let mut event = event(150.0, &[(Jet, 580.0 - MORE)]);
        event.objects.push(object(BJet, pt, eta));
        Chan3.passes(&event)
    };
    assert!(second(20.0 + MORE, 2.8 - MORE) && second(20.0 + MORE, -2.8 + MORE));
    assert!(!second(20.0, 0.0), "pT is not above 20 GeV");
    assert!(!second(40.0, 2.8) && !second(40.0, -2.8), "|eta| is not below 2.8");
    assert!(!Chan3.passes(&event(150.0, &[(Jet, 580.0), (Photon, 40.0)])), "a photon is no jet");
}

fn parse(line: &str) -> Result<EventLine, LineFault> {
    let mut event = EventLine::default();
    event.parse(line.as_bytes()).map(|()| event)
}

/// The example of the paper's section 2.2.
const EXAMPLE: &str = "94;ttbar;1;112288;1.74766;b,331927,147558,-1.44969,-1.76399;\
                       j,100406,85589,-0.568259,-1.17144;b,55808.8,54391.4,-0.198215,1.726";

#[test]
fn the_papers_example_is_read() {
    let line = parse(EXAMPLE).unwrap();
    assert_eq!((line.source_event_id, line.process.as_str(), line.weight), (94, "ttbar", 1.0));
    assert_eq!((line.event.met_gev, line.event.met_phi), (112.288, 1.74766));
    let symbols: Vec<_> = line.event.objects.iter().map(|object| object.symbol).collect();
    assert_eq!(symbols, [BJet, Jet, BJet]);
    let last = PhysicsObject {
        symbol: BJet,
        pt_gev: 54391.4 / 1000.0,
        eta: -0.198215,
        phi: 1.726,
        energy_gev: 55808.8 / 1000.0,
    };
    assert_eq!(line.event.objects[2], last);
}

#[test]
fn spaces_and_spare_semicolons_change_nothing() {
    let spaced = EXAMPLE.replace(';', " ;\t").replace(',', " , ");
    for end in ["", ";", " ; ;; ", "\r"] {
        assert_eq!(parse(&format!("  {spaced}{end}")), parse(EXAMPLE));
    }
    assert_eq!(parse("1; a; 1; 2; 3").unwrap().event.objects, []);
}

#[test]
fn every_symbol_is_read() {
    let line =
        parse("0;p;-0.5;0;0;j,1,1,0,0;b,1,1,0,0;e-,1,1,0,0;e+,1,1,0,0;m-,1,1,0,0;m+,1,1,0,0;g,1,1,0,0");
    let line = line.unwrap();
    assert_eq!(line.event.objects.iter().map(|object| object.symbol).collect::<Vec<_>>(), ObjectSymbol::ALL);
    assert_eq!(line.weight, -0.5);
}

#[test]
fn faults_say_where_and_what() {
    let too_large = "1e60";
    for (line, words) in [
        ("event ID; process ID; event weight", &["event ID", "`event ID`", "header"][..]),
        ("-1;p;1;2;3", &["event ID", "`-1`"]),
        ("1.5;p;1;2;3", &["event ID", "`1.5`"]),
        ("1", &["process ID is missing"]),
        ("1;;1;2;3", &["process ID", "a name"]),
        ("1;p", &["event weight is missing"]),
        ("1;p;nan;2;3", &["event weight", "finite", "`nan`"]),
        ("1;p;1", &["MET is missing"]),
        ("1;p;1;-2;3", &["MET", "0 or above", "`-2`"]),
        ("1;p;1;inf;3", &["MET", "`inf`"]),
        (&format!("1;p;1;{too_large};3"), &["MET", too_large]),
        ("1;p;1;2", &["METphi is missing"]),
        ("1;p;1;2;", &["METphi is missing"]),
        ("1;p;1;2;NaN", &["METphi", "`NaN`"]),
        ("1;p;1;2;3;;j,1,1,0,0", &["object 1", "SYMBOL,E,pt,eta,phi", "``"]),
        ("1;p;1;2;3;j,1,1,0,0;t,1,1,0,0", &["object 2", "symbol", "`t`", "e-"]),
        ("1;p;1;2;3;j,1,1,0", &["object 1", "`j,1,1,0`"]),
        ("1;p;1;2;3;j,1,1,0,0,0", &["object 1", "`j,1,1,0,0,0`"]),
        ("1;p;1;2;3;j,-1,1,0,0", &["object 1: E", "`-1`"]),
        ("1;p;1;2;3;j,1,-1,0,0", &["object 1: pt", "`-1`"]),
        ("1;p;1;2;3;j,1,1,inf,0", &["object 1: eta", "`inf`"]),
        ("1;p;1;2;3;j,1,1,0,x", &["object 1: phi", "`x`"]),
        ("1;p;1;2;3;j,1,1,0,\u{1b}[31m", &["object 1: phi", "`\u{fffd}[31m`"]),
    ] {
        let fault = parse(line).unwrap_err().to_string();
        assert!(words.iter().all(|word| fault.contains(word)), "{line}: {fault}");
    }
    let long = parse(&format!("1;p;1;2;{}", "9x".repeat(1000))).unwrap_err().to_string();
    assert!(long.len() < 200 && long.contains("..."), "{long}");
}

#[test]
fn bytes_that_are_not_utf_8_are_a_fault() {
    for line in [&b"1;p\xff;1;2;3"[..], b"1;p;1;2;3;\xff,1,1,0,0", b"1;p;1;\xff;3", b"\xff\xfe"] {
        assert!(EventLine::default().parse(line).is_err());
    }
    let long_name = [b"1;", &[b'p'; 201][..], b";1;2;3"].concat();
    assert!(EventLine::default().parse(&long_name).unwrap_err().to_string().contains("200 bytes"));
}

#[test]
fn a_line_may_have_thousands_of_objects() {
    let line = format!("1;p;1;2;3{}", ";j,1000,1000,0.5,-0.5".repeat(10_000));
    let objects = parse(&line).unwrap().event.objects;
    assert!(objects.len() == 10_000 && objects.iter().all(|object| object.pt_gev == 1.0));
}

/// Lengths of the lines of a file, `None` for one that is too long.
fn lengths(content: &[u8]) -> Vec<Option<usize>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let mut lines = Lines::open(file.path()).unwrap();
    let mut lengths = Vec::new();
    while let Some(line) = lines.next().unwrap() {
        lengths.push(match line {
            Line::Text(text) => Some(text.len()),
            Line::TooLong => None,
        });
    }
    assert_eq!(lines.number(), lengths.len() as u64);
    assert_eq!(lines.bytes(), content.len() as u64);
    lengths
}

#[test]
fn lines_end_in_every_usual_way() {
    assert_eq!(lengths(b""), []);
    assert_eq!(lengths(b"one\ntwo\r\n\nno end"), [Some(3), Some(3), Some(0), Some(6)]);
    assert_eq!(lengths(b"\r"), [Some(0)]);
}

#[test]
fn a_line_that_is_too_long_is_passed_over() {
    let line = |bytes: usize, end: &[u8]| [&vec![b'x'; bytes][..], end].concat();
    assert_eq!(lengths(&line(MAX_LINE_BYTES, b"\nnext")), [Some(MAX_LINE_BYTES), Some(4)]);
    assert_eq!(lengths(&line(MAX_LINE_BYTES + 1, b"\nnext")), [None, Some(4)]);
    assert_eq!(lengths(&line(MAX_LINE_BYTES, b"")), [Some(MAX_LINE_BYTES)]);
    assert_eq!(lengths(&line(3 * MAX_LINE_BYTES, b"")), [None], "a file without line ends");
}

proptest! {
    #[test]
    fn any_bytes_are_an_event_or_a_fault(line in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = EventLine::default().parse(&line);
    }

    /// Bytes that come far into the parser.
    #[test]
    fn nearly_events_are_events_or_faults(line in "[0-9.;,jbegm+\\-einfa ]{0,120}") {
        let _ = parse(&line);
    }

    #[test]
    fn damage_is_an_event_or_a_fault(at in 0..EXAMPLE.len(), byte in any::<u8>(), length in 0..EXAMPLE.len()) {
        let mut line = EXAMPLE.as_bytes().to_vec();
        line[at] = byte;
        let _ = EventLine::default().parse(&line[..length]);
        let mut whole = EventLine::default();
        if whole.parse(&line).is_ok() {
            prop_assert!(whole.event.met_gev >= 0.0);
            prop_assert!(whole.event.objects.iter().all(|object| object.pt_gev.is_finite() && object.eta.is_finite()));
        }
    }

    /// What was written is what is read, to the last digit of the text.
    #[test]
    fn written_events_are_read(
        (id, met, phi) in (any::<u64>(), 0.0_f64..1e7, -3.2_f64..3.2),
        objects in prop::collection::vec((0..7_usize, 0.0_f64..1e7, 0.0_f64..1e7, -5.0_f64..5.0), 0..20),
    ) {
        let mut text = format!("{id}; some_process; 0.25; {met}; {phi}");
        for (symbol, energy, pt, eta) in &objects {
            text += &format!("; {},{energy},{pt},{eta},{phi}", ObjectSymbol::ALL[*symbol].symbol());
        }
        let line = parse(&text).unwrap();
        prop_assert_eq!((line.source_event_id, line.event.met_gev, line.event.met_phi), (id, met / 1000.0, phi));
        let expected: Vec<_> = objects.iter().map(|&(symbol, energy, pt, eta)| PhysicsObject {
            symbol: ObjectSymbol::ALL[symbol], pt_gev: pt / 1000.0, eta, phi, energy_gev: energy / 1000.0,
        }).collect();
        prop_assert_eq!(line.event.objects, expected);
    }
}
