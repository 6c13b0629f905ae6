//! Finding a code among many, by numbers.

/// Positions in a list of codes, ordered by what the codes begin with. Eight bytes are compared at once, and few codes
/// are longer.
#[derive(Debug, Default)]
pub(super) struct Index(Vec<(u64, usize)>);

impl Index {
    pub(super) fn new<'c>(codes: impl Iterator<Item = &'c str>) -> Self {
        let mut positions: Vec<_> = codes.enumerate().map(|(at, code)| (beginning(code), at)).collect();
        positions.sort_unstable();
        Self(positions)
    }

    /// The positions at which the code may stand, in the order of the list: it has to be compared with what is there.
    pub(super) fn find(&self, code: &str) -> impl Iterator<Item = usize> {
        let wanted = beginning(code);
        let start = self.0.partition_point(|(beginning, _)| *beginning < wanted);
        let found = self.0.iter().skip(start).take_while(move |(beginning, _)| *beginning == wanted);
        found.map(|(_, at)| *at)
    }
}

/// The first eight bytes as a number; two codes that differ may have the same one.
fn beginning(code: &str) -> u64 {
    code.bytes().take(8).fold(0, |number, byte| number << 8 | u64::from(byte))
}
