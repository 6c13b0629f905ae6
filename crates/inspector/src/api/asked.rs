//! The message that a path names, and how much of it the answer shows.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};

use super::messages::find;
use super::shown::Shown;
use crate::Inspector;
use crate::index::Row;

/// `/messages/{id}…?mask=`: the row, and whether values of the patient are hidden.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) row: Row,
    pub(super) masked: bool,
}

impl FromRequestParts<Arc<Inspector>> for Asked {
    type Rejection = Response;

    /// Who may see nothing learns nothing: the right to look is asked before the message is looked for.
    async fn from_request_parts(parts: &mut Parts, inspector: &Arc<Inspector>) -> Result<Self, Response> {
        let Path(id) = Path::<String>::from_request_parts(parts, inspector)
            .await
            .map_err(IntoResponse::into_response)?;
        let Query(shown) = Query::<Shown>::from_request_parts(parts, inspector)
            .await
            .map_err(IntoResponse::into_response)?;
        let masked = shown.masked(inspector, &parts.headers).map_err(IntoResponse::into_response)?;
        let row = find(inspector, &id).map_err(IntoResponse::into_response)?;
        Ok(Self { row, masked })
    }
}
