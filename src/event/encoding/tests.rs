use super::{DynamicBlocks, Encoding, L1Event, ObjectEncoder, ObjectEncoding, Places, Quantity, encode_l1};
use crate::event::{CollisionEvent, ObjectSymbol, PhysicsObject};

const STATIC: &str = "dm_static[j=2,b=1,e-=0,e+=1,m-=0,m+=0,g=1]";

fn object(symbol: ObjectSymbol, pt_gev: f64) -> PhysicsObject {
    PhysicsObject { symbol, pt_gev, eta: pt_gev / 100.0, phi: -pt_gev / 100.0, energy_gev: 2.0 * pt_gev }
}

/// MET 7 at phi 0.5, and objects of which the positron leads; the jets are not in the order of pT.
fn event() -> CollisionEvent {
    use ObjectSymbol::{BJet, Jet, Photon, Positron};
    let objects = [(Jet, 20.0), (Jet, 40.0), (BJet, 30.0), (Positron, 50.0), (Jet, 25.0), (Photon, 20.0)];
    CollisionEvent {
        met_gev: 7.0,
        met_phi: 0.5,
        objects: objects.map(|(symbol, pt)| object(symbol, pt)).to_vec(),
    }
}

/// The inputs after one that is there already, and the objects left out.
fn encode(name: &str, event: &CollisionEvent) -> (Vec<f32>, usize) {
    let Encoding::Objects(encoding) = name.parse().unwrap() else { panic!("{name} is of objects") };
    let mut inputs = vec![-1.0];
    let left_out = ObjectEncoder::new(encoding).encode(event, &mut inputs);
    assert_eq!(inputs.len(), 1 + encoding.k(), "the inputs are appended");
    assert_eq!(inputs.remove(0), -1.0);
    (inputs, left_out)
}

#[test]
fn a_name_gives_an_encoding_that_has_the_name() {
    let names = ["l1_57", "simple_ae_34", STATIC, "dm_dynamic[objects=20]", "dm_dynamic[objects=200]"];
    for name in
        names.into_iter().chain(["dijet_14", "dijet_4", "particles[objects=1]", "particles[objects=700]"])
    {
        let encoding = name.parse::<Encoding>().unwrap();
        assert_eq!(encoding.name(), name);
        assert_eq!(encoding.features().len(), encoding.k());
        let mut names: Vec<_> = encoding.features().into_iter().map(|feature| feature.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), encoding.k(), "two inputs of {name} have one name");
    }
}

#[test]
fn other_spellings_have_one_name() {
    for (spelling, name) in [
        ("dm_dynamic", "dm_dynamic[objects=20]"),
        ("dm_dynamic[objects=08]", "dm_dynamic[objects=8]"),
        ("dm_static[g=1,e+=1,b=1,j=2]", STATIC),
        ("particles[objects=08]", "particles[objects=8]"),
        ("dm_static[j=0]", "dm_static[j=0,b=0,e-=0,e+=0,m-=0,m+=0,g=0]"),
    ] {
        assert_eq!(spelling.parse::<Encoding>().unwrap().name(), name);
    }
}

#[test]
fn wrong_names_say_what_is_wrong() {
    let unknown = "l1_58".parse::<Encoding>().unwrap_err().to_string();
    for known in ["l1_58", "l1_57", "simple_ae_34", "dm_static[", "dm_dynamic["] {
        assert!(unknown.contains(known), "{unknown}");
    }
    for (name, word) in [
        ("", "unknown"),
        ("simple_ae_34[objects=8]", "unknown"),
        ("dm_static", "no sizes"),
        ("dm_static[", "unknown"),
        ("dm_static[]", "SYMBOL=PLACES"),
        ("dm_static[j=1,j=1]", "twice"),
        ("dm_static[t=1]", "`t=1`"),
        ("dm_static[j=201]", "200"),
        ("dm_static[j=+1]", "`j=+1`"),
        ("dm_static[j=]", "`j=`"),
        ("dm_static[j=1,]", "``"),
        ("dm_dynamic[objects=0]", "from 1"),
        ("dm_dynamic[objects=201]", "200"),
        ("dm_dynamic[n=3]", "objects=N"),
        ("dijet_5", "unknown"),
        ("particles", "objects=N"),
        ("particles[objects=0]", "from 1"),
        ("particles[objects=701]", "700"),
        ("particles[objects=+7]", "objects=N"),
        ("particles[objects=]", "objects=N"),
    ] {
        let error = name.parse::<Encoding>().unwrap_err().to_string();
        assert!(error.contains(word) && error.contains(&format!("`{name}`")), "{error}");
    }
    assert_eq!(Places::new([201, 0, 0, 0, 0, 0, 0]), None);
}

#[test]
fn l1_57_keeps_the_order_of_the_objects() {
    let features = Encoding::L1x57.features();
    for (index, name, unit) in
        [(0, "met_pt", "GeV"), (3, "egamma0_pt", "GeV"), (17, "muon0_phi", "rad"), (55, "jet9_eta", "")]
    {
        assert_eq!((features[index].name.as_str(), features[index].unit.as_str()), (name, unit));
    }
    let mut objects = L1Event::default();
    (objects[0], objects[18]) = ([10.0, 9.0, 0.5], [30.0, -1.0, 2.0]);
    let mut inputs = vec![-1.0];
    encode_l1(&objects, &mut inputs);
    assert_eq!(inputs.len(), 58, "the inputs are appended");
    assert_eq!((&inputs[..4], &inputs[55..]), (&[-1.0, 10.0, 0.0, 0.5][..], &[30.0, -1.0, 2.0][..]));
}

#[test]
fn simple_ae_34_takes_the_leading_objects_of_any_symbol() {
    let (inputs, left_out) = encode("simple_ae_34", &event());
    assert_eq!((inputs.len(), left_out), (34, 0));
    assert_eq!(inputs[..6], [7.0, 0.5, 50.0, 0.5, -0.5, 100.0]);
    let pts: Vec<f32> = inputs[2..].chunks_exact(4).map(|object| object[0]).collect();
    assert_eq!(pts, [50.0, 40.0, 30.0, 25.0, 20.0, 20.0, 0.0, 0.0]);
    assert_eq!(inputs[26..], [0.0; 8], "places without an object");
    let mut long = event();
    long.objects.extend((0..10).map(|_| object(ObjectSymbol::Muon, 60.0)));
    let (inputs, left_out) = encode("simple_ae_34", &long);
    assert!(inputs[2..].chunks_exact(4).all(|object| object[0] == 60.0));
    assert_eq!(left_out, 8);
    let names: Vec<_> = "simple_ae_34".parse::<Encoding>().unwrap().features();
    assert_eq!((names[1].name.as_str(), names[33].name.as_str()), ("met_phi", "object7_energy"));
}

#[test]
fn dm_static_has_places_for_each_symbol() {
    let (inputs, left_out) = encode(STATIC, &event());
    assert_eq!(left_out, 1, "the third jet");
    assert_eq!(inputs[..2], [7.0, 0.5]);
    let places: Vec<_> = inputs[2..].chunks_exact(4).map(|place| (place[0], place[1])).collect();
    assert_eq!(places, [(1.0, 40.0), (1.0, 25.0), (1.0, 30.0), (1.0, 50.0), (1.0, 20.0)]);
    let (inputs, left_out) = encode(STATIC, &CollisionEvent { met_gev: 7.0, ..CollisionEvent::default() });
    assert_eq!((inputs[0], left_out), (7.0, 0));
    assert_eq!(inputs[2..], [0.0; 20], "absent objects");
    let features: Vec<_> = STATIC.parse::<Encoding>().unwrap().features();
    let names: Vec<_> = features[8..16].iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(names[..4], ["jet1_eta", "jet1_phi", "bjet0_present", "bjet0_pt"]);
    assert_eq!(names[6], "positron0_present");
    assert_eq!(encode("dm_static[j=0]", &event()), (vec![7.0, 0.5], 6));
}

#[test]
fn dm_dynamic_classifies_and_regresses() {
    let (inputs, left_out) = encode("dm_dynamic[objects=3]", &event());
    let blocks = DynamicBlocks::of(3);
    assert_eq!((inputs.len(), left_out), (1 + 2 + 9 + 21, 3));
    assert_eq!(inputs[blocks.count], 6.0, "all objects of the event count");
    let regression = &inputs[blocks.regression.clone()];
    assert_eq!(regression[..5], [7.0, 0.5, 50.0, 0.5, -0.5]);
    assert_eq!([regression[5], regression[8]], [40.0, 30.0]);
    let mut expected = [0.0; 21];
    (expected[3], expected[7], expected[15]) = (1.0, 1.0, 1.0);
    assert_eq!(inputs[blocks.categories.clone()], expected, "positron, jet, b jet");
    let encoding = Encoding::Objects(ObjectEncoding::Dynamic { objects: 3 });
    let meanings = encoding.meanings();
    assert_eq!(meanings[blocks.count].quantity, Quantity::Count);
    for (range, category) in [(blocks.regression, false), (blocks.categories, true)] {
        assert!(meanings[range].iter().all(|input| matches!(input.quantity, Quantity::Is(_)) == category));
    }
    assert_eq!(encoding.features()[14].name, "object0_is_electron");
}

#[test]
fn equal_objects_keep_their_order() {
    use ObjectSymbol::{Jet, Muon};
    let objects = [Jet, Muon, Jet, Muon].map(|symbol| object(symbol, 30.0)).to_vec();
    let (inputs, _) =
        encode("dm_dynamic[objects=4]", &CollisionEvent { objects, ..CollisionEvent::default() });
    let codes = inputs[DynamicBlocks::of(4).categories]
        .chunks_exact(7)
        .map(|place| place.iter().position(|value| *value == 1.0).unwrap());
    assert_eq!(codes.collect::<Vec<_>>(), [0, 4, 0, 4]);
}
