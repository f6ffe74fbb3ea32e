//! Ironclad's interface (`/public/api/v1`): what its families of calls share, one file for each of which is beside this one.
//!
//! Invariants: every answer names its call in `x-ironclad-requestid`; whatever is wrong is said as `{code, message, param?}`;
//! pages count from 0, and every list but that of webhooks says how many there are.
//! Left to others: shapes (`dialects::face::ironclad`), deciding (`engine`).

mod act;
pub(crate) mod comments;
pub(crate) mod course;
pub(crate) mod documents;
mod find;
mod parts;
pub(crate) mod people;
pub(crate) mod review;
pub(crate) mod signing;
pub(crate) mod token;
pub(crate) mod webhooks;
mod who;
pub(crate) mod workflows;

use axum::response::Response;
use domain::workflow::Workflow;
use engine::face::ironclad::{self as face, Error, People};
use engine::problem::Problem as Page;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::json;

use self::find::{find, find_internal};
use self::who::{Actor, Call};
use crate::answer;
use crate::auth::{Caller, REVOKED};
use crate::page::Query;
use crate::problem::{Halt, Problem};
use crate::state::State;
use crate::vendors::{instead, known};

/// The last page that can be asked for.
const PAGE_MAX: u32 = 100_000_000;
/// Entries of a page, unless the call says otherwise.
const PAGE_SIZE_DEFAULT: u32 = 20;
/// The most entries of a page.
const PAGE_SIZE_MAX: u32 = 100;

/// Which page of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Paged {
    page: u32,
    size: u32,
}

impl Paged {
    /// Takes `page` and `pageSize`; what is wrong with them is told when the query is done.
    fn of(query: &mut Query) -> Self {
        let page = query.within("page", (0, PAGE_MAX)).unwrap_or(0);
        let size = query.within("pageSize", (1, PAGE_SIZE_MAX)).unwrap_or(PAGE_SIZE_DEFAULT);
        Self { page, size }
    }

    /// Counts the entries before the page.
    const fn before(self) -> usize {
        (self.page as usize).saturating_mul(self.size as usize)
    }

    /// Gives the entries of the page.
    fn part<T>(self, all: &[T]) -> impl Iterator<Item = &T> {
        all.iter().skip(self.before()).take(self.size as usize)
    }

    /// Answers with a page of what is all there.
    fn answer<T, S: Serialize>(self, all: &[T], show: impl Fn(&T) -> S) -> Response {
        let list: Vec<S> = self.part(all).map(show).collect();
        self.answer_with(all.len(), &list)
    }

    /// Answers with a page, and how many there are in all.
    fn answer_with<S: Serialize>(self, count: usize, list: &[S]) -> Response {
        let body = json!({"page": self.page, "pageSize": self.size, "count": count, "list": list});
        answer::ok(&body)
    }
}

/// Gives the people of a workflow, and what the account is called.
const fn people<'a>(workflow: &'a Workflow, company: &'a str) -> People<'a> {
    People { workflow, company }
}

/// Finds what the account is called.
async fn company(caller: &Caller) -> Result<String, Halt> {
    let all = caller.engine().views().accounts().await?;
    let mut own = all.into_iter().filter(|account| account.id == caller.account());
    Ok(own.next().map(|account| account.name).unwrap_or_default())
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        said_as(error.status(), &error)
    }
}

/// Stops with an error of the vendor's, where its status is not the usual one.
fn said_as(status: u16, error: &Error) -> Halt {
    Halt::Said(Box::new(answer::json((status, answer::text(error)))))
}

/// Names the call in its answer.
pub(crate) fn name(response: &mut Response, state: &State) {
    let id = face::request_id(state.engine().draw());
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("x-ironclad-requestid"), id);
    }
}

/// Says a problem in the vendor's way.
pub(crate) fn say(response: Response, problem: &Problem) -> Response {
    const NAMED: [StatusCode; 7] = [
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::CONFLICT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if problem.page() == Page::Impossible {
        let error = Error::state(problem.detail());
        return instead(response, StatusCode::BAD_REQUEST, &json!(error));
    }
    let status = known(response.status(), &NAMED);
    let flaw = problem.errors().first();
    let (param, said) = flaw.map(|flaw| face::placed(&flaw.path, &flaw.message)).unzip();
    let message = match (problem.page(), said) {
        (Page::KeyExpired, _) => "token has expired".to_owned(),
        (Page::KeyInvalid, _) if problem.has(REVOKED) => "token has been revoked".to_owned(),
        (Page::KeyInvalid | Page::KeyMissing, _) => "invalid authentication token".to_owned(),
        (_, Some(said)) => said,
        (_, None) => problem.detail().to_owned(),
    };
    let error = Error { code: face::code(status.as_u16()), message, param: param.flatten() };
    instead(response, status, &json!(error))
}
