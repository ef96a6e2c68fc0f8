//! Keys for questions that come with a title, or with nothing but their words.

use sha2::{Digest as _, Sha256};

/// The longest key made of words, so that there is room for a number behind it.
const LONGEST: usize = 48;

/// A key: the words themselves where they are one, else made of them. The same words give the same key.
pub(super) fn key(words: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !words.is_empty() && words.len() <= 64 && words.bytes().all(fits) {
        return words.to_owned();
    }
    let mut key = String::new();
    let mut lost = 0;
    for c in words.chars().flat_map(char::to_lowercase) {
        match plain(c) {
            Some(part) => key.push_str(part),
            None if c.is_ascii_alphanumeric() => key.push(c),
            None if c.is_alphanumeric() => lost += 1,
            None if !key.is_empty() && !key.ends_with('-') => key.push('-'),
            None => {}
        }
        if key.len() >= LONGEST {
            break;
        }
    }
    let key = key.trim_end_matches('-');
    // What is not written in Latin letters leaves too little to tell two questions apart.
    if key.len() > lost {
        return key.to_owned();
    }
    let digest = Sha256::digest(words.as_bytes());
    digest.iter().take(6).fold("q".to_owned(), |key, byte| format!("{key}{byte:02x}"))
}

/// Letters with accents, without them.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ą' | 'ă' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'è' | 'é' | 'ê' | 'ë' | 'ę' | 'ě' => "e",
        'ì' | 'í' | 'î' | 'ï' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' => "o",
        'œ' => "oe",
        'ř' => "r",
        'š' | 'ś' | 'ș' => "s",
        'ß' => "ss",
        'ù' | 'ú' | 'û' | 'ü' | 'ů' | 'ű' => "u",
        'ý' | 'ÿ' => "y",
        'ž' | 'ź' | 'ż' => "z",
        _ => return None,
    })
}
