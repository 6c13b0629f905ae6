use super::*;

fn codes(version: Version) -> Codes {
    Codes::new(version, &[])
}

/// Mapping section 11 (e): every row of every table, in its directions, in every version it holds for.
#[test]
fn every_row_maps_in_its_directions() {
    for version in Version::ALL {
        let codes = codes(version);
        for table in Table::ALL {
            if table == Table::AddressUsage && version < Version::V2_7 {
                continue; // XAD.18 exists from 2.7
            }
            let rows = table.rows().iter().filter(|row| table.owns(row) && row.holds(version));
            let mut checked = 0;
            for row in rows.filter(|row| row.code != "*" && !row.v2.contains('*')) {
                if row.to_v2 && !row.v2.is_empty() && !row.code.is_empty() {
                    let v2 = codes.to_v2(table, Some(&row.system), &row.code);
                    assert!(v2.is_some(), "{table:?} {} has no v2 code", row.code);
                }
                if row.to_fhir && !row.v2.is_empty() && !row.code.is_empty() {
                    let fhir = codes.to_fhir_in(table, &row.v2, &row.system, version);
                    assert_eq!(fhir, Some(&*row.code), "{table:?} {}", row.v2);
                }
                checked += 1;
            }
            assert!(checked > 0 || table.rows().is_empty(), "{table:?}");
        }
    }
}

#[test]
fn a_both_row_round_trips() {
    for version in Version::ALL {
        let codes = codes(version);
        for table in Table::ALL {
            for row in table.rows().iter().filter(|row| table.owns(row) && row.to_v2 && row.to_fhir) {
                if row.holds(version) && !row.v2.is_empty() && !row.code.is_empty() && row.code != "*" {
                    if table == Table::TelecomSystem && row.v2 == "CP" {
                        continue; // decided by the use, TEL-3
                    }
                    assert_eq!(codes.to_v2(table, Some(&row.system), &row.code), Some(&*row.v2));
                }
            }
        }
    }
}

#[test]
fn a_row_with_a_limit_holds_only_for_those_versions() {
    assert_eq!(codes(Version::V2_5_1).to_v2(Table::NameUse, None, "old"), Some("U"));
    assert_eq!(codes(Version::V2_7).to_v2(Table::NameUse, None, "old"), Some("NOUSE"));
    let codes = codes(Version::V2_5_1);
    assert_eq!(codes.to_fhir(Table::NameUse, "NOUSE", Version::V2_5_1), None);
    assert!(codes.to_fhir(Table::NameUse, "NOUSE", Version::V2_8).is_some());
}

#[test]
fn a_row_of_the_site_wins() {
    let row = CodeRow {
        table: "0001".to_owned(),
        code: "unknown".to_owned(),
        v2: "X".to_owned(),
        ..CodeRow::default()
    };
    let codes = Codes::new(Version::V2_5_1, &[row]);
    assert_eq!(codes.to_v2(Table::AdministrativeSex, None, "unknown"), Some("X"));
    assert_eq!(
        codes.to_fhir(Table::AdministrativeSex, "X", Version::V2_5_1).map(|(_, code)| code),
        Some("unknown")
    );
}
