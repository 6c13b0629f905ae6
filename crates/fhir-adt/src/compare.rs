//! What differs between two JSON values, as operations that turn one into the other (mapping section 10.1).
//!
//! The operations are those of a JSON Patch (RFC 6902), in an order in which each can be applied after the ones before
//! it. Members are visited by name, lists of objects are aligned first, so that one missing member of a list is one
//! difference and not a shift of all that follow.

use serde_json::{Map, Value};

use crate::path::Path;

/// What to do at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The target has it, the base has not.
    Add,
    /// Both have it, differently.
    Replace,
    /// The base has it, the target has not.
    Remove,
}

impl Action {
    /// As RFC 6902 writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Remove => "remove",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Difference<'a> {
    pub(crate) action: Action,
    /// JSON Pointer.
    pub(crate) pointer: String,
    /// FHIRPath; of the list where a member is removed from it.
    pub(crate) expression: String,
    /// What the target has.
    pub(crate) value: Option<&'a Value>,
    /// What the base has.
    pub(crate) base: Option<&'a Value>,
}

/// How finely to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// A missing list or object is one difference: fewest operations.
    Whole,
    /// Each member of a missing list of objects, and of a missing `meta`, is one: for people.
    Members,
}

/// The operations that turn `base` into `target`, both Patients.
pub(crate) fn compare<'a>(base: &'a Value, target: &'a Value, detail: Detail) -> Vec<Difference<'a>> {
    let mut compare = Compare { detail, found: Vec::new() };
    compare.value(base, target, &Path::root("Patient"));
    compare.found
}

struct Compare<'a> {
    detail: Detail,
    found: Vec<Difference<'a>>,
}

impl<'a> Compare<'a> {
    fn value(&mut self, base: &'a Value, target: &'a Value, path: &Path<'_>) {
        match (base, target) {
            (Value::Object(base), Value::Object(target)) => self.object(base, target, path),
            (Value::Array(base), Value::Array(target)) if all_objects(base) && all_objects(target) => {
                self.list(base, target, path);
            }
            _ if base == target => {}
            _ => self.push(Action::Replace, path, path, Some(target), Some(base)),
        }
    }

    fn object(&mut self, base: &'a Map<String, Value>, target: &'a Map<String, Value>, path: &Path<'_>) {
        let mut names: Vec<&String> = base.keys().chain(target.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let inner = path.member(name);
            match (base.get(name), target.get(name)) {
                (Some(base), Some(target)) => self.value(base, target, &inner),
                (None, Some(target)) => self.added(target, &inner),
                (Some(base), None) => {
                    self.push(Action::Remove, &inner, &inner, None, Some(base));
                }
                (None, None) => {}
            }
        }
    }

    /// A member that only the target has.
    fn added(&mut self, target: &'a Value, path: &Path<'_>) {
        if self.detail == Detail::Members {
            match target {
                Value::Array(members) if all_objects(members) => {
                    return self.list(&[], members, path);
                }
                Value::Object(members) if path.pointer() == "/meta" => {
                    for (name, member) in members {
                        self.added(member, &path.member(name));
                    }
                    return;
                }
                _ => {}
            }
        }
        self.push(Action::Add, path, path, Some(target), None);
    }

    /// Two lists of objects, aligned so that the fewest changes remain.
    fn list(&mut self, base: &'a [Value], target: &'a [Value], path: &Path<'_>) {
        let mut at = 0;
        for step in align(base, target) {
            let inner = path.index(at);
            match step {
                Step::Both(b, t) => {
                    self.value(b, t, &inner);
                    at += 1;
                }
                Step::Target(t) => {
                    self.push(Action::Add, &inner, &inner, Some(t), None);
                    at += 1;
                }
                Step::Base(b) => self.push(Action::Remove, &inner, path, None, Some(b)),
            }
        }
    }

    fn push(
        &mut self,
        action: Action,
        at: &Path<'_>,
        told_at: &Path<'_>,
        value: Option<&'a Value>,
        base: Option<&'a Value>,
    ) {
        self.found.push(Difference {
            action,
            pointer: at.pointer(),
            expression: told_at.to_string(),
            value,
            base,
        });
    }
}

enum Step<'a> {
    Both(&'a Value, &'a Value),
    Base(&'a Value),
    Target(&'a Value),
}

/// Pairs members of two lists in order, at the least cost in changed leaves.
fn align<'a>(base: &'a [Value], target: &'a [Value]) -> Vec<Step<'a>> {
    let equal = |(b, t): &(&Value, &Value)| b == t;
    let head = base.iter().zip(target).take_while(equal).count();
    let (base_rest, target_rest) = (&base[head..], &target[head..]);
    let tail = base_rest.iter().rev().zip(target_rest.iter().rev()).take_while(equal).count();
    let (base_middle, base_tail) = base_rest.split_at(base_rest.len() - tail);
    let (target_middle, target_tail) = target_rest.split_at(target_rest.len() - tail);
    let mut steps: Vec<Step<'a>> =
        base[..head].iter().zip(&target[..head]).map(|(b, t)| Step::Both(b, t)).collect();
    steps.extend(align_middle(base_middle, target_middle));
    steps.extend(base_tail.iter().zip(target_tail).map(|(b, t)| Step::Both(b, t)));
    steps
}

/// Lists whose lengths have a larger product are aligned by looking ahead: the exact alignment takes time by it.
const ALIGN_CELLS: usize = 4_096;

/// How far [`align_long`] looks ahead for an equal member.
const LOOK_AHEAD: usize = 64;

fn align_middle<'a>(base: &'a [Value], target: &'a [Value]) -> Vec<Step<'a>> {
    let (rows, columns) = (base.len() + 1, target.len() + 1);
    if rows * columns > ALIGN_CELLS {
        return align_long(base, target);
    }
    // cost[b][t]: the least cost of turning base[b..] into target[t..].
    let mut cost = vec![0; rows * columns];
    let mut pair = vec![None; rows * columns];
    for b in (0..rows).rev() {
        for t in (0..columns).rev() {
            let here = b * columns + t;
            let mut best = if b + 1 == rows && t + 1 == columns { 0 } else { usize::MAX };
            if b + 1 < rows {
                best = best.min(cost[here + columns] + leaves(&base[b]) + 1);
            }
            if t + 1 < columns {
                best = best.min(cost[here + 1] + leaves(&target[t]) + 1);
            }
            if b + 1 < rows && t + 1 < columns && same_kind(&base[b], &target[t]) {
                pair[here] = Some(distance(&base[b], &target[t]));
                best = best.min(cost[here + columns + 1] + pair[here].unwrap_or(0));
            }
            cost[here] = best;
        }
    }
    let mut steps = Vec::with_capacity(rows.max(columns));
    let (mut b, mut t) = (0, 0);
    while b + 1 < rows || t + 1 < columns {
        let here = b * columns + t;
        if let Some(distance) = pair[here]
            && cost[here] == cost[here + columns + 1] + distance
        {
            steps.push(Step::Both(&base[b], &target[t]));
            (b, t) = (b + 1, t + 1);
        } else if b + 1 < rows && cost[here] == cost[here + columns] + leaves(&base[b]) + 1 {
            steps.push(Step::Base(&base[b]));
            b += 1;
        } else {
            steps.push(Step::Target(&target[t]));
            t += 1;
        }
    }
    steps
}

/// Pairs equal members that are at most [`LOOK_AHEAD`] apart, and what is left between them by position.
fn align_long<'a>(base: &'a [Value], target: &'a [Value]) -> Vec<Step<'a>> {
    let mut steps = Vec::with_capacity(base.len().max(target.len()));
    let (mut b, mut t) = (0, 0);
    while let (Some(old), Some(new)) = (base.get(b), target.get(t)) {
        let ahead = |list: &[Value], at: usize, wanted: &Value| {
            list.iter().skip(at).take(LOOK_AHEAD).position(|member| member == wanted)
        };
        match (ahead(base, b, new), ahead(target, t, old)) {
            (Some(gone), new_ones) if new_ones.is_none_or(|new_ones| gone <= new_ones) => {
                steps.extend(base.iter().skip(b).take(gone).map(Step::Base));
                b += gone;
                steps.push(Step::Both(&base[b], new));
            }
            (_, Some(new_ones)) => {
                steps.extend(target.iter().skip(t).take(new_ones).map(Step::Target));
                t += new_ones;
                steps.push(Step::Both(old, &target[t]));
            }
            _ if same_kind(old, new) => steps.push(Step::Both(old, new)),
            _ => steps.extend([Step::Base(old), Step::Target(new)]),
        }
        (b, t) = (b + 1, t + 1);
    }
    steps.extend(base.iter().skip(b).map(Step::Base));
    steps.extend(target.iter().skip(t).map(Step::Target));
    steps
}

/// Extensions with different urls, and resources of different types, are never the same thing.
fn same_kind(a: &Value, b: &Value) -> bool {
    a["url"] == b["url"] && a["resourceType"] == b["resourceType"]
}

/// How many leaves differ.
fn distance(a: &Value, b: &Value) -> usize {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let gone =
                a.iter().map(|(name, value)| b.get(name).map_or(leaves(value), |b| distance(value, b)));
            let new = b.iter().filter(|(name, _)| !a.contains_key(*name)).map(|(_, value)| leaves(value));
            gone.chain(new).sum()
        }
        _ if a == b => 0,
        _ => leaves(a).max(leaves(b)),
    }
}

fn leaves(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.values().map(leaves).sum(),
        Value::Array(members) => members.iter().map(leaves).sum(),
        _ => 1,
    }
}

fn all_objects(members: &[Value]) -> bool {
    members.iter().all(Value::is_object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch;
    use serde_json::json;

    fn expressions(base: &Value, target: &Value) -> Vec<String> {
        compare(base, target, Detail::Members).into_iter().map(|found| found.expression).collect()
    }

    /// Applied in order, the operations turn the base into the target.
    fn assert_patches(base: &Value, target: &Value) {
        let mut changed = base.clone();
        for found in compare(base, target, Detail::Whole) {
            patch::apply(&mut changed, found.action, &found.pointer, found.value.cloned()).expect("a target");
        }
        assert_eq!(&changed, target);
    }

    fn telecom(values: impl IntoIterator<Item = usize>) -> Value {
        let points: Vec<Value> = values
            .into_iter()
            .map(|value| json!({ "system": "phone", "value": value.to_string() }))
            .collect();
        json!({ "telecom": points })
    }

    #[test]
    fn a_missing_member_of_a_list_is_one_difference() {
        for length in [3, 500] {
            let base = telecom((0..length).filter(|value| *value != 1));
            let target = telecom(0..length);
            assert_eq!(expressions(&base, &target), ["Patient.telecom[1]"], "{length}");
            assert_patches(&base, &target);
            assert_patches(&target, &base);
        }
    }

    #[test]
    fn a_list_without_anything_in_common_is_still_patched() {
        let (base, target) = (telecom(0..300), telecom(1000..1200));
        assert_patches(&base, &target);
        assert_patches(&target, &base);
    }

    #[test]
    fn members_of_a_missing_list_are_told_one_by_one() {
        let target = json!({ "meta": { "source": "a", "tag": [{ "code": "t" }] }, "photo": [{}, {}] });
        let told = expressions(&json!({}), &target);
        assert_eq!(
            told,
            ["Patient.meta.source", "Patient.meta.tag[0]", "Patient.photo[0]", "Patient.photo[1]"]
        );
        assert_patches(&json!({}), &target);
    }

    #[test]
    fn names_with_slashes_are_escaped_in_pointers() {
        assert_patches(&json!({ "a/b": { "c~d": 1 } }), &json!({ "a/b": { "c~d": 2 } }));
    }
}
