//! Interfaces that vendors' clients call: their paths, their ways to say who calls, their ways to say what is wrong.
//!
//! Invariants: whatever goes wrong under a vendor's path is said in the vendor's shape, also what no handler saw;
//! nothing here decides: a command is the same as that of the API.
//! Left to others: what a body means and how a request is shown (`dialects::face`).

pub(crate) mod clickwrap;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use crate::problem::Problem;

/// Has the answers under a vendor's paths say problems in its words.
pub(crate) async fn in_their_words(request: Request, next: Next) -> Response {
    let vendor = Place::of(request.uri().path());
    let mut response = next.run(request).await;
    let Some(vendor) = vendor else { return response };
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    match vendor {
        Place::Clickwrap => clickwrap::say(response, &problem),
    }
}

/// Whose interface a path belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Ironclad Clickwrap's.
    Clickwrap,
}

impl Place {
    fn of(path: &str) -> Option<Self> {
        let is_below = |place: &str| {
            path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        is_below("/v1.1").then_some(Self::Clickwrap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_whom_it_begins_with() {
        assert_eq!(Place::of("/v1.1/requests/1"), Some(Place::Clickwrap));
        assert_eq!(Place::of("/v1.1"), Some(Place::Clickwrap));
        for path in ["/v1.10/requests", "/api/v1/requests", "/v1", "/"] {
            assert_eq!(Place::of(path), None, "{path}");
        }
    }
}
