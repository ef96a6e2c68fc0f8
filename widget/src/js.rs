//! Values between JavaScript and Rust, by hand.
//!
//! The browser parses JSON anyway; here its objects become the wire types of `jalon-shared`, field by
//! field. `serde_json` weighed 60 KB of download and serde over JavaScript's objects still 15, so serde
//! only reads the names of enums. An error says nothing but that something could not be read: then no
//! formatting is linked in.

use jalon_shared::{
    ChoiceId, EnrollmentId, GuestId, ItemId, Lang, LessonId, QuestionId, QuizId, Resolved, Score, StepId, Timestamp,
    UserId,
    quiz::{Answer, Quantity, Reveal, source::QuestionKindName},
    slug::CourseSlug,
    track::{StepKind, StepState, TrackSlug, TrackType},
    wire::{
        enrollment::{AdvanceRequest, Enrollment, EnrollmentStep, TrackRef},
        guest::GuestCreated,
        merge::{MergeOutcome, MergeReceipt, MergedTrack},
        quiz::{ChoiceFeedback, ChoiceView, QuestionResult, QuestionView, QuizView, RightAnswer},
        site::{Look, SiteView},
        track::{CaptionView, LessonStep, StepBody, StepOutline, TrackView, VideoView},
    },
};
use js_sys::{Array, Object, Reflect};
use serde::{Deserialize, de, de::value::StrDeserializer};
use uuid::Uuid;
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
    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Self
    }
}

/// What can be read from a JavaScript value.
pub trait FromJs: Sized {
    /// Reads it.
    fn from_js(value: &JsValue) -> Result<Self, Unreadable>;
}

/// A field of an object; undefined where there is none.
pub fn field(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// A field of an object, read.
pub fn get<T: FromJs>(value: &JsValue, name: &str) -> Result<T, Unreadable> {
    T::from_js(&field(value, name))
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

/// A moment, as the wire has it.
#[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
pub fn moment(at: Timestamp) -> JsValue {
    js_sys::Date::new(&(at.0 as f64).into()).to_iso_string().into()
}

/// A score, as the wire has it.
pub fn score(score: Score) -> JsValue {
    (f64::from(score.hundredths()) / 100.0).into()
}

/// Reads the fields of structs. A field that is missing is read as `undefined`: an `Option` is then
/// `None`, a `Vec` empty, and anything else unreadable. Unknown fields are not looked at, so that a newer
/// server may add some.
#[macro_export]
macro_rules! from_js {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl $crate::js::FromJs for $name {
            #[inline(never)]
            fn from_js(value: &wasm_bindgen::JsValue) -> Result<Self, $crate::js::Unreadable> {
                if !value.is_object() {
                    return Err($crate::js::Unreadable);
                }
                Ok(Self { $($field: $crate::js::get(value, stringify!($field))?),* })
            }
        }
    )*};
}

from_js! {
    Resolved { value, lang, fallback }
    SiteView { slug, name, default_lang, languages, look, login_url }
    Look { accent, accent_dark, radius, font, logo_url }
    TrackView { site, slug, track_type, version, source_lang, languages, title, summary, steps }
    StepOutline { id, order, kind, title, required, pass_mark, scored }
    StepBody { step_id, order, kind, title, required, pass_mark, content, video, quiz, lesson, url }
    LessonStep { course, version, lesson_id, title, items }
    VideoView { url, duration_seconds, poster, captions }
    CaptionView { lang, url }
    QuizView { attempt, max_attempts, cooldown_seconds, retry_at, reveal, questions }
    QuestionView { id, kind, points, prompt, choices, items, lefts, rights, hints }
    ChoiceView { id, text, value }
    QuestionResult { question_id, score, awaits_grading, feedback, choices, right }
    ChoiceFeedback { choice_id, feedback }
    RightAnswer { choice_ids, texts, number, tolerance, pairs, order }
    Enrollment {
        id, site, track, user_id, guest_id, current_step_order, version, started_at, completed_at,
        score, time_spent_seconds, steps,
    }
    TrackRef { slug, track_type, version }
    EnrollmentStep {
        step_id, order, state, blocked_by, required, score, attempt_count, time_spent_seconds,
        last_position, completed_at, last_attempt_at,
    }
    GuestCreated { guest_id, token, expires_at }
    MergedTrack { track, enrollment_id, outcome, current_step_order, steps_from_guest, completed_by_merge }
    AdvanceRequest { answers, time_spent_seconds, last_position }
    Answer { question_id, choice_ids, text, number, pairs, order }
}

impl FromJs for MergeReceipt {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        Ok(Self {
            guest_id: get(value, "guest_id")?,
            user_id: get(value, "user_id")?,
            merged_at: get(value, "merged_at")?,
            tracks: get(value, "tracks")?,
            // A guest was there by a track: what is said of the track is enough.
            courses: Vec::new(),
        })
    }
}

#[inline(never)]
fn string(value: &JsValue) -> Result<String, Unreadable> {
    value.as_string().ok_or(Unreadable)
}

#[inline(never)]
fn integer(value: &JsValue) -> Result<u64, Unreadable> {
    let n = value.as_f64().ok_or(Unreadable)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole, exact and not negative"
    )]
    if n % 1.0 == 0.0 && (0.0..9e15).contains(&n) { Ok(n as u64) } else { Err(Unreadable) }
}

macro_rules! integers {
    ($($name:ident)*) => {$(
        impl FromJs for $name {
            fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
                $name::try_from(integer(value)?).map_err(|_| Unreadable)
            }
        }
    )*};
}
integers! { u8 u16 u32 u64 }

macro_rules! ids {
    ($($name:ident)*) => {$(
        impl FromJs for $name {
            fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
                uuid(value).map($name)
            }
        }
    )*};
}
ids! { StepId QuestionId ChoiceId EnrollmentId GuestId QuizId LessonId ItemId }

#[inline(never)]
fn uuid(value: &JsValue) -> Result<Uuid, Unreadable> {
    Uuid::try_parse(&string(value)?).map_err(|_| Unreadable)
}

macro_rules! enums {
    ($($name:ident)*) => {$(
        impl FromJs for $name {
            fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
                Self::deserialize(StrDeserializer::new(&string(value)?))
            }
        }
    )*};
}
enums! { StepKind StepState TrackType Reveal QuestionKindName MergeOutcome }

macro_rules! parsed {
    ($($name:ident)*) => {$(
        impl FromJs for $name {
            fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
                Self::parse(&string(value)?).map_err(|_| Unreadable)
            }
        }
    )*};
}
parsed! { Lang TrackSlug CourseSlug UserId }

impl FromJs for String {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        string(value)
    }
}

impl FromJs for f64 {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        value.as_f64().ok_or(Unreadable)
    }
}

impl FromJs for bool {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        // What is false may be left out.
        if value.is_undefined() { Ok(false) } else { value.as_bool().ok_or(Unreadable) }
    }
}

impl FromJs for Timestamp {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        let n = js_sys::Date::parse(&string(value)?);
        #[expect(clippy::cast_possible_truncation, reason = "a date has far fewer digits")]
        if n.is_nan() { Err(Unreadable) } else { Ok(Self(n as i64)) }
    }
}

impl FromJs for Score {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        hundredths(value, 100.0).and_then(|n| Self::from_hundredths(n).map_err(|_| Unreadable))
    }
}

impl FromJs for Quantity {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        hundredths(value, 1e6).map(Self)
    }
}

/// A number, in parts of one.
#[inline(never)]
fn hundredths(value: &JsValue, parts: f64) -> Result<i64, Unreadable> {
    let n = (value.as_f64().ok_or(Unreadable)? * parts).round();
    #[expect(clippy::cast_possible_truncation, reason = "checked to be within what is exact")]
    if n.abs() < 9e15 { Ok(n as i64) } else { Err(Unreadable) }
}

impl<T: FromJs> FromJs for Option<T> {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        if value.is_null() || value.is_undefined() { Ok(None) } else { T::from_js(value).map(Some) }
    }
}

impl<T: FromJs> FromJs for Vec<T> {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        let mut items = Self::new();
        if let Some(array) = value.dyn_ref::<Array>() {
            for n in 0..array.length() {
                items.push(T::from_js(&array.get(n))?);
            }
        } else if !value.is_undefined() {
            return Err(Unreadable);
        }
        Ok(items)
    }
}

impl<A: FromJs, B: FromJs> FromJs for (A, B) {
    fn from_js(value: &JsValue) -> Result<Self, Unreadable> {
        let pair: &Array = value.dyn_ref().ok_or(Unreadable)?;
        Ok((A::from_js(&pair.get(0))?, B::from_js(&pair.get(1))?))
    }
}
