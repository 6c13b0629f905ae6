//! A place in a resource, kept as a chain of steps and written out only where something is told about it.

use std::fmt;

/// The Patient itself.
pub(crate) const PATIENT: Path<'static> = Path::root("Patient");

/// A place in a resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Member(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The resource itself.
    pub(crate) const fn root(resource_type: &'a str) -> Self {
        Self { parent: None, step: Step::Member(resource_type) }
    }

    /// A member of this object.
    pub(crate) fn member<'b>(&'b self, name: &'b str) -> Path<'b> {
        Path { parent: Some(self), step: Step::Member(name) }
    }

    /// A member of this list, from 0.
    pub(crate) fn index(&self, index: usize) -> Path<'_> {
        Path { parent: Some(self), step: Step::Index(index) }
    }

    /// The JSON Pointer (RFC 6901).
    pub(crate) fn pointer(&self) -> String {
        let mut out = self.parent.map(Path::pointer).unwrap_or_default();
        match self.step {
            Step::Member(_) if self.parent.is_none() => {}
            Step::Member(name) => {
                out.push('/');
                out.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
            Step::Index(index) => out.push_str(&format!("/{index}")),
        }
        out
    }
}

impl Path<'_> {
    /// The FHIRPath, in one allocation for most.
    pub(crate) fn expression(&self) -> String {
        let mut out = String::with_capacity(48);
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        if let Some(parent) = self.parent {
            parent.write(out);
        }
        match self.step {
            Step::Member(name) if self.parent.is_none() => out.push_str(name),
            Step::Member(name) => {
                out.push('.');
                out.push_str(name.strip_prefix('_').unwrap_or(name));
            }
            Step::Index(index) => push_index(index, out),
        }
    }
}

fn push_index(index: usize, out: &mut String) {
    out.push('[');
    let mut place = 1;
    while index / place >= 10 {
        place *= 10;
    }
    while place > 0 {
        out.push(char::from_digit(u32::try_from(index / place % 10).unwrap_or(0), 10).unwrap_or('0'));
        place /= 10;
    }
    out.push(']');
}

/// As in FHIRPath, but with the names of the JSON: `Patient.deceasedBoolean` rather than `Patient.deceased`. The
/// `_name` of a primitive element is that element.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.expression())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_in_both_notations() {
        let root = Path::root("Patient");
        let address = root.member("address");
        let first = address.index(0);
        let line = first.member("_line");
        assert_eq!(line.to_string(), "Patient.address[0].line");
        assert_eq!(line.pointer(), "/address/0/_line");
        assert_eq!(root.pointer(), "");
        assert_eq!(root.member("a/b~c").pointer(), "/a~1b~0c");
    }
}
