//! Mails, through the operator's own service: one file for each.

use domain::provider::ProviderKind;

use crate::provider::Protocol;

/// Gives the protocol of a kind that carries mails over HTTP.
pub(crate) fn protocol(_kind: ProviderKind) -> Option<&'static dyn Protocol> {
    None
}
