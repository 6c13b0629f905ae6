//! The primitive types of FHIR R4: JSON type and lexical form.

use serde_json::Value;

use crate::date_time;

/// A primitive type of FHIR R4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Primitive {
    Boolean,
    Code,
    Date,
    DateTime,
    Decimal,
    Instant,
    Integer,
    PositiveInteger,
    String,
    Time,
    UnsignedInteger,
    /// uri, url, canonical, oid, uuid.
    Uri,
    /// base64Binary.
    Base64,
    /// The id of an element: any string without white space.
    ElementId,
}

/// Whether a JSON value is a value of that type.
pub(crate) fn check(primitive: Primitive, value: &Value) -> Result<(), &'static str> {
    let text = || value.as_str().ok_or("must be a string");
    let good = match primitive {
        Primitive::Boolean => return value.is_boolean().then_some(()).ok_or("must be true or false"),
        Primitive::Decimal => return value.is_number().then_some(()).ok_or("must be a number"),
        Primitive::Integer => integer(value, i64::from(i32::MIN)).ok_or("must be a whole number")?,
        Primitive::UnsignedInteger => integer(value, 0).ok_or("must be a whole number from 0")?,
        Primitive::PositiveInteger => integer(value, 1).ok_or("must be a whole number from 1")?,
        // Blanks in a uri or around a code are odd, but carried as they are.
        Primitive::String | Primitive::Base64 | Primitive::ElementId | Primitive::Code | Primitive::Uri => {
            text().map(|_| true)?
        }
        Primitive::Date => {
            return date_time::is_date(text()?).then_some(()).ok_or("is not a date of the calendar");
        }
        Primitive::DateTime => {
            return date_time::is_date_time(text()?).then_some(()).ok_or("is not a dateTime");
        }
        Primitive::Instant => return date_time::is_instant(text()?).then_some(()).ok_or("is not an instant"),
        Primitive::Time => text()?.split(':').count() == 3,
    };
    if good { Ok(()) } else { Err("does not have the form of its type") }
}

fn integer(value: &Value, min: i64) -> Option<bool> {
    let number = value.as_i64()?;
    (min..=i64::from(i32::MAX)).contains(&number).then_some(true)
}
