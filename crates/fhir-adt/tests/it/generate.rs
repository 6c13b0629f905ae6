//! Patients made from a stream of bytes. proptest draws and shrinks the bytes: an exhausted stream answers zero,
//! and zero always means "absent" or "the simplest", so a shorter stream is a simpler patient.

use std::cell::Cell;

use serde_json::{Map, Value, json};

use crate::fixture::{definition, terminology};

/// What kind of patient is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Only what HL7 v2.5.1 carries, already in normal form: must come back as it is.
    Lossless,
    /// The same choices, with `x` for every free text: the skeleton to compare hostile text with.
    Plain,
    /// Anything that section 1 accepts.
    Free,
}

/// A patient of that kind; the same bytes give the same patient.
pub(crate) fn patient(bytes: &[u8], content: Content) -> Value {
    Dice { bytes, next: Cell::new(0), content }.patient()
}

struct Dice<'b> {
    bytes: &'b [u8],
    next: Cell<usize>,
    content: Content,
}

/// Pieces of text that have broken mappings before.
const PIECES: [&str; 44] = [
    "x",
    "A",
    "é",
    " ",
    "|",
    "^",
    "~",
    "&",
    "\\",
    "\r",
    "\n",
    "\r\n",
    "\t",
    "\"\"",
    "\\F\\",
    "\\X0D\\",
    "\\.br\\",
    "\\E",
    "\u{1F600}",
    "王小明",
    "Ελένη",
    "שרה",
    "عائشة",
    "สมชาย",
    "홍길동",
    "Ж",
    "e\u{301}",
    "\u{200F}",
    "\u{FEFF}",
    "\u{0B}",
    "\u{1C}",
    "\u{7F}",
    "\u{85}",
    "\u{2028}",
    "\u{A0}",
    "\u{10FFFD}",
    "MSH|^~\\&|",
    "\rPID|1|",
    "\u{1C}\r",
    "'",
    ",",
    ".",
    "0",
    "$",
];

const US_CORE: &str = "http://hl7.org/fhir/us/core/StructureDefinition/";
const CDC: &str = "urn:oid:2.16.840.1.113883.6.238";

impl Dice<'_> {
    /// A number below `sides`.
    fn roll(&self, sides: usize) -> usize {
        let at = self.next.get();
        self.next.set(at + 1);
        usize::from(self.bytes.get(at).copied().unwrap_or(0)) % sides
    }

    /// True one time in `n`.
    fn chance(&self, n: usize) -> bool {
        self.roll(n) == n - 1
    }

    fn pick<'a>(&self, choices: &[&'a str]) -> &'a str {
        choices[self.roll(choices.len())]
    }

    fn free(&self) -> bool {
        self.content == Content::Free
    }

    /// Free text, never empty.
    fn text(&self) -> String {
        self.pieces(|_| true)
    }

    /// Text without a space or comma, at which a name part would split.
    fn word(&self) -> String {
        self.pieces(|piece| !piece.contains([' ', ',']))
    }

    fn pieces(&self, allowed: impl Fn(&str) -> bool) -> String {
        let count = 1 + self.roll(4);
        let text: String =
            (0..count).map(|_| PIECES[self.roll(PIECES.len())]).filter(|piece| allowed(piece)).collect();
        if self.content == Content::Plain || text.is_empty() { "x".to_owned() } else { text }
    }

    /// Up to `most` things.
    fn several(&self, most: usize, mut one: impl FnMut(usize) -> Value) -> Value {
        let count = self.roll(most + 1);
        Value::Array((0..count).map(&mut one).collect())
    }

    fn date(&self) -> &'static str {
        self.pick(&["1980-05-06", "1980", "1980-05", "2000-02-29", "0001-01-01", "9999-12-31"])
    }

    fn date_time(&self) -> &'static str {
        let times = [
            "2024-03-02T14:05:09Z",
            "2024-03-02T14:05:09.120-05:00",
            "2024-12-31T23:59:59.9999+14:00",
            "2024-02-29T00:00:00+05:30",
            "2024-03-02T14:05:09.1Z",
            "1970-01-01T00:00:00-12:00",
        ];
        let free = ["2024-03-02T14:05:09.123456Z", "2024-03-02T14:05:09+00:00", "2024-03-02T14:05:09-00:00"];
        if self.free() && self.chance(4) { self.pick(&free) } else { self.pick(&times) }
    }

    fn moment(&self) -> &'static str {
        if self.chance(2) { self.date_time() } else { self.date() }
    }

    fn period(&self, of: impl Fn() -> &'static str) -> Value {
        let mut period = Map::new();
        if self.chance(2) {
            period.insert("start".to_owned(), json!(of()));
        }
        if period.is_empty() || self.chance(2) {
            period.insert("end".to_owned(), json!(of()));
        }
        Value::Object(period)
    }

    fn dates(&self) -> Value {
        if self.free() { self.period(|| self.moment()) } else { self.period(|| self.date()) }
    }

    fn patient(&self) -> Value {
        let mut patient = json!({"resourceType": "Patient", "id": self.pick(&["p-1", "A.b-9", "0"])});
        let mut put = |name: &str, value: Value| {
            let empty = value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(Map::is_empty)
                || value.is_null();
            if !empty {
                patient[name] = value;
            }
        };
        put("meta", self.meta());
        put("extension", self.extensions());
        put("identifier", self.several(3, |index| self.identifier(index)));
        put("name", self.names());
        put("telecom", self.telecom());
        if self.chance(2) {
            put("gender", json!(self.pick(&["male", "female", "other", "unknown"])));
        } else if self.chance(4) {
            put("gender", json!("other"));
            put(
                "_gender",
                json!({"extension": [{"url": definition("alternate-codes"), "valueCodeableConcept":
                {"coding": [{"system": terminology("v2-0001"), "code": self.pick(&["A", "N"])}]}}]}),
            );
        }
        if self.chance(2) {
            put("birthDate", json!(self.date()));
        } else if self.chance(4) {
            put("birthDate", json!("1980-05-06"));
            let time = self.pick(&["1980-05-06T07:08:09Z", "1980-05-06T23:59:59.12+05:30"]);
            put(
                "_birthDate",
                json!({"extension": [{"url": definition("patient-birthTime"), "valueDateTime": time}]}),
            );
        }
        match self.roll(4) {
            1 => put("deceasedBoolean", json!(self.chance(2))),
            2 => put("deceasedDateTime", json!(self.moment())),
            _ => {}
        }
        put("address", self.several(2, |_| self.address()));
        if self.chance(2) {
            put("maritalStatus", self.marital_status());
        }
        match self.roll(4) {
            1 => put("multipleBirthBoolean", json!(self.chance(2))),
            2 => put("multipleBirthInteger", json!(self.roll(9))),
            _ => {}
        }
        put("contact", self.several(2, |_| self.contact()));
        let languages = if self.free() { 2 } else { 1 };
        put("communication", self.several(languages, |_| self.communication()));
        put("generalPractitioner", self.practitioners());
        if self.free() {
            self.what_has_no_home(&mut put);
        }
        patient
    }

    fn what_has_no_home(&self, put: &mut dyn FnMut(&str, Value)) {
        if self.chance(3) {
            put("active", json!(self.chance(2)));
        }
        if self.chance(4) {
            put("language", json!("de-CH"));
        }
        if self.chance(4) {
            put(
                "text",
                json!({"status": "generated", "div": format!("<div xmlns=\"http://www.w3.org/1999/xhtml\">{}</div>", self.text().replace(['&', '<'], ""))}),
            );
        }
        if self.chance(4) {
            put("photo", json!([{"contentType": "image/png", "title": self.text()}]));
        }
        if self.chance(4) {
            put("managingOrganization", json!({"reference": "Organization/9", "display": self.text()}));
        }
        if self.chance(6) {
            put(
                "link",
                json!([{"other": {"reference": "Patient/2"}, "type": self.pick(&["refer", "seealso", "replaces"])}]),
            );
        }
        if self.chance(6) {
            put(
                "_active",
                json!({"extension": [{"url": "http://example.org/why", "valueString": self.text()}]}),
            );
        }
    }

    fn meta(&self) -> Value {
        let mut meta = Map::new();
        if self.chance(2) {
            meta.insert("lastUpdated".to_owned(), json!(self.date_time()));
        }
        if self.free() && self.chance(3) {
            meta.insert("versionId".to_owned(), json!("7"));
        }
        if self.free() && self.chance(3) {
            meta.insert("tag".to_owned(), json!([{"system": "http://example.org/t", "code": "a"}]));
        }
        Value::Object(meta)
    }

    fn system(&self) -> String {
        match self.roll(7) {
            0 => "urn:oid:1.2.36.146".to_owned(),
            1 => "http://example.org/mrn?a=1&b=2".to_owned(),
            2 => "urn:uuid:53fefa32-fcbb-4ff8-8a92-55ee120877b7".to_owned(),
            3 => "HOSPITAL".to_owned(),
            4 => "urn:x:~^|".to_owned(),
            5 if self.free() => self
                .pick(&[
                    "SSA",
                    "NPI",
                    "urn:oid:x y",
                    "URN:OID:1.2",
                    "urn:uuid:53FEFA32-fcbb-4ff8-8a92-55ee120877b7",
                    "http://hl7.org/fhir/sid/us-ssn",
                ])
                .to_owned(),
            _ => format!("H{}", self.word().replace(':', "")),
        }
    }

    fn identifier(&self, index: usize) -> Value {
        let mut identifier = json!({"value": format!("{}{index}", self.text())});
        if self.free() && self.chance(8) {
            identifier = json!({"use": "usual"});
        }
        if self.chance(2) {
            identifier["system"] = json!(self.system());
        }
        if self.chance(2) || identifier["system"] == "http://hl7.org/fhir/sid/us-ssn" && !self.free() {
            identifier["type"] = json!({"coding": [{"system": terminology("v2-0203"), "code": self.pick(&["MR", "SS", "DL", "PPN"])}]});
        } else if self.chance(6) {
            identifier["type"] = json!({"coding": [{"code": "ZZ9"}]});
        }
        if self.chance(3) {
            identifier["period"] = self.dates();
        }
        if self.chance(4) {
            identifier["assigner"] = json!({"display": self.text()});
            if self.chance(2) {
                identifier["assigner"]["identifier"] =
                    json!({"system": "urn:oid:1.9.8", "value": self.text()});
            }
        }
        if self.chance(6) {
            identifier["extension"] = json!([{"url": definition("identifier-checkDigit"), "valueString": self.text()},
                {"url": definition("namingsystem-checkDigit"), "valueString": self.pick(&["M10", "M11", "ISO"])}]);
        }
        if self.free() && self.chance(3) {
            identifier["use"] = json!(self.pick(&["usual", "official", "temp", "secondary", "old"]));
        }
        if self.free() && self.chance(4) && identifier.get("type").is_some() {
            identifier["type"]["text"] = json!(self.text());
        }
        identifier
    }

    fn names(&self) -> Value {
        let Value::Array(mut names) = self.several(3, |_| self.name()) else { return Value::Null };
        if !self.free() {
            names.sort_by_key(|name| !(name["use"] == "official" && name.pointer("/period/end").is_none()));
            for name in &mut names {
                if name["use"].is_null() {
                    name.as_object_mut().expect("an object").remove("use");
                }
            }
        }
        Value::Array(names)
    }

    fn name(&self) -> Value {
        let mut name = json!({});
        if !self.chance(4) {
            name["family"] = json!(self.text());
            if self.chance(6) {
                let part = |kind: &str| json!({"url": definition(&format!("humanname-{kind}")), "valueString": self.text()});
                let all = ["own-prefix", "own-name", "partner-prefix", "partner-name"].map(part);
                name["_family"] = json!({"extension": all[..=self.roll(4)]});
            }
        }
        if self.chance(2) || name.get("family").is_none() {
            let mut given = vec![json!(self.text())];
            given.extend(
                (0..self.roll(3)).map(|_| json!(if self.free() { self.text() } else { self.word() })),
            );
            name["given"] = Value::Array(given);
        }
        if self.chance(4) {
            name["prefix"] = json!(vec![self.word(), "Dr.".to_owned()][..=self.roll(2)]);
        }
        if self.chance(4) {
            let generational = self.pick(&["Jr.", "III", "sr", "2nd"]);
            let other = format!("M{}", self.word());
            name["suffix"] = match self.roll(4) {
                0 => json!([other]),
                1 => json!([generational, other, "MD"]),
                2 if self.free() => json!([other, generational]),
                _ => json!([generational]),
            };
        }
        if self.chance(2) {
            name["use"] = json!(self.pick(&["official", "usual", "nickname", "anonymous", "maiden"]));
        }
        if self.chance(4) {
            name["period"] = self.period(|| self.moment());
        }
        let mut extensions = Vec::new();
        if self.chance(6) {
            extensions.push(
                json!({"url": definition("humanname-assembly-order"), "valueCode": self.pick(&["F", "G"])}),
            );
        }
        if self.chance(6) {
            extensions.push(json!({"url": definition("iso21090-EN-representation"), "valueCode": self.pick(&["ABC", "IDE", "SYL"])}));
        }
        if !extensions.is_empty() {
            name["extension"] = Value::Array(extensions);
        }
        if self.free() {
            self.lossy_name(&mut name);
        }
        name
    }

    fn lossy_name(&self, name: &mut Value) {
        match self.roll(8) {
            1 => name["use"] = json!(self.pick(&["old", "temp"])),
            2 => name["text"] = json!(self.text()),
            3 => *name = json!({"text": self.text()}),
            4 => name["id"] = json!("n1"),
            5 => *name = json!({"use": "official"}),
            _ => {}
        }
    }

    fn telecom(&self) -> Value {
        let Value::Array(mut points) = self.several(3, |_| self.point()) else { return Value::Null };
        if !self.free() {
            points.sort_by_key(|point| point.get("use") == Some(&json!("work")));
        }
        Value::Array(points)
    }

    fn point(&self) -> Value {
        let number = self.pick(&[
            "+1 (617) 555-0147 x12",
            "+33 237 998327",
            "617 555 0147",
            "+44 (0)20 7946 0000",
            "0",
            "+1 617 555 0147",
        ]);
        let mut point = match self.roll(6) {
            0 => json!({"system": "phone", "value": number}),
            1 => json!({"system": "phone", "value": self.text(), "use": "mobile"}),
            2 => json!({"system": "email", "value": format!("{}@example.org", self.text())}),
            3 => json!({"system": "url", "value": format!("https://example.org/{}", self.text())}),
            4 => json!({"system": self.pick(&["fax", "pager", "other"]), "value": self.text()}),
            _ => json!({"system": "phone", "value": self.text()}),
        };
        if point.get("use").is_none() && self.chance(2) {
            point["use"] = json!(self.pick(&["home", "work"]));
        }
        if self.chance(8) {
            point["extension"] =
                json!([{"url": definition("contactpoint-comment"), "valueString": self.text()}]);
        }
        if self.free() {
            match self.roll(12) {
                1 => point["use"] = json!("old"),
                2 => point["use"] = json!("temp"),
                3 => point["rank"] = json!(2),
                4 => point["period"] = self.period(|| self.moment()),
                5 => point["system"] = json!("sms"),
                6 => {
                    point.as_object_mut().expect("an object").remove("system");
                }
                7 => {
                    point.as_object_mut().expect("an object").remove("value");
                }
                8 => point["use"] = json!("mobile"),
                9 => point["value"] = json!(self.text()),
                _ => {}
            }
        }
        point
    }

    fn address(&self) -> Value {
        let mut address = json!({ self.pick(&["city", "state", "postalCode", "country"]): self.text() });
        if self.chance(2) {
            address["line"] = json!(vec![self.text(), self.text()][..=self.roll(2)]);
            if self.chance(6) {
                address["_line"] = json!([{"extension": [
                    {"url": definition("iso21090-ADXP-streetName"), "valueString": self.text()},
                    {"url": definition("iso21090-ADXP-houseNumber"), "valueString": self.text()}]}]);
            }
        }
        match self.roll(4) {
            1 => address["use"] = json!(self.pick(&["home", "work", "temp", "old"])),
            2 => address["type"] = json!("postal"),
            _ => {}
        }
        if self.chance(4) {
            address["district"] = json!(self.text());
        }
        if self.chance(4) {
            address["period"] = self.period(|| self.moment());
        }
        if self.chance(8) {
            address["extension"] =
                json!([{"url": definition("iso21090-ADXP-censusTract"), "valueString": self.text()}]);
        }
        if self.free() {
            match self.roll(8) {
                1 => address["use"] = json!("billing"),
                2 => address["type"] = json!(self.pick(&["physical", "both"])),
                3 => address["line"] = json!([self.text(), self.text(), self.text()]),
                4 => address["text"] = json!(self.text()),
                5 => address = json!({"text": self.text()}),
                _ => {}
            }
        }
        address
    }

    /// A concept that maps, or not, in the ways that come back.
    fn concept(&self, system: &str, codes: &[&str]) -> Value {
        let mut concept = match self.roll(4) {
            0 => json!({"coding": [{"system": system, "code": self.pick(codes)}]}),
            1 => json!({"coding": [{"system": "http://example.org/codes", "code": "zz"}]}),
            2 => return json!({"text": self.text()}),
            _ => json!({"coding": [{"system": "http://snomed.info/sct", "code": "10"}]}),
        };
        if self.chance(2) {
            concept["coding"][0]["display"] = json!(self.text());
        }
        if self.chance(2) {
            concept["text"] = json!(self.text());
        }
        if self.free() {
            match self.roll(6) {
                1 => concept["coding"][0]["version"] = json!("2"),
                2 => concept["coding"][0]["userSelected"] = json!(true),
                3 => {
                    let more = json!({"system": "http://example.org/more", "code": "m"});
                    concept["coding"].as_array_mut().expect("codings").push(more);
                }
                _ => {}
            }
        }
        concept
    }

    fn marital_status(&self) -> Value {
        if self.chance(8) {
            return json!({"coding": [{"system": terminology("v3-MaritalStatus"), "code": "T"}, {"system": terminology("v2-0002"), "code": "G"}]});
        }
        if self.free() && self.chance(6) {
            return json!({"coding": [{"system": terminology("v2-0002"), "code": self.pick(&["A", "M", "E", "G", "T"]), "display": "d"}]});
        }
        self.concept(&terminology("v3-MaritalStatus"), &["M", "L", "T", "P", "U", "W"])
    }

    fn contact(&self) -> Value {
        let mut contact = json!({});
        let mut relationship = Vec::new();
        if self.chance(2) {
            relationship.push(json!({"coding": [{"system": terminology("v3-RoleCode"), "code": self.pick(&["MTH", "HUSB", "COUSN", "FRND"])}]}));
        }
        if self.chance(2) {
            relationship.push(
                json!({"coding": [{"system": terminology("v2-0131"), "code": self.pick(&["C", "N", "E"])}]}),
            );
        }
        if self.free() && self.chance(4) {
            relationship.push(self.concept(&terminology("v3-RoleCode"), &["GRMTH", "NMTH"]));
        }
        if !relationship.is_empty() {
            contact["relationship"] = Value::Array(relationship);
        }
        let name = self.name();
        if !self.chance(4) && name.as_object().is_some_and(|name| !name.is_empty()) {
            contact["name"] = name;
        }
        let telecom = self.telecom();
        if telecom.as_array().is_some_and(|points| !points.is_empty()) {
            contact["telecom"] = telecom;
        }
        if self.chance(3) {
            contact["address"] = self.address();
        }
        if self.chance(3) {
            contact["gender"] = json!(self.pick(&["male", "female", "other", "unknown"]));
        }
        if self.chance(4) {
            contact["organization"] = self.reference("Organization");
        }
        if self.chance(4) {
            contact["period"] = self.dates();
        }
        if contact.as_object().is_some_and(Map::is_empty) {
            contact["gender"] = json!("male");
        }
        contact
    }

    fn communication(&self) -> Value {
        let mut language = json!({"coding": [{"system": "urn:ietf:bcp:47", "code": self.pick(&["de", "es-MX", "zh-Hant-TW", "fr"])}]});
        if self.chance(3) {
            language["coding"][0]["display"] = json!(self.text());
        }
        if self.chance(3) {
            language["text"] = json!(self.text());
        }
        let mut communication = json!({ "language": language });
        if self.free() && self.chance(3) {
            communication["preferred"] = json!(self.chance(2));
        }
        communication
    }

    fn reference(&self, kind: &str) -> Value {
        let mut reference = if self.chance(2) {
            let mut identifier = json!({"value": self.text()});
            if self.chance(2) {
                identifier["system"] = json!(self.pick(&["http://hl7.org/fhir/sid/us-npi", "urn:oid:1.2.9"]));
                identifier["type"] = json!({"coding": [{"system": terminology("v2-0203"), "code": "NPI"}]});
            }
            json!({ "identifier": identifier })
        } else {
            json!({"reference": format!("{kind}/{}", self.roll(9))})
        };
        if self.chance(2) {
            reference["display"] = json!(self.text());
        }
        if self.free() && self.chance(6) {
            reference["type"] = json!(kind);
        }
        reference
    }

    fn practitioners(&self) -> Value {
        let mut all: Vec<Value> = (0..self.roll(2))
            .map(|_| json!({"reference": "Organization/5", "display": self.text()}))
            .collect();
        all.extend((0..self.roll(3)).map(|_| self.reference("Practitioner")));
        if self.free() && self.chance(3) {
            all.reverse();
        }
        Value::Array(all)
    }

    fn extensions(&self) -> Value {
        let mut all = Vec::new();
        let own = |name: &str, key: &str, value: Value| json!({"url": definition(name), key: value});
        if self.chance(4) {
            all.push(self.race(
                "us-core-race",
                &[("2106-3", "White"), ("2028-9", "Asian")],
                &[("2034-7", "Chinese"), ("2131-1", "Other Race")],
            ));
        }
        if self.chance(4) {
            all.push(self.race(
                "us-core-ethnicity",
                &[("2135-2", "Hispanic or Latino")],
                &[("2148-5", "Mexican")],
            ));
        }
        if self.chance(8) {
            let tribe = json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-TribalEntityUS", "code": "91", "display": self.text()}]});
            all.push(json!({"url": format!("{US_CORE}us-core-tribal-affiliation"), "extension": [{"url": "tribalAffiliation", "valueCodeableConcept": tribe}]}));
        }
        if self.chance(4) {
            all.push(own("patient-mothersMaidenName", "valueString", json!(self.text())));
        }
        if self.chance(4) {
            let text = self.text();
            let place = match self.roll(3) {
                0 => json!({"text": text}),
                1 => json!({"city": text}),
                _ => json!({"city": text, "state": self.text(), "country": self.text()}),
            };
            all.push(own("patient-birthPlace", "valueAddress", place));
        }
        if self.chance(6) {
            let faith =
                self.concept(&terminology("v3-ReligiousAffiliation"), &["1041", "1020", "1023", "1077"]);
            all.push(own("patient-religion", "valueCodeableConcept", faith));
        }
        for (name, most) in [("patient-citizenship", 2), ("patient-nationality", 1)] {
            for _ in 0..self.roll(most + 1) * usize::from(self.chance(3)) {
                let code = json!({"coding": [{"system": "urn:iso:std:iso:3166", "code": self.pick(&["DE", "FR", "US"]), "display": self.text()}]});
                all.push(json!({"url": definition(name), "extension": [{"url": "code", "valueCodeableConcept": code}]}));
            }
        }
        if self.chance(8) {
            let animal = |url: &str, code: &str| json!({"url": url, "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": self.text()}]}});
            let parts = [animal("species", "448771007"), animal("breed", "132504001")];
            all.push(json!({"url": definition("patient-animal"), "extension": parts[..=self.roll(2)]}));
        }
        if self.chance(8) {
            all.push(own("patient-congregation", "valueString", json!(self.text())));
        }
        if self.free() {
            self.lossy_extensions(&mut all);
        }
        Value::Array(all)
    }

    fn lossy_extensions(&self, all: &mut Vec<Value>) {
        if self.chance(3) {
            all.push(json!({"url": "http://example.org/unknown", "valueString": self.text()}));
        }
        if self.chance(4) {
            all.push(json!({"url": format!("{US_CORE}us-core-birthsex"), "valueCode": "F"}));
        }
        if self.chance(6) {
            all.push(json!({"url": "http://example.org/d", "valueDecimal": 1}));
        }
        if self.chance(3) {
            all.reverse();
        }
    }

    /// Race or ethnicity; the text is the displays joined, or one of its own.
    fn race(&self, name: &str, categories: &[(&str, &str)], details: &[(&str, &str)]) -> Value {
        let coding = |(code, display): (&str, &str)| json!({"system": CDC, "code": code, "display": display});
        let mut parts = Vec::new();
        let mut displays = Vec::new();
        for (url, most) in [("ombCategory", categories), ("detailed", details)] {
            let count = self.roll(most.len() + 1);
            for each in most.iter().take(count) {
                parts.push(json!({"url": url, "valueCoding": coding(*each)}));
                displays.push(each.1);
            }
        }
        let text = if displays.is_empty() || self.chance(4) {
            format!("T {}", self.text())
        } else {
            displays.join(", ")
        };
        parts.push(json!({"url": "text", "valueString": text}));
        json!({"url": format!("{US_CORE}{name}"), "extension": parts})
    }
}
