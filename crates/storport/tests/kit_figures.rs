//! The figures that `tests/kit_abi` asserts are those of the kit: each of them, and nothing else.

use std::collections::BTreeMap;

use serde_json::Value;

/// Structures with size, alignment and fields, from the source of the assertions.
fn asserted() -> BTreeMap<String, (u64, u64, BTreeMap<String, u64>)> {
    let text = include_str!("kit_abi/figures.rs");
    let number = |text: &str| text.trim().parse::<u64>().unwrap();
    text.split("layout!(")
        .skip(1)
        .map(|layout| {
            let (head, rest) = layout.split_once('{').unwrap();
            let mut head = head.split(',').map(str::trim);
            let name = head.next().unwrap().to_owned();
            let size = number(head.next().unwrap().strip_prefix("size ").unwrap());
            let align = number(head.next().unwrap().strip_prefix("align ").unwrap());
            let (fields, _) = rest.split_once('}').unwrap();
            let fields = fields
                .split(',')
                .filter_map(|field| field.split_once(':'))
                .map(|(field, offset)| (field.trim().to_owned(), number(offset)));
            (name, (size, align, fields.collect()))
        })
        .collect()
}

#[test]
fn the_asserted_figures_are_the_kits() {
    let kit: Value =
        serde_json::from_str(include_str!("../../wdk-build/tests/data/kit-10.0.16299.json")).unwrap();
    let asserted = asserted();
    assert!(asserted.len() > 50, "{} structures", asserted.len());
    let mut compared = 0;
    for (name, (size, align, fields)) in &asserted {
        assert_eq!(kit["size"][name].as_u64(), Some(*size), "size of {name}");
        assert_eq!(kit["align"][name].as_u64(), Some(*align), "alignment of {name}");
        let known = kit["offset"].as_object().unwrap().iter();
        let known: BTreeMap<String, u64> = known
            .filter_map(|(path, offset)| {
                let (of, field) = path.split_once("::")?;
                // Unnamed unions have the bindings' names.
                (of == name && !field.contains("bindgen"))
                    .then(|| (field.to_owned(), offset.as_u64().unwrap()))
            })
            .collect();
        assert_eq!(fields, &known, "fields of {name}");
        compared += fields.len();
    }
    assert!(compared > 250, "{compared} fields");
}
