//! What the mapping does not take, and what that is on each surface.

use axum::http::StatusCode;

use crate::{outcome::Issue, routes::Surface};

/// One thing the mapping does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) fault: Fault,
    /// FHIRPath of the element.
    pub(crate) expression: String,
    /// Place and reason, without values.
    pub(crate) text: String,
}

/// What kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Another JSON type than the element's, or an element that R4 does not have.
    Structure,
    /// Text that is no value of the element's type.
    Value,
    /// A code outside a required value set.
    Code,
    /// An extension or rules that must be understood and are not.
    Modifier,
    /// A rule of the mapping.
    Rule,
}

impl Fault {
    /// FHIR R4 issue-type.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Value => "value",
            Self::Code => "code-invalid",
            Self::Modifier => "extension",
            Self::Rule => "business-rule",
        }
    }
}

impl Refusal {
    pub(super) fn issue(&self) -> Issue {
        Issue {
            severity: "error",
            code: self.fault.code(),
            expression: self.expression.clone(),
            diagnostics: self.text.clone(),
        }
    }
}

/// 400 for a wrong shape and for everything on the persistence API, as the original answers; 422 for values.
pub(super) fn status(refusals: &[Refusal], surface: Surface) -> (StatusCode, &'static str) {
    let fault = refusals.first().map_or(Fault::Rule, |refusal| refusal.fault);
    let shape = refusals.iter().any(|refusal| refusal.fault == Fault::Structure);
    let status = match surface {
        Surface::Fhir if !shape => StatusCode::UNPROCESSABLE_ENTITY,
        Surface::Fhir | Surface::Persistence => StatusCode::BAD_REQUEST,
    };
    (status, fault.code())
}

/// The sample's text, then what is wrong and where.
pub(super) fn text(refusals: &[Refusal]) -> String {
    let mut text = "Unable to parse resource Patient:".to_owned();
    for refusal in refusals.iter().take(MOST) {
        text.push(' ');
        text.push_str(&refusal.text);
    }
    if refusals.len() > MOST {
        text.push_str(&format!(" And {} more.", refusals.len() - MOST));
    }
    text
}

/// For the log: which kinds.
pub(super) fn places(refusals: &[Refusal]) -> String {
    let places: Vec<_> = refusals.iter().take(MOST).map(|refusal| refusal.fault.code()).collect();
    places.join(", ")
}

const MOST: usize = 10;
