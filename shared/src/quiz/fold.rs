//! Which short answers are the same (C2): a text without what a teacher forgives.
//!
//! Forgiven are case, accents, spaces, invisible characters and punctuation around the text. Forgiven are not marks
//! that are letters of their script: vowel signs of Indic scripts, Japanese voicing marks, й beside и.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A text as short answers compare. Folding what is folded changes nothing.
pub fn folded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut base = ' ';
    for c in text.nfkd() {
        if is_combining_mark(c) {
            if is_letter_mark(base, c) {
                plain.push(c);
            }
            continue;
        }
        base = c;
        match c {
            '\u{00AD}'
            | '\u{0640}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2064}'
            | '\u{FEFF}' => {}
            '\u{2018}' | '\u{2019}' | '\u{02BC}' => plain.push('\''),
            '\u{2010}'..='\u{2015}' | '\u{2212}' => plain.push('-'),
            // The capital of ß is written SS as well.
            '\u{1E9E}' => plain.push_str("ss"),
            // By way of the capital letter: σ and ς, ss and ß are one each.
            c => match digit(c) {
                Some(digit) => plain.push(digit),
                None => plain.extend(c.to_uppercase().flat_map(char::to_lowercase)),
            },
        }
    }
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let trimmed = words.trim_matches(|c: char| !c.is_alphanumeric() && !is_combining_mark(c));
    // An answer of signs alone is its signs.
    if trimmed.is_empty() { words } else { trimmed.to_owned() }
}

/// Whether a mark makes another letter of what it stands on, and is no accent.
fn is_letter_mark(base: char, mark: char) -> bool {
    let cyrillic = matches!(base, '\u{0400}'..='\u{052F}');
    match mark {
        // Stress, and the dots of ё, are often left out; not so what makes ѓ and ќ, й, ї and ў.
        '\u{0300}' | '\u{0301}' if cyrillic => matches!(base, 'г' | 'Г' | 'к' | 'К'),
        '\u{0308}' if cyrillic => !matches!(base, 'е' | 'Е'),
        '\u{0302}'..='\u{036F}' if cyrillic => true,
        // Madda and hamza, often left out on alef; on waw and yeh they make another letter.
        '\u{0653}'..='\u{0655}' => base != '\u{0627}',
        // Combining marks of Latin and Greek, their extensions and half marks, marks for symbols, variants; Hebrew
        // points; Arabic short vowels and signs of recitation.
        '\u{0300}'..='\u{036F}'
        | '\u{1AB0}'..='\u{1AFF}'
        | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FE20}'..='\u{FE2F}'
        | '\u{0591}'..='\u{05C7}'
        | '\u{0610}'..='\u{061A}'
        | '\u{064B}'..='\u{065F}'
        | '\u{0670}'
        | '\u{06D6}'..='\u{06ED}' => false,
        _ => true,
    }
}

/// The ASCII digit of a decimal digit of another script, where the letters of the script are read here.
fn digit(c: char) -> Option<char> {
    const ZEROS: [u32; 18] = [
        0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0x0ED0,
        0x0F20, 0x1040, 0x17E0, 0x1810,
    ];
    let zero = ZEROS.into_iter().rfind(|zero| *zero <= u32::from(c))?;
    char::from_digit(u32::from(c) - zero, 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn c2_what_a_teacher_forgives_and_what_is_another_word() {
        for (a, b) in [
            ("Lillén", "LILLEN"),
            ("cochonne\u{0301}t", "cochonnét"),
            ("ΟΔΟΣ", "οδός"),
            ("Straße", "STRASSE"),
            ("STRAẞE", "strasse"),
            ("ISPARTA", "ısparta"),
            ("İzmir", "izmir"),
            ("Ｐétanque", "petanque"),
            ("١٢", "12"),
            ("१२", "12"),
            ("l’arbitre", "l'arbitre."),
            ("ёлка", "елка"),
            ("моло\u{0301}ко", "молоко"),
            ("שָׁלוֹם", "שלום"),
            ("كِتَاب", "كتاب"),
            ("أحمد", "احمد"),
            ("ｶﾞ", "ガ"),
            ("soft\u{00AD}hyphen", "softhyphen"),
            ("  le   but ! ", "Le but"),
        ] {
            assert_eq!(folded(a), folded(b), "{a} and {b}");
        }
        for (a, b) in [
            ("か", "が"),
            ("は", "ぱ"),
            ("कि", "की"),
            ("कि", "क"),
            ("क्", "क"),
            ("கா", "க"),
            ("กา", "ก"),
            ("ใกล้", "ใกล"),
            ("и", "й"),
            ("і", "ї"),
            ("к", "ќ"),
            ("سؤال", "سوال"),
            ("+", "-"),
            ("6", "9"),
        ] {
            assert_ne!(folded(a), folded(b), "{a} and {b}");
        }
    }

    proptest! {
        #[test]
        fn c2_folding_is_idempotent_and_knows_no_case_and_no_form(
            text in "[ -~À-ÿΑ-ωА-яא-ת\u{0621}-\u{064A}\u{0901}-\u{0963}\u{0E01}-\u{0E4E}ぁ-ヿ가-힣０-９\u{0300}-\u{0304}\u{3099}]{0,12}"
        ) {
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once.clone());
            prop_assert_eq!(folded(&text.nfc().collect::<String>()), once.clone());
            prop_assert_eq!(folded(&text.nfd().collect::<String>()), once.clone());
            prop_assert_eq!(folded(&text.to_uppercase()), folded(&text.to_lowercase()));
        }
    }
}
