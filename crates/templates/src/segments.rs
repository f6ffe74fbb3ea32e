//! Into how many parts networks cut a short message.
//!
//! Invariant: neither a pair of the GSM alphabet nor a pair of UTF-16 is cut apart.

/// How a short message goes over the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// In which alphabet.
    pub encoding: Encoding,
    /// How many units the text has: septets, or 16-bit units.
    pub units: usize,
    /// How many parts; none for an empty text.
    pub count: usize,
    /// How many units each part holds.
    pub per_segment: usize,
}

/// The alphabet of a short message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The GSM alphabet of 7 bits, with its extension: 160 units, or 153 in each of several parts.
    Gsm7,
    /// UTF-16, as soon as one character is not in the GSM alphabet: 70 units, or 67 in each of several parts.
    Ucs2,
}

/// Says into how many parts networks cut a text.
pub fn segments(text: &str) -> Segments {
    let gsm: Option<Vec<usize>> = text.chars().map(septets).collect();
    let (encoding, widths, alone, among_several) = match gsm {
        Some(widths) => (Encoding::Gsm7, widths, 160, 153),
        None => (Encoding::Ucs2, text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    let units = widths.iter().sum();
    if units <= alone {
        return Segments { encoding, units, count: units.min(1), per_segment: alone };
    }
    let (mut count, mut used) = (1, 0);
    for width in widths {
        if used + width > among_several {
            count += 1;
            used = 0;
        }
        used += width;
    }
    Segments { encoding, units, count, per_segment: among_several }
}

/// Gives the septets of a character of the GSM alphabet; `None` for any other.
fn septets(char: char) -> Option<usize> {
    if BASIC.contains(char) {
        Some(1)
    } else if EXTENSION.contains(char) {
        Some(2)
    } else {
        None
    }
}

const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// Each with an escape before it.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, encoding: Encoding, units: usize, count: usize, per_segment: usize) {
        assert_eq!(segments(text), Segments { encoding, units, count, per_segment });
    }

    #[test]
    fn the_gsm_alphabet_holds_160_alone_and_153_in_each_of_several() {
        check("", Encoding::Gsm7, 0, 0, 160);
        check(&"ä".repeat(160), Encoding::Gsm7, 160, 1, 160);
        check(&"ä".repeat(161), Encoding::Gsm7, 161, 2, 153);
        check(&"a".repeat(306), Encoding::Gsm7, 306, 2, 153);
        check(&"a".repeat(307), Encoding::Gsm7, 307, 3, 153);
    }

    #[test]
    fn an_extended_character_takes_two_and_is_not_cut_apart() {
        check(&"€".repeat(80), Encoding::Gsm7, 160, 1, 160);
        check(&"€".repeat(81), Encoding::Gsm7, 162, 2, 153);
        // 76 pairs fit into a part of 153, so the 153rd needs a third.
        check(&"€".repeat(153), Encoding::Gsm7, 306, 3, 153);
    }

    #[test]
    fn one_foreign_character_makes_all_of_them_wide() {
        check(&"ș".repeat(70), Encoding::Ucs2, 70, 1, 70);
        check(&"ș".repeat(71), Encoding::Ucs2, 71, 2, 67);
        check(&format!("{}ç", "a".repeat(70)), Encoding::Ucs2, 71, 2, 67);
    }

    #[test]
    fn an_emoji_takes_two_and_is_not_cut_apart() {
        check(&"🙂".repeat(35), Encoding::Ucs2, 70, 1, 70);
        check(&"🙂".repeat(36), Encoding::Ucs2, 72, 2, 67);
        // 33 pairs fit into a part of 67, so the 67th needs a third.
        check(&"🙂".repeat(67), Encoding::Ucs2, 134, 3, 67);
    }
}
