//! Who calls, and what they may do.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A caller whose credentials are good; in the extensions of its request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Principal {
    name: String,
    permissions: Permissions,
}

impl Principal {
    /// `name` is for the audit line and the rate limit: what is not printable ASCII in it becomes a dot.
    pub(crate) fn new(name: &str, permissions: Permissions) -> Self {
        let shown = |c: char| if c.is_ascii_graphic() { c } else { '.' };
        Self { name: name.chars().take(MAX_NAME).map(shown).collect(), permissions }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether every one of `wanted` is allowed.
    pub(crate) fn may(&self, wanted: Permissions) -> bool {
        self.permissions.0 & wanted.0 == wanted.0
    }
}

/// What may be done to Patients, as the letters of a SMART App Launch 2 scope: `cruds`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Permissions(u8);

impl Permissions {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const CREATE: Self = Self(1);
    pub(crate) const READ: Self = Self(2);
    pub(crate) const UPDATE: Self = Self(4);
    pub(crate) const DELETE: Self = Self(8);
    const SEARCH: Self = Self(16);
    pub(crate) const WRITE: Self = Self(1 | 4 | 8);
    const ALL: Self = Self(31);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What one scope allows: `system/Patient.cud`, `system/*.rs`, and `.read`, `.write`, `.*` of version 1.
    ///
    /// `None` for any other: another context than `system`, another type, letters out of order, or a scope that a
    /// query narrows, which cannot be kept here and so allows nothing.
    pub(crate) fn of_scope(scope: &str) -> Option<Self> {
        let (kind, letters) = scope.strip_prefix("system/")?.split_once('.')?;
        if kind != "Patient" && kind != "*" {
            return None;
        }
        match letters {
            "read" => return Some(Self::READ.and(Self::SEARCH)),
            "write" => return Some(Self::WRITE),
            "*" => return Some(Self::ALL),
            _ => {}
        }
        let mut rest = letters;
        let mut permissions = Self::NONE;
        for (letter, permission) in LETTERS {
            if let Some(after) = rest.strip_prefix(letter) {
                rest = after;
                permissions = permissions.and(permission);
            }
        }
        (rest.is_empty() && permissions != Self::NONE).then_some(permissions)
    }

    /// What the scopes of a token allow together; scopes that mean nothing here are for somebody else.
    pub(crate) fn of_scopes<'s>(scopes: impl Iterator<Item = &'s str>) -> Self {
        scopes.filter_map(Self::of_scope).fold(Self::NONE, Self::and)
    }
}

/// Everything; the default of a caller whom the configuration names.
impl Default for Permissions {
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = LETTERS.iter().filter(|(_, permission)| self.0 & permission.0 != 0);
        held.map(|(letter, _)| letter).try_for_each(|letter| f.write_str(letter.encode_utf8(&mut [0; 4])))
    }
}

/// A list of scopes, such as `["system/Patient.cud"]`.
impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut all = Self::NONE;
        for scope in Vec::<String>::deserialize(deserializer)? {
            let permissions = Self::of_scope(&scope)
                .ok_or_else(|| D::Error::custom("not a scope such as \"system/Patient.cruds\""))?;
            all = all.and(permissions);
        }
        Ok(all)
    }
}

/// The same, as one scope; an empty list allows nothing.
impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scope = (*self != Self::NONE).then(|| format!("system/Patient.{self:?}"));
        serializer.collect_seq(scope)
    }
}

const LETTERS: [(char, Permissions); 5] = [
    ('c', Permissions::CREATE),
    ('r', Permissions::READ),
    ('u', Permissions::UPDATE),
    ('d', Permissions::DELETE),
    ('s', Permissions::SEARCH),
];
const MAX_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_of_both_versions() {
        for (scope, letters) in [
            ("system/Patient.cud", Some("cud")),
            ("system/Patient.cruds", Some("cruds")),
            ("system/*.rs", Some("rs")),
            ("system/Patient.r", Some("r")),
            ("system/Patient.write", Some("cud")),
            ("system/Patient.read", Some("rs")),
            ("system/*.*", Some("cruds")),
            ("system/Patient.", None),
            ("system/Patient.dc", None),
            ("system/Patient.cc", None),
            ("system/Patient.cud?birthdate=2000", None),
            ("system/Observation.cud", None),
            ("patient/Patient.cud", None),
            ("user/Patient.read", None),
            ("openid", None),
        ] {
            let read = Permissions::of_scope(scope).map(|permissions| format!("{permissions:?}"));
            assert_eq!(read.as_deref(), letters, "{scope}");
        }
    }

    #[test]
    fn scopes_add_up() {
        let both = Permissions::of_scopes("system/Patient.c launch system/Patient.r".split(' '));
        let principal = Principal::new("x", both);
        assert!(principal.may(Permissions::CREATE.and(Permissions::READ)));
        assert!(!principal.may(Permissions::WRITE));
    }

    #[test]
    fn permissions_are_written_as_they_are_read() {
        for text in ["[]", "[\"system/Patient.cud\"]", "[\"system/Patient.cruds\"]"] {
            let permissions: Permissions = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&permissions).unwrap(), text);
        }
    }

    #[test]
    fn a_name_is_printable() {
        assert_eq!(Principal::new("a b\nü", Permissions::NONE).name(), "a.b..");
        assert_eq!(Principal::new(&"x".repeat(1000), Permissions::NONE).name().len(), MAX_NAME);
    }
}
