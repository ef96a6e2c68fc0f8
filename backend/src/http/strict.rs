//! Reading what others wrote: an object where an object is wanted, and nothing else.
//!
//! serde's derived code takes a struct from a list as well, its fields by position. A list names no field, so
//! `deny_unknown_fields` refuses nothing in it, and the API's document does not describe it. [`Strict`] wraps
//! any deserializer and refuses, at any depth:
//!
//! * a list in place of an object, also in a variant of an enum;
//! * a list longer than the tuple that is read from it (`serde_json` calls that a fault of the syntax);
//! * the same key twice in a map, of which serde keeps the last (a struct refuses it by itself);
//! * U+0000 in a text or a key: PostgreSQL has no such text.
//!
//! It stands between the data and the type, so it sees nothing of what serde keeps for later: a type that is
//! read with `flatten`, `untagged` or `tag` reads the inside of itself from serde's own copy. No type of a
//! request may be one of those; `d20_no_list_is_taken_for_an_object` finds it.

use std::{collections::HashSet, fmt};

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
    VariantAccess, Visitor, value::StringDeserializer,
};

/// What is said of a text with U+0000 in it; `json.rs` knows the fault by it.
pub const NUL: &str = "A text can't hold the character U+0000";

/// A deserializer that takes nothing for what it is not.
#[derive(Debug)]
pub struct Strict<D>(pub D);

/// Refuses U+0000.
fn text<E: Error>(text: &str) -> Result<(), E> {
    if text.contains('\0') { Err(E::custom(NUL)) } else { Ok(()) }
}

macro_rules! forward {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method(Inside(visitor))
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    forward! {
        deserialize_any deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
        deserialize_unit deserialize_seq deserialize_map
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_unit_struct(name, Inside(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_newtype_struct(name, Inside(visitor))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, Tuple(visitor))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple_struct(name, len, Tuple(visitor))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Object(visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, Inside(visitor))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_identifier(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// Any visitor; what is inside its value is read strictly too.
struct Inside<V>(V);

macro_rules! visit {
    ($($method:ident: $kind:ty)*) => {$(
        fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Inside<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    visit! {
        visit_bool: bool
        visit_i8: i8 visit_i16: i16 visit_i32: i32 visit_i64: i64 visit_i128: i128
        visit_u8: u8 visit_u16: u16 visit_u32: u32 visit_u64: u64 visit_u128: u128
        visit_f32: f32 visit_f64: f64
        visit_bytes: &[u8] visit_borrowed_bytes: &'de [u8] visit_byte_buf: Vec<u8>
    }

    fn visit_char<E: Error>(self, value: char) -> Result<V::Value, E> {
        if value == '\0' { Err(E::custom(NUL)) } else { self.0.visit_char(value) }
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        text(value)?;
        self.0.visit_str(value)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<V::Value, E> {
        text(value)?;
        self.0.visit_borrowed_str(value)
    }

    fn visit_string<E: Error>(self, value: String) -> Result<V::Value, E> {
        text(&value)?;
        self.0.visit_string(value)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Strict(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Elements(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Entries { map, seen: HashSet::new() })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Variant(data))
    }
}

/// The visitor of a struct: objects only.
struct Object<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Object<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Fields(map))
    }
}

/// The visitor of a tuple: lists of its length only.
struct Tuple<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Tuple<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<V::Value, A::Error> {
        let value = self.0.visit_seq(Elements(&mut list))?;
        match list.next_element::<IgnoredAny>()? {
            None => Ok(value),
            Some(_) => Err(A::Error::custom("this list has too many elements")),
        }
    }
}

/// A value that is read strictly.
struct Value<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Value<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}

/// The elements of a list.
struct Elements<A>(A);

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Value(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// The fields of a struct, which knows by itself what it has read.
struct Fields<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Value(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

/// The entries of a map, whose keys are texts.
struct Entries<A> {
    map: A,
    seen: HashSet<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Entries<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let Some(key) = self.map.next_key::<String>()? else { return Ok(None) };
        text(&key)?;
        let deserializer: StringDeserializer<A::Error> = key.clone().into_deserializer();
        // Read first: who follows the way to a fault knows the key by then.
        let read = seed.deserialize(deserializer)?;
        if self.seen.insert(key) { Ok(Some(read)) } else { Err(A::Error::custom("this key stands here twice")) }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(Value(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.map.size_hint()
    }
}

/// A variant of an enum, and what it holds.
struct Variant<A>(A);

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Variant<A> {
    type Error = A::Error;
    type Variant = Variant<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(seed)?;
        Ok((value, Variant(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Variant<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Value(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, Tuple(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, A::Error> {
        self.0.newtype_variant_seed(StructVariant(visitor))
    }
}

/// The fields of a variant.
struct StructVariant<V>(V);

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for StructVariant<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        deserializer.deserialize_map(Object(self.0))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{Value as Json, json};

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        a: u8,
        #[serde(default)]
        b: Option<Box<Inner>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Wrapped(Inner);

    #[derive(Debug, PartialEq, Deserialize)]
    enum Either {
        Unit,
        One(Inner),
        Pair(u8, Inner),
        Fields { inner: Inner },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct All {
        inner: Inner,
        wrapped: Wrapped,
        list: Vec<Inner>,
        by_name: BTreeMap<String, Inner>,
        pair: (u8, Inner),
        either: Vec<Either>,
        maybe: Option<Inner>,
        text: String,
    }

    fn whole() -> Json {
        let inner = json!({ "a": 1, "b": { "a": 2, "b": null } });
        json!({
            "inner": inner, "wrapped": inner, "list": [inner, inner], "by_name": { "x": inner, "y": inner },
            "pair": [3, inner], "maybe": inner, "text": "é\u{1}",
            "either": ["Unit", { "One": inner }, { "Pair": [4, inner] }, { "Fields": { "inner": inner } }],
        })
    }

    /// Read from a text and from a value alike.
    fn read(text: &str) -> Result<All, String> {
        let mut json = serde_json::Deserializer::from_str(text);
        let from_text = All::deserialize(Strict(&mut json)).and_then(|read| json.end().map(|()| read));
        let value: Json = serde_json::from_str(text).unwrap();
        let from_value = All::deserialize(Strict(value));
        assert_eq!(from_text.is_ok(), from_value.is_ok(), "{from_text:?}\n{from_value:?}");
        from_text.map_err(|error| error.to_string())
    }

    /// The places of all objects whose keys are a struct's fields.
    fn objects(value: &Json, at: &str, found: &mut Vec<String>) {
        match value {
            Json::Object(map) => {
                found.push(at.to_owned());
                for (key, value) in map {
                    objects(value, &format!("{at}/{key}"), found);
                }
            }
            Json::Array(list) => {
                for (place, value) in list.iter().enumerate() {
                    objects(value, &format!("{at}/{place}"), found);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn d20_a_list_is_no_object_at_any_depth() {
        let whole = whole();
        assert_eq!(read(&whole.to_string()).unwrap(), serde_json::from_value(whole.clone()).unwrap());
        let mut places = Vec::new();
        objects(&whole, "", &mut places);
        assert!(places.len() > 25, "{places:?}");
        let mut taken_by_serde = 0;
        for place in &places {
            let mut changed = whole.clone();
            let object = changed.pointer_mut(place).unwrap();
            *object = object.as_object().unwrap().values().cloned().collect();
            taken_by_serde += usize::from(serde_json::from_value::<All>(changed.clone()).is_ok());
            let refused = read(&changed.to_string()).unwrap_err();
            // That is how serde_json refuses a list where an enum is wanted.
            let enum_wanted = refused.contains("expected value");
            assert!(refused.contains("sequence") || enum_wanted, "{place}: {refused}");
        }
        assert!(taken_by_serde > 15, "serde alone takes lists: {taken_by_serde}");
    }

    #[test]
    fn d21_a_tuple_has_its_length_and_is_no_object() {
        let with = |pair: Json| {
            let mut changed = whole();
            changed["pair"] = pair;
            read(&changed.to_string())
        };
        let inner = json!({ "a": 1 });
        with(json!([1, inner])).unwrap();
        for pair in
            [json!([1, inner, 2]), json!([1]), json!([]), json!({ "0": 1, "1": inner }), json!([1, [2]]), json!(null)]
        {
            with(pair.clone()).unwrap_err();
        }
        let error = with(json!([1, inner, 2])).unwrap_err();
        assert!(error.contains("too many elements"), "{error}");
    }

    #[test]
    fn d20_a_key_comes_once_and_no_text_has_a_nul() {
        let twice = whole().to_string().replace(r#""x":{"#, r#""x":{"a":1},"x":{"#);
        let mut json = serde_json::Deserializer::from_str(&twice);
        let error = All::deserialize(Strict(&mut json)).unwrap_err().to_string();
        assert!(error.contains("this key stands here twice"), "{error}");
        for place in ["/text", "/by_name"] {
            let mut changed = whole();
            match changed.pointer_mut(place).unwrap() {
                Json::String(text) => text.push('\0'),
                other => other["x\0y"] = json!({ "a": 1 }),
            }
            let error = read(&changed.to_string()).unwrap_err();
            assert!(error.contains(NUL), "{error}");
        }
    }
}
