use super::*;

#[test]
fn paths_work_with_and_without_base_and_slash() {
    for base in ["", "/prod", "/a/b"] {
        for (path, expected) in [
            ("/persistence/Patient", Place::Persistence(Resources::Patients)),
            ("/persistence/Patient/p-1", Place::Persistence(Resources::Patient { id: "p-1" })),
            ("/fhir", Place::FhirBase),
            ("/fhir/metadata", Place::Metadata),
            ("/fhir/Patient", Place::Fhir(Resources::Patients)),
            ("/fhir/Patient/p-1", Place::Fhir(Resources::Patient { id: "p-1" })),
            ("/hook", Place::Webhook),
        ] {
            for whole in
                [path.to_owned(), format!("{path}/"), format!("{base}{path}"), format!("{base}{path}/")]
            {
                assert_eq!(place(base, &whole).unwrap(), expected, "{whole}");
            }
        }
    }
}

#[test]
fn other_paths_have_their_own_answers() {
    for (path, status, text) in [
        ("/", 404, "No such path."),
        ("/persistence", 404, "No such path."),
        ("/persistence/", 404, "No such path."),
        ("/persistencePatient", 404, "No such path."),
        ("/other/persistence/Patient", 404, "No such path."),
        ("/persistence/Patient/a/b", 404, "No such path."),
        ("/persistence//Patient", 404, "No such path."),
        ("/hook/Patient", 404, "No such path."),
        ("/fhirPatient", 404, "No such path."),
        ("/persistence/Observation", 400, "ResourceType Observation is not supported."),
        ("/fhir/Observation/1", 400, "ResourceType Observation is not supported."),
        ("/persistence/Nonsense", 404, "ResourceType Nonsense is not supported."),
        ("/fhir/patient/1", 404, "ResourceType patient is not supported."),
        ("/fhir/Patient/_search", 501, "_search is not supported."),
        ("/persistence/Patient/1/_history/2", 501, "_history is not supported."),
        ("/fhir/Patient/1/$everything", 501, "$everything is not supported."),
        ("/fhir/$export", 501, "$export is not supported."),
        ("/fhir/_history", 501, "_history is not supported."),
    ] {
        let answer = place("/prod", path).unwrap_err().answer(Surface::of("/prod", path));
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, text), "{path}");
    }
}

#[test]
fn patterns_hold_no_id() {
    assert_eq!(pattern("/prod", "/prod/persistence/Patient/secret/"), "/persistence/Patient/{id}");
    assert_eq!(pattern("/prod", "/fhir/Patient/secret"), "/fhir/Patient/{id}");
    assert_eq!(pattern("", "/secret"), "other");
}

#[test]
fn methods_are_told_what_is_allowed() {
    let status = |place: Place<'_>, method: &Method, query| {
        refused_method(place, method, query).answer(Surface::Fhir).status.as_u16()
    };
    for resources in [Place::Persistence, Place::Fhir] {
        assert_eq!(status(resources(Resources::Patients), &Method::GET, true), 501);
        assert_eq!(status(resources(Resources::Patients), &Method::PUT, true), 501);
        assert_eq!(status(resources(Resources::Patients), &Method::PUT, false), 405);
        assert_eq!(status(resources(Resources::Patients), &Method::HEAD, false), 405);
        assert_eq!(status(resources(Resources::Patient { id: "x" }), &Method::PATCH, false), 405);
    }
    assert_eq!(status(Place::Webhook, &Method::GET, false), 405);
}

#[test]
fn what_is_below_persistence_is_answered_in_its_envelope() {
    for (path, surface) in [
        ("/persistence/x", Surface::Persistence),
        ("/prod/persistence", Surface::Persistence),
        ("/fhir/Patient", Surface::Fhir),
        ("/", Surface::Fhir),
        ("/hook", Surface::Fhir),
    ] {
        assert_eq!(Surface::of("/prod", path), surface, "{path}");
    }
}
