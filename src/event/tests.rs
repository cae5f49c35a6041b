use super::{ElementType, Encoding, L1Event, Rows, Values};

#[test]
fn encodings_are_found_by_name() {
    for encoding in Encoding::ALL {
        assert_eq!(encoding.name().parse::<Encoding>().unwrap(), encoding);
        assert_eq!(encoding.features().len(), encoding.k());
    }
    let error = "l1_58".parse::<Encoding>().unwrap_err().to_string();
    assert!(error.contains("l1_58") && error.contains("l1_57"), "{error}");
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
    Encoding::L1x57.encode(&objects, &mut inputs);
    assert_eq!(inputs.len(), 58, "the inputs are appended");
    assert_eq!((&inputs[..4], &inputs[55..]), (&[-1.0, 10.0, 0.0, 0.5][..], &[30.0, -1.0, 2.0][..]));
}

#[test]
fn rows_are_views_of_their_values() {
    let values = [1_i16, 2, 3, 4, 5, 6];
    let rows = Rows::new(Values::I16(&values), 2);
    assert_eq!((rows.len(), rows.k(), rows.element_type()), (3, 2, ElementType::I16));
    let Values::I16(slice) = rows.slice(1, 2).values() else { panic!("the rows are i16") };
    assert_eq!(slice, [3, 4, 5, 6]);
    assert!(rows.slice(3, 0).is_empty());
}
