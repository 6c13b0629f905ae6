//! Claims that may still be stored although their write has ended, and of which this process knows what came of it.
//!
//! The store's answer to a claim may be lost after the claim was stored: nothing was queued under it. Or the record that
//! replaces it was not taken: it is kept as [unsaved](crate::unsaved). The next write here need not wait for the claim's
//! end; other processes do.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use message_store::{Claim, PatientKey};

/// The nonce of the last such claim, by patient; when there are too many, new ones are not kept and run out.
#[derive(Debug, Default)]
pub(crate) struct OwnClaims {
    nonces: Mutex<HashMap<PatientKey, String>>,
}

impl OwnClaims {
    pub(crate) fn keep(&self, patient: &PatientKey, claim: &Claim) {
        let mut nonces = self.nonces();
        if nonces.len() < MOST || nonces.contains_key(patient) {
            nonces.insert(patient.clone(), claim.nonce.clone());
        }
    }

    pub(crate) fn forget(&self, patient: &PatientKey) {
        self.nonces().remove(patient);
    }

    pub(crate) fn holds(&self, patient: &PatientKey, claim: &Claim) -> bool {
        self.nonces().get(patient) == Some(&claim.nonce)
    }

    fn nonces(&self) -> MutexGuard<'_, HashMap<PatientKey, String>> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MOST: usize = 10_000;
