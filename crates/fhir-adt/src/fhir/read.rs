//! Reading the data types without copying texts: from a JSON value, or from JSON text.

use serde_json::{Number, Value};

use super::{Json, Str};

/// Content of JSON, borrowing from it.
pub(crate) trait Read<'de>: Sized {
    /// From a JSON value; `None` where it is of another type. Unknown members are passed over.
    fn of(value: &'de Value) -> Option<Self>;

    /// From JSON text, where nothing was read yet. `None` for what no ordinary element has: members that are unknown or
    /// there again, `null`, and empty texts, lists and objects.
    fn read(&mut self, json: &mut Json<'de>) -> Option<()>;

    /// True where nothing was read.
    fn is_absent(&self) -> bool;
}

/// As [`Read::is_absent`], for `serde`.
pub(super) fn is_absent<'de>(value: &impl Read<'de>) -> bool {
    value.is_absent()
}

impl<'de: 'a, 'a> Read<'de> for Str<'a> {
    fn of(value: &'de Value) -> Option<Self> {
        value.as_str().map(Str::Borrowed)
    }

    fn read(&mut self, json: &mut Json<'de>) -> Option<()> {
        *self = json.string()?;
        (!self.is_empty()).then_some(())
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<'de, T: Read<'de> + Default> Read<'de> for Option<T> {
    fn of(value: &'de Value) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::of(value).map(Some) }
    }

    fn read(&mut self, json: &mut Json<'de>) -> Option<()> {
        self.insert(T::default()).read(json)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<'de, T: Read<'de> + Default> Read<'de> for Vec<T> {
    fn of(value: &'de Value) -> Option<Self> {
        value.as_array()?.iter().map(T::of).collect()
    }

    fn read(&mut self, json: &mut Json<'de>) -> Option<()> {
        json.list(|json| {
            self.push(T::default());
            self.last_mut()?.read(json)
        })
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<'de, T: Read<'de>> Read<'de> for Box<T> {
    fn of(value: &'de Value) -> Option<Self> {
        T::of(value).map(Self::new)
    }

    fn read(&mut self, json: &mut Json<'de>) -> Option<()> {
        T::read(self, json)
    }

    fn is_absent(&self) -> bool {
        T::is_absent(self)
    }
}

/// What is never absent by itself.
macro_rules! plain {
    ($($type:ty, $value:ident => $of:expr, $json:ident => $read:expr;)+) => {$(
        impl<'de> Read<'de> for $type {
            fn of($value: &'de Value) -> Option<Self> {
                $of
            }

            fn read(&mut self, $json: &mut Json<'de>) -> Option<()> {
                *self = $read?;
                Some(())
            }

            fn is_absent(&self) -> bool {
                false
            }
        }
    )+};
}

plain!(
    bool, value => value.as_bool(), json => json.boolean();
    i64, value => value.as_i64(), json => json.number();
    u64, value => value.as_u64(), json => json.number();
    // Content that the mapping does not look into.
    Value, value => Some(value.clone()), _json => None;
);

/// A decimal, which is a number like any other; there is none to begin with.
impl<'de> Read<'de> for Option<Number> {
    fn of(value: &'de Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            Value::Number(number) => Some(Some(number.clone())),
            _ => None,
        }
    }

    fn read(&mut self, json: &mut Json<'de>) -> Option<()> {
        *self = Some(json.number()?);
        Some(())
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// [`Read`] for a data type, from the names of its members in JSON.
macro_rules! object {
    ($name:ident { $($json:literal $member:ident,)* }) => {
        impl<'de: 'a, 'a> $crate::fhir::Read<'de> for $name<'a> {
            fn of(value: &'de serde_json::Value) -> Option<Self> {
                let mut read = Self::default();
                for (name, value) in value.as_object()? {
                    match name.as_str() {
                        $($json => read.$member = $crate::fhir::Read::of(value)?,)*
                        _ => {}
                    }
                }
                Some(read)
            }

            fn read(&mut self, json: &mut $crate::fhir::Json<'de>) -> Option<()> {
                json.object(|json, name| match name {
                    $($json if $crate::fhir::Read::is_absent(&self.$member) => {
                        $crate::fhir::Read::read(&mut self.$member, json)
                    })*
                    _ => None,
                })
            }

            fn is_absent(&self) -> bool {
                false
            }
        }
    };
}

pub(super) use object;
