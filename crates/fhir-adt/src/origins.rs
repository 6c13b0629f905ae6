//! Where the members of reordered lists stood in the source.

use std::collections::HashMap;

/// For each list that the normal form reordered or shortened, the old position of each of its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origins {
    lists: HashMap<String, Vec<usize>>,
}

impl Origins {
    /// Notes the old positions of a list's members, unless none moved. `path` is the list's FHIRPath in the normal
    /// form. A list that is reordered twice keeps the first positions.
    pub(crate) fn note(&mut self, path: &str, order: Vec<usize>) {
        if order.iter().enumerate().all(|(new, old)| new == *old) {
            return;
        }
        let order = match self.lists.get(path) {
            Some(earlier) => {
                order.iter().map(|&index| earlier.get(index).copied().unwrap_or(index)).collect()
            }
            None => order,
        };
        self.lists.insert(path.to_owned(), order);
    }

    /// The FHIRPath in the source of a FHIRPath in the normal form.
    pub(crate) fn source_path(&self, path: &str) -> String {
        if self.lists.is_empty() {
            return path.to_owned();
        }
        let (mut normal, mut source) = (String::with_capacity(path.len()), String::with_capacity(path.len()));
        for (depth, step) in path.split('.').enumerate() {
            if depth > 0 {
                normal.push('.');
                source.push('.');
            }
            let (name, index) = match step.strip_suffix(']').and_then(|step| step.split_once('[')) {
                Some((name, index)) => (name, index.parse::<usize>().ok()),
                None => (step, None),
            };
            normal.push_str(name);
            source.push_str(name);
            if let Some(index) = index {
                let old = self.lists.get(&normal).and_then(|list| list.get(index)).copied().unwrap_or(index);
                normal.push_str(&format!("[{index}]"));
                source.push_str(&format!("[{old}]"));
            }
        }
        source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_translated_at_every_level() {
        let mut origins = Origins::default();
        origins.note("Patient.telecom", vec![1, 0]);
        origins.note("Patient.contact[0].telecom", vec![2, 0, 1]);
        assert_eq!(origins.source_path("Patient.telecom[0].rank"), "Patient.telecom[1].rank");
        assert_eq!(
            origins.source_path("Patient.contact[0].telecom[0].use"),
            "Patient.contact[0].telecom[2].use"
        );
        assert_eq!(origins.source_path("Patient.name[1]"), "Patient.name[1]");
    }

    #[test]
    fn a_second_reordering_keeps_the_first_positions() {
        let mut origins = Origins::default();
        origins.note("Patient.identifier", vec![1, 2]);
        origins.note("Patient.identifier", vec![1, 0]);
        assert_eq!(origins.source_path("Patient.identifier[0]"), "Patient.identifier[2]");
    }
}
