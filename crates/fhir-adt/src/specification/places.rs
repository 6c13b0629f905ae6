//! The valued places of a message.

use std::fmt;

/// A place of a segment: a component that is 0 stands for the whole field, a subcomponent that is 0 for the whole
/// component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Segment name.
    pub segment: String,
    /// Field, from 1.
    pub field: usize,
    /// Component, from 1.
    pub component: usize,
    /// Subcomponent, from 1.
    pub subcomponent: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.segment, self.field)?;
        for part in [self.component, self.subcomponent].into_iter().take_while(|part| *part > 0) {
            write!(f, ".{part}")?;
        }
        Ok(())
    }
}

/// Every valued place of an own message, with its repetition and value. Nulls (`""`) are left out. A field with one
/// component is a whole field, a component with one subcomponent a whole component.
pub fn places(message: &hl7v2::Message<'_>) -> Vec<(Place, usize, String)> {
    let mut found = Vec::new();
    for segment in message.segments() {
        for number in 1..=segment.len() {
            let field = segment.field(number);
            // The separators themselves.
            if segment.name() == "MSH" && number <= 2 {
                continue;
            }
            for (repetition, one) in (1..).zip(field.repetitions()) {
                for component_number in 1..=one.len() {
                    let component = one.component(component_number);
                    for sub_number in 1..=component.len() {
                        let value = component.subcomponent(sub_number);
                        if value.raw().is_empty() || value.raw() == NULL {
                            continue;
                        }
                        let alone = component_number == 1 && one.len() == 1 && component.len() == 1;
                        let place = Place {
                            segment: segment.name().to_owned(),
                            field: number,
                            component: if alone { 0 } else { component_number },
                            subcomponent: if component.len() == 1 { 0 } else { sub_number },
                        };
                        found.push((place, repetition, value.text().unwrap_or_default().into_owned()));
                    }
                }
            }
        }
    }
    found
}

const NULL: &str = "\"\"";
