//! Text to tokens, as BERT has it (J. Devlin et al., arXiv 1810.04805): cleaned, lower case, no accents, split at spaces,
//! punctuation and CJK characters, then the longest pieces that the vocabulary has.

use std::collections::HashMap;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Longer words are unknown.
const LONGEST: usize = 100;

pub struct Tokenizer {
    pieces: HashMap<String, u32>,
    start: u32,
    end: u32,
    unknown: u32,
}

impl Tokenizer {
    /// A vocabulary, one piece a line.
    pub fn new(vocabulary: &str) -> Result<Self, String> {
        let pieces: HashMap<String, u32> = vocabulary.lines().map(str::to_owned).zip(0..).collect();
        let id = |piece: &str| pieces.get(piece).copied().ok_or(format!("the vocabulary has no {piece}"));
        Ok(Self { start: id("[CLS]")?, end: id("[SEP]")?, unknown: id("[UNK]")?, pieces })
    }

    /// Tokens of a text between start and end, no more than `limit` in all.
    pub fn encode(&self, text: &str, limit: usize) -> Vec<u32> {
        let mut out = vec![self.start];
        for word in words(text) {
            self.word(&word, &mut out);
        }
        out.truncate(limit - 1);
        out.push(self.end);
        out
    }

    /// The longest piece at the front, then the longest of what is left.
    fn word(&self, word: &str, out: &mut Vec<u32>) {
        let before = out.len();
        let letters: Vec<char> = word.chars().collect();
        let mut first = 0;
        while first < letters.len() && letters.len() <= LONGEST {
            let piece = |end: usize| {
                let text: String = letters[first..end].iter().collect();
                self.pieces.get(&if first > 0 { format!("##{text}") } else { text }).map(|id| (end, *id))
            };
            let Some((end, id)) = (first + 1..=letters.len()).rev().find_map(piece) else { break };
            out.push(id);
            first = end;
        }
        if first < letters.len() {
            out.truncate(before);
            out.push(self.unknown);
        }
    }
}

/// Words and single punctuation marks.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in text.chars().filter(|c| !is_control(*c)) {
        if c.is_whitespace() {
            words.push(String::new());
        } else if is_cjk(c) {
            words.extend([c.to_string(), String::new()]);
        } else {
            words.last_mut().expect("one at least").push(c);
        }
    }
    let plain = |word: String| -> String {
        let bare =
            word.nfd().filter(|c| c.general_category_group() != GeneralCategoryGroup::Mark || !is_accent(*c));
        bare.collect::<String>().to_lowercase()
    };
    let mut out = vec![];
    for word in words.into_iter().map(plain) {
        let mut rest = String::new();
        for c in word.chars() {
            if is_punctuation(c) {
                out.push(std::mem::take(&mut rest));
                out.push(c.to_string());
            } else {
                rest.push(c);
            }
        }
        out.push(rest);
    }
    out.retain(|w| !w.is_empty());
    out
}

/// A mark that takes no room of its own.
fn is_accent(c: char) -> bool {
    c.general_category() == unicode_properties::GeneralCategory::NonspacingMark
}

/// NUL, the replacement character and what is neither printed nor space.
fn is_control(c: char) -> bool {
    let other = c.general_category_group() == GeneralCategoryGroup::Other;
    c == '\0' || c == '\u{fffd}' || (other && !matches!(c, '\t' | '\n' | '\r'))
}

/// Punctuation of Unicode, and every ASCII character that is neither letter, digit nor space.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// Ideographs, which are words of their own.
fn is_cjk(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x2_0000..=0x2_A6DF | 0x2_A700..=0x2_B73F | 0x2_B740..=0x2_B81F
        | 0x2_B920..=0x2_CEAF | 0xF900..=0xFAFF | 0x2_F800..=0x2_FA1F)
}
