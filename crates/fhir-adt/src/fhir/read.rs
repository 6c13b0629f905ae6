//! Reading the data types from JSON, without copying texts: `serde`'s derived code would copy each optional one.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// What to do about JSON that is not an ordinary element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Unknown members are passed over.
    Lenient,
    /// Unknown, repeated and empty members, and `null`, are errors.
    Strict,
}

/// A value that JSON is read into, borrowing from it.
pub(crate) trait Read<'de>: Sized {
    fn read<D: Deserializer<'de>>(deserializer: D, strictness: Strictness) -> Result<Self, D::Error>;

    /// True where nothing was read.
    fn is_absent(&self) -> bool;
}

/// As [`Read::is_absent`], for `serde`.
pub(super) fn is_absent<'de>(value: &impl Read<'de>) -> bool {
    value.is_absent()
}

/// Reads a `T` where `serde` asks for a seed.
pub(super) struct Seed<T>(pub(super) Strictness, PhantomData<T>);

impl<'de, T: Read<'de>> DeserializeSeed<'de> for Seed<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer, self.0)
    }
}

impl Strictness {
    pub(super) fn seed<T>(self) -> Seed<T> {
        Seed(self, PhantomData)
    }

    /// An error where only ordinary elements are wanted.
    pub(super) fn surprise<E: Error>(self) -> Result<(), E> {
        match self {
            Self::Lenient => Ok(()),
            Self::Strict => Err(E::custom("not an ordinary element")),
        }
    }

    /// Reads one member of an object.
    pub(super) fn member<'de, T: Read<'de>, M: MapAccess<'de>>(
        self,
        members: &mut M,
        member: &mut T,
    ) -> Result<(), M::Error> {
        if !member.is_absent() {
            self.surprise()?;
        }
        *member = members.next_value_seed(self.seed())?;
        if member.is_absent() { self.surprise() } else { Ok(()) }
    }
}

impl<'de: 'a, 'a> Read<'de> for Cow<'a, str> {
    fn read<D: Deserializer<'de>>(deserializer: D, _: Strictness) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text)
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<'de, T: Read<'de>> Read<'de> for Option<T> {
    fn read<D: Deserializer<'de>>(deserializer: D, strictness: Strictness) -> Result<Self, D::Error> {
        struct Optional<T>(Strictness, PhantomData<T>);
        impl<'de, T: Read<'de>> Visitor<'de> for Optional<T> {
            type Value = Option<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an element")
            }

            fn visit_none<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(None)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
                let value = T::read(deserializer, self.0)?;
                if self.0 == Strictness::Strict && value.is_absent() {
                    self.0.surprise()?;
                }
                Ok(Some(value))
            }
        }
        deserializer.deserialize_option(Optional(strictness, PhantomData))
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<'de, T: Read<'de>> Read<'de> for Vec<T> {
    fn read<D: Deserializer<'de>>(deserializer: D, strictness: Strictness) -> Result<Self, D::Error> {
        struct Members<T>(Strictness, PhantomData<T>);
        impl<'de, T: Read<'de>> Visitor<'de> for Members<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut members: S) -> Result<Self::Value, S::Error> {
                let mut list = Vec::new();
                while let Some(member) = members.next_element_seed(self.0.seed::<T>())? {
                    if member.is_absent() {
                        self.0.surprise()?;
                    }
                    list.push(member);
                }
                Ok(list)
            }
        }
        deserializer.deserialize_seq(Members(strictness, PhantomData))
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl<'de, T: Read<'de>> Read<'de> for Box<T> {
    fn read<D: Deserializer<'de>>(deserializer: D, strictness: Strictness) -> Result<Self, D::Error> {
        T::read(deserializer, strictness).map(Self::new)
    }

    fn is_absent(&self) -> bool {
        T::is_absent(self)
    }
}

/// Types that `serde` reads as they are; never absent.
macro_rules! plain {
    ($($type:ty),+) => {$(
        impl<'de> Read<'de> for $type {
            fn read<D: Deserializer<'de>>(deserializer: D, _: Strictness) -> Result<Self, D::Error> {
                Self::deserialize(deserializer)
            }

            fn is_absent(&self) -> bool {
                false
            }
        }
    )+};
}

plain!(bool, i64, u64, Number);

/// Content that the mapping does not look into.
impl<'de> Read<'de> for Value {
    fn read<D: Deserializer<'de>>(deserializer: D, strictness: Strictness) -> Result<Self, D::Error> {
        strictness.surprise()?;
        Self::deserialize(deserializer)
    }

    fn is_absent(&self) -> bool {
        self.is_null()
    }
}

/// [`Read`] for a data type, from the names of its members in JSON.
macro_rules! object {
    ($name:ident { $($json:literal $member:ident,)* }) => {
        impl<'de: 'a, 'a> $crate::fhir::Read<'de> for $name<'a> {
            fn read<D: serde::Deserializer<'de>>(
                deserializer: D,
                strictness: $crate::fhir::Strictness,
            ) -> Result<Self, D::Error> {
                struct Members($crate::fhir::Strictness);

                impl<'de> serde::de::Visitor<'de> for Members {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(stringify!($name))
                    }

                    fn visit_map<M: serde::de::MapAccess<'de>>(
                        self,
                        mut members: M,
                    ) -> Result<Self::Value, M::Error> {
                        let mut read = $name::default();
                        let mut is_empty = true;
                        while let Some(name) = members.next_key_seed(self.0.seed::<$crate::fhir::Str<'de>>())? {
                            is_empty = false;
                            match &*name {
                                $($json => self.0.member(&mut members, &mut read.$member)?,)*
                                _ => {
                                    self.0.surprise()?;
                                    members.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        if is_empty {
                            self.0.surprise()?;
                        }
                        Ok(read)
                    }
                }

                deserializer.deserialize_map(Members(strictness))
            }

            fn is_absent(&self) -> bool {
                false
            }
        }
    };
}

pub(super) use object;
