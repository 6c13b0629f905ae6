//! Applying the operations of a JSON Patch (RFC 6902): add, replace, remove.

use serde_json::Value;

use crate::compare::Action;

/// Applies one operation; `None`, and nothing changed, where the pointer has no target.
pub(crate) fn apply(document: &mut Value, action: Action, pointer: &str, value: Option<Value>) -> Option<()> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let name = name.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent)? {
        Value::Object(members) => {
            match action {
                Action::Add => {
                    members.insert(name, value?);
                }
                Action::Replace => *members.get_mut(&name)? = value?,
                Action::Remove => {
                    members.remove(&name)?;
                }
            }
            Some(())
        }
        Value::Array(members) => {
            let index: usize = name.parse().ok()?;
            match action {
                Action::Add if index <= members.len() => members.insert(index, value?),
                Action::Replace => *members.get_mut(index)? = value?,
                Action::Remove if index < members.len() => {
                    members.remove(index);
                }
                Action::Add | Action::Remove => return None,
            }
            Some(())
        }
        _ => None,
    }
}
