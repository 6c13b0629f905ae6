//! Where a source is, and what belongs to it: every outbound URL is built here.
//!
//! A notification can name any place. Nothing of it is followed: a reference is taken apart, compared with the
//! configured bases, and only its id is kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use message_store::PatientKey;
use url::Url;

/// The base URL of a source, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    /// With a slash at its end.
    url: Url,
    /// Addresses outside the public networks that may be connected to, because the operator wrote them down.
    allowed: Vec<IpAddr>,
}

impl Base {
    /// Takes `https://…`, and `http://…` where that cannot leave this machine.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub(crate) fn new(text: &str, allowed: &[IpAddr]) -> Result<Self, &'static str> {
        let mut url = Url::parse(text).map_err(|_| "is not a URL")?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold credentials");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must not have a query or a fragment");
        }
        let mut allowed = allowed.to_vec();
        let literal = literal(&url);
        // An address that stands in the URL is the one that was configured; the name of this machine is one too.
        allowed.extend(literal);
        if url.host_str() == Some("localhost") {
            allowed.extend([IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)]);
        }
        let here =
            url.host_str() == Some("localhost") || literal.is_some_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if here => {}
            "http" => return Err("must be https: only a server of this machine is reached without"),
            _ => return Err("must be https"),
        }
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        Ok(Self { url, allowed })
    }

    /// Scheme, host and port, for logs.
    pub(crate) fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(crate) fn allowed(&self) -> &[IpAddr] {
        &self.allowed
    }

    pub(crate) fn patient(&self, patient: &PatientKey) -> Url {
        self.below(&["Patient", patient.id()])
    }

    /// A URL below the base; each step is one segment of the path, whatever it holds.
    pub(crate) fn below(&self, steps: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(steps);
        }
        url
    }

    /// Whether `url` has this scheme, host, port and path prefix.
    pub(crate) fn owns(&self, url: &Url) -> bool {
        url.username().is_empty()
            && url.password().is_none()
            && url.scheme() == self.url.scheme()
            && url.host() == self.url.host()
            && url.port_or_known_default() == self.url.port_or_known_default()
            && url.path().starts_with(self.url.path())
    }

    /// The patient that an absolute reference names, with or without a version; `None` when it is not of this base.
    pub(crate) fn patient_of(&self, reference: &Url) -> Option<PatientKey> {
        if !self.owns(reference) || reference.query().is_some() || reference.fragment().is_some() {
            return None;
        }
        patient_in(reference.path().strip_prefix(self.url.path())?)
    }

    /// The next page of a search, if the link stays below the base. Links may be relative.
    pub(crate) fn page(&self, link: &str) -> Option<Url> {
        self.url.join(link).ok().filter(|url| self.owns(url) && url.fragment().is_none())
    }
}

/// `Patient/{id}` or `Patient/{id}/_history/{version}`, as a relative reference has it.
pub(crate) fn patient_in(reference: &str) -> Option<PatientKey> {
    let mut steps = reference.split('/');
    let (Some("Patient"), Some(id)) = (steps.next(), steps.next()) else { return None };
    let rest: Vec<_> = steps.collect();
    let known = matches!(rest.as_slice(), [] | ["_history", _]);
    known.then(|| PatientKey::new(id).ok()).flatten()
}

/// Whether an address may be connected to: one of the public internet, or one the operator wrote down.
pub(crate) fn may_connect(address: IpAddr, allowed: &[IpAddr]) -> bool {
    allowed.contains(&address) || allowed.contains(&address.to_canonical()) || is_public(address)
}

/// An address in the host of a URL.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Whether an address is one of the public internet (IANA special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.segments() {
            // NAT64 and 6to4 lead to the IPv4 address they hold.
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
                is_public_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)))
            }
            // Documentation, Teredo and the other protocol assignments.
            [0x2001, second, ..] if second == 0x0db8 || second < 0x0200 => false,
            [0x3fff, second, ..] if second < 0x1000 => false,
            // Global unicast is 2000::/3 alone.
            [first, ..] => first & 0xe000 == 0x2000,
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        [0 | 10 | 127, ..] => true,
        [100, second, ..] => second & 0xc0 == 64,
        [169, 254, ..] => true,
        [172, second, ..] => second & 0xf0 == 16,
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [192, 168, ..] => true,
        [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        [first, ..] => first >= 224,
    };
    !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        Base::new("https://fhir.example:8443/r4", &[]).unwrap()
    }

    #[test]
    fn takes_https_and_plain_http_on_this_machine_only() {
        for (url, taken) in [
            ("https://fhir.example/r4", true),
            ("https://10.1.2.3/fhir", true),
            ("http://127.0.0.1:8080/fhir", true),
            ("http://[::1]:8080/fhir/", true),
            ("http://localhost:8080/fhir", true),
            ("http://fhir.example/r4", false),
            ("http://10.1.2.3/fhir", false),
            ("http://localhost.example/fhir", false),
            ("ftp://fhir.example", false),
            ("https://user:secret@fhir.example/r4", false),
            ("https://fhir.example/r4?tenant=1", false),
            ("fhir.example", false),
        ] {
            assert_eq!(Base::new(url, &[]).is_ok(), taken, "{url}");
        }
    }

    #[test]
    fn builds_urls_from_ids_and_nothing_else() {
        let patient = PatientKey::new("p-1").unwrap();
        assert_eq!(base().patient(&patient).as_str(), "https://fhir.example:8443/r4/Patient/p-1");
        assert_eq!(
            base().below(&["Subscription", "../x?y"]).as_str(),
            "https://fhir.example:8443/r4/Subscription/..%2Fx%3Fy"
        );
    }

    #[test]
    fn knows_its_own_references_and_no_others() {
        for (reference, id) in [
            ("https://fhir.example:8443/r4/Patient/p-1", Some("p-1")),
            ("https://FHIR.example:8443/r4/Patient/p-1", Some("p-1")),
            ("https://fhir.example:8443/r4/Patient/p-1/_history/3", Some("p-1")),
            ("https://fhir.example/r4/Patient/p-1", None),
            ("http://fhir.example:8443/r4/Patient/p-1", None),
            ("https://fhir.example:8443/r4x/Patient/p-1", None),
            ("https://fhir.example:8443/r4/../admin/Patient/p-1", None),
            ("https://fhir.example:8443/r4/%2e%2e/Patient/p-1", None),
            ("https://fhir.example:8443/r4/Patient/a/b", None),
            ("https://fhir.example:8443/r4/Patient/p-1?x=1", None),
            ("https://fhir.example:8443/r4/Observation/p-1", None),
            ("https://fhir.example.evil.example:8443/r4/Patient/p-1", None),
            ("https://fhir.example:8443@evil.example/r4/Patient/p-1", None),
            ("https://user@fhir.example:8443/r4/Patient/p-1", None),
            ("https://169.254.169.254/r4/Patient/p-1", None),
        ] {
            let found = base().patient_of(&Url::parse(reference).unwrap());
            assert_eq!(found.as_ref().map(PatientKey::id), id, "{reference}");
        }
    }

    #[test]
    fn follows_a_page_below_the_base_only() {
        let page = |link: &str| base().page(link).map(String::from);
        let inner = "https://fhir.example:8443/r4/Patient?_page=2";
        assert_eq!(page(inner).as_deref(), Some(inner));
        assert_eq!(page("Patient?_page=2").as_deref(), Some(inner));
        assert!(page("https://fhir.example:8443/r4/").is_some());
        for link in [
            "https://evil.example/r4/Patient?_page=2",
            "//evil.example/r4/Patient",
            "/admin",
            "../x",
            "http://[",
        ] {
            assert_eq!(page(link), None, "{link}");
        }
    }

    #[test]
    fn relative_references_name_a_patient_or_nothing() {
        assert_eq!(patient_in("Patient/p-1").unwrap().id(), "p-1");
        assert_eq!(patient_in("Patient/p-1/_history/7").unwrap().id(), "p-1");
        for reference in
            ["p-1", "Patient", "Patient/", "Patient/..", "Group/p-1", "Patient/a/b", "/Patient/a"]
        {
            assert_eq!(patient_in(reference), None, "{reference}");
        }
    }

    #[test]
    fn connects_to_the_public_internet_and_to_what_was_written_down() {
        for address in [
            "0.0.0.0",
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "fd00:ec2::254",
            "fc00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "100::1",
            "3fff::1",
        ] {
            assert!(!may_connect(address.parse().unwrap(), &[]), "{address}");
        }
        for address in
            ["8.8.8.8", "172.32.0.1", "100.128.0.1", "192.0.1.1", "2606:4700::1111", "64:ff9b::808:808"]
        {
            assert!(may_connect(address.parse().unwrap(), &[]), "{address}");
        }
        let written: IpAddr = "10.0.0.1".parse().unwrap();
        assert!(may_connect(written, &[written]));
        assert!(may_connect("::ffff:10.0.0.1".parse().unwrap(), &[written]));
        assert!(!may_connect("10.0.0.2".parse().unwrap(), &[written]));
    }
}
