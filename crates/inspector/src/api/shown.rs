//! How much of a patient an answer shows.

use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;

use crate::Inspector;
use crate::access::Reading;
use crate::index::Row;
use crate::mask;
use crate::problem::Problem;

/// `?mask=`, of every call that shows a message.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct Shown {
    pub(crate) mask: Option<bool>,
}

impl Shown {
    /// Whether values are hidden. Showing what is hidden by default needs the token, and leaves a line in the log.
    pub(crate) fn masked(self, inspector: &Inspector, headers: &HeaderMap) -> Result<bool, Problem> {
        let masked = self.mask.unwrap_or(inspector.mask);
        if !masked && inspector.mask {
            if inspector.access.reading() == Reading::Open && !inspector.access.knows_token(headers) {
                let detail = "values of patients are hidden here; the token of this run shows them";
                return Err(Problem::new(StatusCode::UNAUTHORIZED, "token", detail));
            }
            tracing::info!("an operator looked at values of patients");
        }
        Ok(masked)
    }
}

/// A row as it is shown.
pub(crate) fn row(mut row: Row, masked: bool) -> Row {
    if masked {
        row.name = mask::text(&row.name);
        row.mrn = mask::text(&row.mrn);
        if !is_own(&row.control_id) {
            row.control_id = mask::text(&row.control_id);
        }
    }
    row
}

/// A control id of our own says nothing of anybody; a foreign one may.
fn is_own(control_id: &str) -> bool {
    control_id.len() == 20
        && control_id.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte))
}
