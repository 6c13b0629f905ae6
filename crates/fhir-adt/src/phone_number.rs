//! The parts of a telephone number, only where they are certain (TEL-6).
//!
//! XTN.5 country, XTN.6 area, XTN.7 local, XTN.8 extension. These are numbers (NM) up to 2.6, and a number drops its
//! leading zeros, so a number with one is never split.

/// XTN.5 to XTN.8; a missing part is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    /// Country, area and local number, one after the other.
    digits: String,
    country: usize,
    area: usize,
    extension: &'a str,
}

impl Parts<'_> {
    /// XTN.5, XTN.6, XTN.7, XTN.8.
    pub(crate) fn all(&self) -> [&str; 4] {
        let (country, rest) = self.digits.split_at_checked(self.country).unwrap_or_default();
        let (area, local) = rest.split_at_checked(self.area).unwrap_or_default();
        [country, area, local, self.extension]
    }
}

/// Splits a number as it is written; `None` where the split is not certain. `default_country` is an ISO 3166 alpha-2
/// code; ten digits are a complete number in the countries of the North American plan.
pub(crate) fn split<'a>(value: &'a str, default_country: &str) -> Option<Parts<'a>> {
    let (number, extension) = without_extension(value);
    let is_punctuation = |c: char| matches!(c, ' ' | '(' | ')' | '-' | '.');
    let bare = number.trim_start_matches(is_punctuation);
    let (international, bare) = match bare.strip_prefix('+') {
        Some(bare) => (true, bare),
        None => (false, bare),
    };
    let is_north_american_country = NANP.binary_search(&default_country).is_ok();
    if !international && !is_north_american_country
        || !bare.chars().all(|c| c.is_ascii_digit() || is_punctuation(c))
    {
        return None;
    }
    let digits: String = bare.chars().filter(char::is_ascii_digit).collect();
    let national = if international { digits.strip_prefix('1').unwrap_or_default() } else { &digits };
    if is_north_american(national) {
        let country = usize::from(international);
        return Some(Parts { digits, country, area: 3, extension });
    }
    if !international || digits.starts_with('1') || !(7..=15).contains(&digits.len()) || has_trunk_zero(value)
    {
        return None;
    }
    let country = country_code(&digits)?.len();
    let (_, national) = digits.split_at_checked(country)?;
    if national.is_empty() || national.starts_with('0') {
        return None;
    }
    Some(Parts { digits, country, area: 0, extension })
}

/// True for a number with `(0)` in it.
fn has_trunk_zero(value: &str) -> bool {
    let mut last = [' '; 3];
    value.chars().filter(|c| *c != ' ').any(|c| {
        last = [last[1], last[2], c];
        last == ['(', '0', ')']
    })
}

/// The number without a trailing `x12`, `ext 12`, `ext. 12`, `#12` or `;ext=12`, and those digits. An extension with a
/// leading zero would lose it, so it is left in place, where it prevents the split.
fn without_extension(value: &str) -> (&str, &str) {
    let head = value.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = value.strip_prefix(head).unwrap_or_default();
    if digits.is_empty() || digits.starts_with('0') {
        return (value, "");
    }
    let head = head.trim_end_matches(' ');
    for marker in [";ext=", "ext.", "ext", "x", "#"] {
        if let Some(at) = head.len().checked_sub(marker.len())
            && let Some((number, tail)) = head.split_at_checked(at)
            && tail.eq_ignore_ascii_case(marker)
        {
            return (number, digits);
        }
    }
    (value, "")
}

/// `[2-9]dd[2-9]dddddd`.
fn is_north_american(digits: &str) -> bool {
    let starts = |at: usize| digits.as_bytes().get(at).is_some_and(|byte| (b'2'..=b'9').contains(byte));
    digits.len() == 10 && starts(0) && starts(3)
}

/// The ITU E.164 country code that the digits begin with. The codes are prefix-free.
fn country_code(digits: &str) -> Option<&str> {
    (1..=3)
        .filter_map(|length| digits.get(..length))
        .find(|code| code.parse::<u16>().is_ok_and(|number| COUNTRY_CODES.binary_search(&number).is_ok()))
}

/// ISO 3166 codes of the countries of the North American Numbering Plan.
const NANP: [&str; 25] = [
    "AG", "AI", "AS", "BB", "BM", "BS", "CA", "DM", "DO", "GD", "GU", "JM", "KN", "KY", "LC", "MP", "MS",
    "PR", "SX", "TC", "TT", "US", "VC", "VG", "VI",
];

/// ITU-T E.164 assigned country codes.
const COUNTRY_CODES: &[u16] = &[
    1, 7, 20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57,
    58, 60, 61, 62, 63, 64, 65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98, 211, 212, 213, 216, 218, 220,
    221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 235, 236, 237, 238, 239, 240, 241,
    242, 243, 244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 256, 257, 258, 260, 261, 262, 263,
    264, 265, 266, 267, 268, 269, 290, 291, 297, 298, 299, 350, 351, 352, 353, 354, 355, 356, 357, 358, 359,
    370, 371, 372, 373, 374, 375, 376, 377, 378, 379, 380, 381, 382, 383, 385, 386, 387, 389, 420, 421, 423,
    500, 501, 502, 503, 504, 505, 506, 507, 508, 509, 590, 591, 592, 593, 594, 595, 596, 597, 598, 599, 670,
    672, 673, 674, 675, 676, 677, 678, 679, 680, 681, 682, 683, 685, 686, 687, 688, 689, 690, 691, 692, 800,
    808, 850, 852, 853, 855, 856, 870, 878, 880, 881, 882, 883, 886, 888, 960, 961, 962, 963, 964, 965, 966,
    967, 968, 970, 971, 972, 973, 974, 975, 976, 977, 979, 992, 993, 994, 995, 996, 998,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(value: &str, country: &str) -> Option<String> {
        split(value, country).map(|parts| parts.all().join("^"))
    }

    #[test]
    fn tel_6_certain_numbers_are_split() {
        assert_eq!(parts("+1 (617) 555-0147 x12", "").as_deref(), Some("1^617^5550147^12"));
        assert_eq!(parts("(617) 555-0147", "US").as_deref(), Some("^617^5550147^"));
        assert_eq!(parts("+33 (237) 998327", "").as_deref(), Some("33^^237998327^"));
        assert_eq!(parts("+442079460000;ext=7", "").as_deref(), Some("44^^2079460000^7"));
        assert_eq!(parts("+1.617.555.0147 EXT. 9", "").as_deref(), Some("1^617^5550147^9"));
        assert_eq!(parts("+7 495 123-45-67", "").as_deref(), Some("7^^4951234567^"));
    }

    #[test]
    fn tel_6_uncertain_numbers_are_not() {
        for value in [
            "(03) 3410 5613",
            "(617) 555-0147",
            "+44 (0)20 7946 0000",
            "+39 06 698",
            "+1 117 555 0147",
            "+999 1234567",
            "+12",
            "911",
            "+1 617 555 0147 x07",
            "call me",
            "+1 617 555 0147 / 48",
            "",
            "+",
            "+44é20",
        ] {
            assert_eq!(parts(value, ""), None, "{value}");
        }
    }

    #[test]
    fn the_tables_are_sorted() {
        assert!(COUNTRY_CODES.is_sorted());
        assert!(NANP.is_sorted());
    }
}
