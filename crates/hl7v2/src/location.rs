//! Where in a message a value stands.

use std::fmt;

/// A place in a message, written as the standard writes it: `PID-3[2].4.1` is subcomponent 1 of component 4 of
/// the second repetition of field 3 of the (first) PID segment. `NK1(2)-5` is field 5 of the second NK1.
///
/// Numbers count from 1; 0 means "not given" and is not printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// Segment name, such as `PID`.
    pub segment: &'static str,
    /// Which segment of that name, from 1.
    pub occurrence: usize,
    /// Field number, from 1.
    pub field: usize,
    /// Repetition, from 1.
    pub repetition: usize,
    /// Component, from 1.
    pub component: usize,
    /// Subcomponent, from 1.
    pub subcomponent: usize,
}

impl Location {
    /// A field of the first segment of that name.
    #[must_use]
    pub const fn field(segment: &'static str, field: usize) -> Self {
        Self { segment, occurrence: 1, field, repetition: 0, component: 0, subcomponent: 0 }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.segment)?;
        if self.occurrence > 1 {
            write!(f, "({})", self.occurrence)?;
        }
        if self.field > 0 {
            write!(f, "-{}", self.field)?;
        }
        if self.repetition > 1 {
            write!(f, "[{}]", self.repetition)?;
        }
        if self.component > 0 {
            write!(f, ".{}", self.component)?;
        }
        if self.subcomponent > 0 {
            write!(f, ".{}", self.subcomponent)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_the_standard_writes_it() {
        let location = Location { repetition: 2, component: 4, subcomponent: 1, ..Location::field("PID", 3) };
        assert_eq!(location.to_string(), "PID-3[2].4.1");
        assert_eq!(Location { occurrence: 2, ..Location::field("NK1", 5) }.to_string(), "NK1(2)-5");
    }
}
