//! The rules of the mapping, as its reference has them: warnings and refusals name them.

/// The specification itself.
const REFERENCE: &str = include_str!("../../../../docs/reference/mapping.md");

/// The text of a rule such as `TEL-8`.
pub(super) fn find(id: &str) -> Option<&'static str> {
    rows().find(|(name, _)| name.eq_ignore_ascii_case(id.trim())).map(|(_, text)| text)
}

/// The name of every rule.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    rows().map(|(name, _)| name)
}

/// Rows whose first cell is the id of a rule.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    REFERENCE.lines().filter_map(|line| {
        let (name, text) = line.strip_prefix("| ")?.split_once(" | ")?;
        let (family, number) = name.split_once('-')?;
        let is_rule = family.len() >= 2
            && family.bytes().all(|byte| byte.is_ascii_uppercase())
            && (1..=2).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // Segments and fields look like rules: `PID-3`.
        let is_field = ["MSH", "EVN", "PID", "PD", "NK", "PV", "MRG", "ZFP", "CX", "CE", "XPN", "XAD", "XTN"]
            .contains(&family);
        (is_rule && !is_field).then(|| (name, text.trim_end_matches(" |")))
    })
}
