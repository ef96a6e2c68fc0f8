//! What only a browser can prove: the shared rules come to the same in WebAssembly as natively, and every
//! interface language has the words and the plurals that it needs.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use jalon_shared::vectors::run_all;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const VECTORS: [(&str, &str); 5] = [
    ("track", include_str!("../../tests/vectors/track.json")),
    ("course", include_str!("../../tests/vectors/course.json")),
    ("grade", include_str!("../../tests/vectors/grade.json")),
    ("merge", include_str!("../../tests/vectors/merge.json")),
    ("text", include_str!("../../tests/vectors/text.json")),
];

#[wasm_bindgen_test]
fn g7_wasm_passes_every_vector() {
    let mut passed = 0;
    for (name, text) in VECTORS {
        passed += run_all(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(passed >= 20, "only {passed} vectors ran");
}

const LOCALES: [(&str, &str); 8] = [
    ("fr", include_str!("../locales/fr.json")),
    ("en", include_str!("../locales/en.json")),
    ("sv", include_str!("../locales/sv.json")),
    ("de", include_str!("../locales/de.json")),
    ("es", include_str!("../locales/es.json")),
    ("it", include_str!("../locales/it.json")),
    ("pl", include_str!("../locales/pl.json")),
    ("ar", include_str!("../locales/ar.json")),
];

type Locale = BTreeMap<String, String>;

fn read(text: &str) -> Locale {
    serde_json::from_str(text).unwrap()
}

/// The names that a sentence has places for.
fn places(sentence: &str) -> Vec<&str> {
    let mut names: Vec<&str> =
        sentence.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name)).collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[wasm_bindgen_test]
fn every_plural_has_its_other_and_no_category_its_language_lacks() {
    let intl: JsValue = js_sys::Reflect::get(&js_sys::global(), &"Intl".into()).unwrap();
    let rules: js_sys::Function = js_sys::Reflect::get(&intl, &"PluralRules".into()).unwrap().unchecked_into();
    for (lang, text) in LOCALES {
        let locale = read(text);
        let of_lang = js_sys::Reflect::construct(&rules, &js_sys::Array::of1(&lang.into())).unwrap();
        let options: js_sys::Function =
            js_sys::Reflect::get(&of_lang, &"resolvedOptions".into()).unwrap().unchecked_into();
        let resolved = options.call0(&of_lang).unwrap();
        let known: Vec<String> =
            js_sys::Array::from(&js_sys::Reflect::get(&resolved, &"pluralCategories".into()).unwrap())
                .iter()
                .filter_map(|category| category.as_string())
                .collect();
        for key in locale.keys() {
            let Some((stem, category)) = key.rsplit_once('.') else {
                continue;
            };
            if ["zero", "one", "two", "few", "many"].contains(&category) {
                assert!(known.iter().any(|other| other == category), "{lang} has no plural {category}: {key}");
                assert!(locale.contains_key(&format!("{stem}.other")), "{lang}: {stem}.other is missing");
            }
        }
    }
}

#[wasm_bindgen_test]
fn no_translation_names_a_place_that_is_never_filled() {
    let english = read(LOCALES[1].1);
    for (lang, text) in LOCALES {
        for (key, sentence) in read(text) {
            assert!(!sentence.trim().is_empty(), "{lang}: {key} is blank");
            let stem = key.rsplit_once('.').map_or(key.as_str(), |(stem, _)| stem);
            let model = english.get(&key).or_else(|| english.get(&format!("{stem}.other")));
            let model = model.unwrap_or_else(|| panic!("{lang}: nobody asks for {key}"));
            for place in places(&sentence) {
                assert!(places(model).contains(&place), "{lang}: {key} has {{{place}}}");
            }
        }
    }
}
