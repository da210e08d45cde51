//! README says what the registry says.

use quarter::ops::OPERATIONS;

const README: &str = include_str!("../README.md");

#[test]
fn operation_table_is_the_registry() {
    let rows: Vec<Vec<&str>> = README
        .lines()
        .skip_while(|l| !l.starts_with("| operation |"))
        .skip(2)
        .take_while(|l| l.starts_with('|'))
        .map(|l| l.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let names: Vec<&str> = rows.iter().map(|r| r[0].trim_matches('`')).collect();
    let registered: Vec<&str> = OPERATIONS.iter().map(|e| e.name).collect();
    assert_eq!(names, registered);
    for (row, entry) in rows.iter().zip(OPERATIONS) {
        let listed = |cell: &str| -> Vec<String> {
            cell.split(", ").map(|k| k.trim_matches('`').to_owned()).collect()
        };
        let kernels = (entry.cases)()[0].op.kernels();
        let of = |on_cpu| -> Vec<String> {
            kernels.iter().filter(|k| k.on_cpu == on_cpu).map(|k| k.name.to_owned()).collect()
        };
        assert_eq!(listed(row[4]), of(true), "{}", entry.name);
        if cfg!(feature = "gpu") {
            assert_eq!(listed(row[3]), of(false), "{}", entry.name);
        }
    }
}

#[test]
fn every_operation_has_cases_of_every_kind() {
    use quarter::ops::{Data, Purpose};
    for entry in OPERATIONS {
        let cases = (entry.cases)();
        for purpose in [Purpose::Smoke, Purpose::Edge, Purpose::Bench] {
            assert!(cases.iter().any(|c| c.purpose == purpose), "{} has no {purpose:?} case", entry.name);
        }
        for data in [Data::Random, Data::SmallIntegers, Data::Specials] {
            assert!(cases.iter().any(|c| c.data == data), "{} has no {data:?} case", entry.name);
        }
    }
}
