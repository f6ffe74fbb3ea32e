//! Ironclad Clickwrap's interface (v1.1): requests drafted, sent, read and listed with a bearer token, which is a key of ours.
//!
//! Statuses are those that the vendor names (200, 201, 400, 401, 403, 404), but for bodies that are too long or too slow,
//! and for trouble on our side.
//! Left to others: shapes (`dialects::face::clickwrap`).

use axum::response::Response;
use domain::id::RequestId;
use domain::key::Scope;
use domain::request::Request;
use engine::face::clickwrap as face;
use engine::{Flaw, Once};
use http::StatusCode;
use serde_json::{Value, json};
use store::RequestFilter;
use url::form_urlencoded;

use crate::answer;
use crate::auth::{Caller, Path};
use crate::files::{self, Shown};
use crate::input::Input;
use crate::problem::{Answer, Halt, Problem};
use crate::vendors::{flawed, instead, known, page, places};

/// Requests on a page, unless the call says otherwise.
const PER_PAGE_DEFAULT: u32 = 20;
/// The most requests on a page.
const PER_PAGE_MAX: u32 = 100;
/// The most requests that are looked through for a list; what is behind them is not counted, and not shown.
const LOOKED_THROUGH_MAX: usize = 10_000;
/// Requests that are read at once.
const READ_AT_ONCE: u32 = 200;

/// `POST /v1.1/sites/{site}/requests`.
pub(crate) async fn create(Path(site): Path<u32>, input: Input) -> Answer {
    input.may(Scope::Requests)?;
    let key = input.once().await?;
    let caller = &input.caller;
    let wanted = face::wanted(site, &caller.key.name, input.bytes()).map_err(flawed)?;
    let show = |request: &Request| (201, shown(caller, request).to_string());
    let once = Once { key, answer: &show };
    let request = caller.engine().create_request(caller.account(), wanted.into(), &once).await?;
    Ok(answer::json(show(&request)))
}

/// `POST /v1.1/requests/{id}/send`; the vendor shows no body, and whatever comes is passed over.
pub(crate) async fn send(Path(id): Path<RequestId>, input: Input) -> Answer {
    input.may(Scope::Requests)?;
    let key = input.once().await?;
    let caller = &input.caller;
    let show = |request: &Request| (200, shown(caller, request).to_string());
    let once = Once { key, answer: &show };
    let request = caller.engine().send_request(caller.account(), id, &once).await?;
    Ok(answer::json(show(&request)))
}

/// `GET /v1.1/requests/{id}`.
pub(crate) async fn read(Path(id): Path<RequestId>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let row = caller.engine().views().request(caller.account(), id).await?;
    let (request, _version) = row.ok_or_else(|| Problem::not_found("request"))?;
    Ok(answer::ok(&shown(&caller, &request)))
}

/// `GET /v1.1/sites/{site}/requests`; an account is one site, whatever its number.
pub(crate) async fn list(Path(_site): Path<u32>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let Asked { page, per_page, filter, is_counted } = Asked::of(&caller)?;
    let (from, per) = ((page as usize - 1).saturating_mul(per_page as usize), per_page as usize);
    let ours = RequestFilter {
        status: filter.map(|filter| filter.our_status().to_owned()),
        archived: None,
    };
    let (mut after, mut seen, mut looked_through, mut data) = (None, 0_usize, 0, Vec::new());
    let is_whole = loop {
        let part = store::Page { limit: READ_AT_ONCE, after };
        let rows = caller.engine().views().requests(caller.account(), ours.clone(), part).await?;
        for request in &rows {
            if filter.is_none_or(|filter| filter.lets_through(request)) {
                if seen >= from && data.len() < per {
                    data.push(bare(&caller, request));
                }
                seen += 1;
            }
        }
        looked_through += rows.len();
        after = rows.last().map(|request| request.id.bits());
        if rows.len() < READ_AT_ONCE as usize {
            break true;
        }
        let is_enough = !is_counted && seen > from.saturating_add(per);
        if is_enough || looked_through >= LOOKED_THROUGH_MAX {
            break false;
        }
    };
    Ok(answer::ok(&face::Listed {
        count: data.len(),
        has_more: seen > from.saturating_add(data.len()),
        page,
        per_page,
        total_count: (is_counted && is_whole).then_some(seen),
        data,
    }))
}

/// `GET /v1.1/activity/{activity}/record` and `GET /v1.1/activity/record/session:{session}`: the document of a request that
/// is complete. There are no activities and no sessions here, so both are named by the request.
pub(crate) async fn record(Path(name): Path<String>, caller: Caller) -> Answer {
    caller.may(Scope::Requests)?;
    let none = || Problem::not_found("record");
    let id = name.strip_prefix("session:").unwrap_or(&name).parse().ok().ok_or_else(none)?;
    let row = caller.engine().views().request(caller.account(), id).await?;
    let (request, _version) = row.ok_or_else(none)?;
    let signer = query(&caller).find(|(name, _)| name == "signer_id").map(|(_, value)| value);
    let brief = face::record(&request, signer.as_deref()).ok_or_else(none)?;
    let (document, pieces) = caller.engine().document_content(caller.account(), brief.id).await?;
    Ok(files::answer(&document, pieces, Shown::Attachment))
}

/// What a list is asked for. Parameters that we do not know are passed over, filters are not.
struct Asked {
    page: u32,
    per_page: u32,
    filter: Option<face::Filter>,
    is_counted: bool,
}

impl Asked {
    fn of(caller: &Caller) -> Result<Self, Halt> {
        let mut asked =
            Self { page: 1, per_page: PER_PAGE_DEFAULT, filter: None, is_counted: true };
        let mut flaws = Vec::new();
        let mut number = |name: &str, text: &str, most: u32| {
            let number = text.parse().ok().filter(|number| (1..=most).contains(number));
            if number.is_none() {
                flaws.push(Flaw::new(name, format!("expected a number from 1 to {most}")));
            }
            number.unwrap_or(1)
        };
        let mut filter = Ok(None);
        let mut sort = String::new();
        for (name, value) in query(caller) {
            match name.as_str() {
                "page" => asked.page = number("page", &value, u32::MAX),
                "per_page" => asked.per_page = number("per_page", &value, PER_PAGE_MAX),
                "filter" if !value.is_empty() => filter = face::Filter::parse(&value).map(Some),
                "no_count" => asked.is_counted = value != "true",
                "sort" => sort = value,
                _ => {}
            }
        }
        match filter {
            Ok(filter) => asked.filter = filter,
            Err(expected) => flaws.push(Flaw::new("filter", expected)),
        }
        if !matches!(sort.as_str(), "" | "-created_time") {
            flaws.push(Flaw::new("sort", "expected -created_time"));
        }
        if flaws.is_empty() { Ok(asked) } else { Err(Problem::invalid(flaws).into()) }
    }
}

fn query(caller: &Caller) -> impl Iterator<Item = (String, String)> {
    let query = caller.parts.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).into_owned()
}

/// Shows a request, inside `data` where the call asks for that.
fn shown(caller: &Caller, request: &Request) -> Value {
    let request = bare(caller, request);
    let is_wrapped = query(caller).any(|(name, value)| name == "envelope" && value == "data");
    if is_wrapped { json!({ "data": request }) } else { request }
}

fn bare(caller: &Caller, request: &Request) -> Value {
    face::shown(request, |signer| page(caller, request, signer))
}

/// Says a problem in the vendor's way.
pub(crate) fn say(response: Response, problem: &Problem) -> Response {
    let named = [
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
    ];
    let status = known(response.status(), &named);
    let places = places(problem, face::place);
    instead(response, status, &face::error(status.as_u16(), problem.detail(), &places))
}
