//! A body that must be what its sender signed.
//!
//! The check runs while the body is read, over its bytes as they came, and its end is an error when they are not the
//! signed ones. So nobody can act on a whole body that was not checked.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::{AuthError, signature::BodySignature, sigv4::SignedRequest};

/// A proof that the body completes.
#[derive(Debug)]
pub(crate) struct BodyCheck(Proof);

#[derive(Debug)]
enum Proof {
    /// `X-Signature`.
    Signature(BodySignature),
    /// SigV4; boxed for its size.
    SigV4(Box<SignedRequest>),
}

impl From<BodySignature> for BodyCheck {
    fn from(signature: BodySignature) -> Self {
        Self(Proof::Signature(signature))
    }
}

impl From<SignedRequest> for BodyCheck {
    fn from(request: SignedRequest) -> Self {
        Self(Proof::SigV4(Box::new(request)))
    }
}

impl BodyCheck {
    fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Proof::Signature(signature) => signature.update(bytes),
            Proof::SigV4(request) => request.update(bytes),
        }
    }

    /// Says whether the bytes so far are the signed ones.
    pub(crate) fn finish(self) -> Result<(), AuthError> {
        match self.0 {
            Proof::Signature(signature) => signature.finish(),
            Proof::SigV4(request) => request.finish(),
        }
    }
}

pub(crate) struct CheckedBody {
    inner: Body,
    /// Gone when the end was reached.
    check: Option<BodyCheck>,
}

impl CheckedBody {
    pub(crate) fn new(inner: Body, check: BodyCheck) -> Self {
        Self { inner, check: Some(check) }
    }
}

impl HttpBody for CheckedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            Some(Ok(frame)) => {
                if let (Some(check), Some(data)) = (&mut self.check, frame.data_ref()) {
                    check.update(data);
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => Some(Err(error.into())),
            None => {
                let checked = self.check.take().map_or(Ok(()), BodyCheck::finish);
                checked.err().map(|error| Err(error.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.check.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
