use super::{ElementType, Rows, Values};

#[test]
fn rows_are_views_of_their_values() {
    let values = [1_i16, 2, 3, 4, 5, 6];
    let rows = Rows::new(Values::I16(&values), 2);
    assert_eq!((rows.len(), rows.k(), rows.element_type()), (3, 2, ElementType::I16));
    let Values::I16(slice) = rows.slice(1, 2).values() else { panic!("the rows are i16") };
    assert_eq!(slice, [3, 4, 5, 6]);
    assert!(rows.slice(3, 0).is_empty());
}
