//! Who did what: one line per request, under the log target `audit`, without patient data.

use std::sync::{Arc, OnceLock};

use crate::auth::Principal;

/// In the extensions of a request: the place where the caller's name is written once it is known, so that it can be
/// told even of a request that panicked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller(Arc<OnceLock<String>>);

impl Caller {
    pub(crate) fn is(&self, principal: &Principal) {
        // Told once: a request passes the gate once.
        self.0.get_or_init(|| principal.name().to_owned());
    }

    /// Writes the line. `route` is the pattern of the path, never the path.
    pub(crate) fn record(&self, method: &str, route: &str, status: u16, trace_id: &str) {
        let principal = self.0.get().map_or("-", String::as_str);
        tracing::info!(
            target: "audit",
            principal,
            http.method = method,
            http.route = route,
            http.status = status,
            trace_id,
            "{principal} {method} {route}: {status}"
        );
    }
}
