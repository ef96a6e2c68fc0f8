//! Values between JavaScript and Rust.
//!
//! What comes in goes through serde, from JavaScript's own objects: the browser parses JSON anyway, and
//! `serde_json` weighed 60 KB of download. Errors say nothing but that it could not be read, for the same
//! reason: no formatting is linked in. What goes out is little, and is built by hand.

use js_sys::{Array, Object, Reflect};
use serde::{
    Deserializer, de,
    de::{DeserializeSeed, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};
use wasm_bindgen::{JsCast, JsValue};

/// It can't be read as what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("unreadable")
    }
}

impl std::error::Error for Unreadable {}

impl de::Error for Unreadable {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
    fn invalid_type(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self
    }
    fn invalid_value(_: de::Unexpected<'_>, _: &dyn de::Expected) -> Self {
        Self
    }
    fn invalid_length(_: usize, _: &dyn de::Expected) -> Self {
        Self
    }
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
    fn missing_field(_: &'static str) -> Self {
        Self
    }
    fn duplicate_field(_: &'static str) -> Self {
        Self
    }
}

/// Reads a value.
pub fn read<T: de::DeserializeOwned>(value: &JsValue) -> Result<T, Unreadable> {
    T::deserialize(Js(value.clone()))
}

/// A field of an object; undefined where there is none.
pub fn field(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// An object; fields that are undefined are left out.
pub fn object(fields: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in fields {
        if !value.is_undefined() {
            // A plain object takes every field.
            let _ = Reflect::set(&object, &JsValue::from_str(name), value);
        }
    }
    object.into()
}

/// An array.
pub fn array(values: impl Iterator<Item = JsValue>) -> JsValue {
    let array = Array::new();
    values.for_each(|value| {
        array.push(&value);
    });
    array.into()
}

/// Anything that reads as text, as text.
pub fn text(value: &impl ToString) -> JsValue {
    JsValue::from_str(&value.to_string())
}

/// A deserializer over one JavaScript value. `deserialize_any` knows numbers only: that is all that is
/// ever asked of it, by scores and quantities.
struct Js(JsValue);

impl Js {
    #[inline(never)]
    fn integer(&self) -> Result<i64, Unreadable> {
        let n = self.0.as_f64().ok_or(Unreadable)?;
        #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and exact")]
        if n % 1.0 == 0.0 && n.abs() < 9e15 {
            Ok(n as i64)
        } else {
            Err(Unreadable)
        }
    }

    #[inline(never)]
    fn unsigned(&self) -> Result<u64, Unreadable> {
        u64::try_from(self.integer()?).map_err(|_| Unreadable)
    }

    #[inline(never)]
    fn string(&self) -> Result<String, Unreadable> {
        self.0.as_string().ok_or(Unreadable)
    }

    fn is_none(&self) -> bool {
        self.0.is_null() || self.0.is_undefined()
    }
}

macro_rules! unsigned {
    ($($name:ident)*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
            visitor.visit_u64(self.unsigned()?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Js {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.integer() {
            Ok(n) => visitor.visit_i64(n),
            Err(_) => visitor.visit_f64(self.0.as_f64().ok_or(Unreadable)?),
        }
    }

    unsigned! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_bool(self.0.as_bool().ok_or(Unreadable)?)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_string(self.string()?)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_string(self.string()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.is_none() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        let array: Array = self.0.dyn_into().map_err(|_| Unreadable)?;
        visitor.visit_seq(Items { array, next: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        if !self.0.is_object() {
            return Err(Unreadable);
        }
        visitor.visit_map(Fields {
            object: self.0,
            fields,
            value: JsValue::UNDEFINED,
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_enum(self.string()?.into_deserializer())
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple_struct map identifier
    }
}

/// The fields of a struct that an object has; others are not looked at, so a newer server may add some.
struct Fields {
    object: JsValue,
    fields: &'static [&'static str],
    value: JsValue,
}

impl Fields {
    #[inline(never)]
    fn next(&mut self) -> Option<&'static str> {
        while let [name, rest @ ..] = self.fields {
            self.fields = rest;
            self.value = field(&self.object, name);
            if !self.value.is_undefined() {
                return Some(name);
            }
        }
        None
    }
}

impl<'de> de::MapAccess<'de> for Fields {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Unreadable> {
        match self.next() {
            Some(name) => seed
                .deserialize(StrDeserializer::<Unreadable>::new(name))
                .map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unreadable> {
        seed.deserialize(Js(std::mem::replace(&mut self.value, JsValue::UNDEFINED)))
    }
}

/// The items of an array.
struct Items {
    array: Array,
    next: u32,
}

impl Items {
    #[inline(never)]
    fn next(&mut self) -> Option<JsValue> {
        (self.next < self.array.length()).then(|| {
            self.next += 1;
            self.array.get(self.next - 1)
        })
    }
}

impl<'de> de::SeqAccess<'de> for Items {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Unreadable> {
        match self.next() {
            Some(item) => seed.deserialize(Js(item)).map(Some),
            None => Ok(None),
        }
    }
}

/// A score, as the wire has it.
pub fn score(score: jalon_shared::Score) -> JsValue {
    (f64::from(score.hundredths()) / 100.0).into()
}
