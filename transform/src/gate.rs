//! The way in: who calls, whether they may, whether not too often. All of it before the body is read.

use std::{fmt, sync::Arc};

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use clock::Clock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Error, HookConfig,
    audit::Caller,
    auth::{AuthError, Authenticator, BodyCheck, CheckedBody, Permissions, Principal},
    error::HookError,
    openapi,
    rate::Rate,
    routes::{self, Place, Resources, Surface},
};

/// Stands before the hook.
#[derive(Debug)]
pub(crate) struct Gate {
    clock: Clock,
    base: String,
    authenticator: Option<Authenticator>,
    rate: Option<Rate>,
}

impl Gate {
    pub(crate) fn new(config: &HookConfig, clock: Clock) -> Result<Self, Error> {
        Ok(Self {
            clock,
            base: config.base().to_owned(),
            authenticator: Authenticator::new(&config.auth)?,
            rate: config.rate.map(Rate::new),
        })
    }

    /// Whether callers are asked who they are.
    pub(crate) fn asks(&self) -> bool {
        self.authenticator.is_some()
    }

    /// Reads secrets again that change, until `shutdown`.
    pub(crate) async fn watch(self: Arc<Self>, shutdown: CancellationToken) {
        if let Some(authenticator) = &self.authenticator {
            authenticator.watch(shutdown).await;
        }
    }

    /// Lets a request through, or says why not.
    async fn pass(&self, request: Request) -> Result<Request, HookError> {
        let Some(authenticator) = &self.authenticator else {
            self.take(ANYBODY)?;
            return Ok(request);
        };
        let (mut head, mut body) = request.into_parts();
        let path = head.uri.path();
        let wanted = match routes::place(&self.base, path) {
            Err(_) if routes::pattern(&self.base, path) == openapi::PATH => Wanted::Metadata,
            place => Wanted::of(place.ok(), &head.method),
        };
        if wanted == Wanted::Public || (wanted == Wanted::Metadata && authenticator.public_metadata()) {
            return Ok(Request::from_parts(head, body));
        }
        let (principal, check) = authenticator.admit(&head, self.clock.wall()).await?;
        if let Some(check) = check {
            body = checked(check, body, &head.method, wanted)?;
        }
        if let Some(caller) = head.extensions.get::<Caller>() {
            caller.is(&principal);
        }
        self.take(principal.name())?;
        wanted.check(&principal)?;
        head.extensions.insert(principal);
        Ok(Request::from_parts(head, body))
    }

    fn take(&self, caller: &str) -> Result<(), HookError> {
        match &self.rate {
            Some(rate) if !rate.take(caller, Instant::now()) => Err(HookError::TooManyRequests),
            _ => Ok(()),
        }
    }

    /// Asks before `inside` is asked.
    pub(crate) async fn guard<A: Future<Output = Response>>(
        &self,
        request: Request,
        inside: impl FnOnce(Request) -> A,
    ) -> Response {
        let surface = Surface::of(&self.base, request.uri().path());
        let mut response = match self.pass(request).await {
            Ok(request) => inside(request).await,
            Err(error) => error.respond(surface),
        };
        if let Some(authenticator) = &self.authenticator
            && response.status() == StatusCode::UNAUTHORIZED
            && let Ok(challenge) = HeaderValue::try_from(authenticator.challenge())
        {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

/// The gate before a router.
pub(crate) async fn gate(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    gate.guard(request, |request| next.run(request)).await
}

/// The body, bound to what was signed. One that nobody is going to read to its end before acting is checked here.
fn checked(check: BodyCheck, body: Body, method: &Method, wanted: Wanted) -> Result<Body, AuthError> {
    if body.is_end_stream() {
        return check.finish().map(|()| body);
    }
    if wanted == Wanted::Stream {
        return Err(AuthError::Invalid("a stream is worked on before its signature can be checked"));
    }
    if ![Method::POST, Method::PUT, Method::PATCH].contains(method) {
        return Err(AuthError::Invalid("a signed body where none is read"));
    }
    Ok(Body::new(CheckedBody::new(body, check)))
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Nothing at all.
    Public,
    /// Nothing, unless the configuration wants credentials for it.
    Metadata,
    /// A caller that is known.
    Caller,
    /// One interaction.
    One(Permissions),
    /// Bundles and notifications, which may hold any write.
    AnyWrite,
    /// A stream of creates and updates.
    Stream,
}

impl Wanted {
    fn of(place: Option<Place<'_>>, method: &Method) -> Self {
        let read = [Method::GET, Method::HEAD].contains(method);
        match place {
            Some(Place::Metadata) if read => Self::Metadata,
            // The handshake of CloudEvents carries no credentials (CloudEvents web hooks 1.0 §4).
            Some(Place::Webhook) if method == Method::OPTIONS => Self::Public,
            Some(Place::FhirBase | Place::Webhook) if method == Method::POST => Self::AnyWrite,
            Some(Place::Persistence(resources) | Place::Fhir(resources)) => match resources {
                Resources::Patients if method == Method::POST => Self::One(Permissions::CREATE),
                Resources::Patient { .. } if read => Self::One(Permissions::READ),
                Resources::Patient { .. } if method == Method::PUT => Self::One(Permissions::UPDATE),
                Resources::Patient { .. } if method == Method::DELETE => Self::One(Permissions::DELETE),
                Resources::Patients | Resources::Patient { .. } => Self::Caller,
            },
            Some(Place::Backfill) if method == Method::POST => Self::Stream,
            Some(Place::FhirBase | Place::Webhook | Place::Metadata | Place::Backfill) | None => Self::Caller,
        }
    }

    fn check(self, principal: &Principal) -> Result<(), HookError> {
        let permissions = match self {
            Self::Public | Self::Metadata | Self::Caller => Permissions::NONE,
            Self::One(permissions) => permissions,
            Self::AnyWrite => Permissions::WRITE,
            Self::Stream => Permissions::CREATE.and(Permissions::UPDATE),
        };
        if principal.may(permissions) {
            return Ok(());
        }
        Err(HookError::Forbidden { principal: principal.name().to_owned(), verb: self.to_string() })
    }
}

/// As a refusal says it: "may not {} Patient".
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(Permissions::CREATE) => "create",
            Self::One(Permissions::READ) => "read",
            Self::One(Permissions::UPDATE) => "update",
            Self::One(Permissions::DELETE) => "delete",
            Self::AnyWrite => "create, update and delete",
            Self::Stream => "create and update",
            Self::Public | Self::Metadata | Self::Caller | Self::One(_) => "use",
        })
    }
}

/// Whom the rate limit means when nobody is asked who they are.
const ANYBODY: &str = "-";
