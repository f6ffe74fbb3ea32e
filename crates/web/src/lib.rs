//! Everything that listens: the API, the signing page, and what an operator looks at. Every route is on this page.
//!
//! Invariants: this room writes through `engine` only; nothing that comes in panics, hangs or grows without bound;
//! whatever is refused is refused as a problem.
//! Left to others: deciding (`engine`, `domain`), telling others (`engine`, `channels`).

mod answer;
mod api;
mod auth;
mod feedback;
mod files;
mod hot;
mod idempotency;
mod input;
mod intake;
mod mailbox;
mod openapi;
mod outside;
mod page;
mod panic;
mod problem;
mod returned;
mod serve;
mod short;
mod signing;
mod state;
mod uploads;
mod vendors;

use std::convert::Infallible;

use axum::Router;
use axum::handler::Handler;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{self, MethodRouter};

use crate::api::{
    branding, clock, contacts, deliveries, documents, endpoints, event_types, events, keys,
    notice_rules, notices, providers, replays, requests, shortener, signers, sources, stats,
    suppressions, templates, timeline, workflows,
};
use crate::vendors::ironclad::signing as sign_step;
use crate::vendors::{clickwrap, esaw, fintechos, ironclad};

pub use crate::returned::serve_returned_mails;
pub use crate::serve::{Service, serve};
pub use crate::state::{Settings, State};

/// Builds what answers every call, the hot ones by a shorter way.
pub fn service(state: State) -> Service {
    Service { router: router(state.clone()), hot: Some(state) }
}

/// Builds the router of everything that listens.
pub fn router(state: State) -> Router {
    let mut router = Router::new();
    let vendors = [in_vendors_places(), in_ironclads_place(), at_ironclads_sign_step()];
    let all = [api(), around_notices(), contracts(), outside()].into_iter().chain(vendors);
    for Route { path, handler, .. } in all.flatten() {
        router = router.route(path, handler);
    }
    router
        .fallback(outside::no_such_route)
        .method_not_allowed_fallback(outside::method_not_allowed)
        .layer(from_fn(panic::contain))
        .layer(from_fn_with_state(state.clone(), vendors::in_their_words))
        .with_state(state)
}

/// What needs a key.
fn api() -> Vec<Route> {
    vec![
        post("/api/v1/requests", requests::create),
        get("/api/v1/requests", requests::list),
        get("/api/v1/requests/{id}", requests::read),
        patch("/api/v1/requests/{id}", requests::update),
        delete("/api/v1/requests/{id}", requests::delete),
        post("/api/v1/requests/{id}/send", requests::send),
        post("/api/v1/requests/{id}/cancel", requests::cancel),
        post("/api/v1/requests/{id}/archive", requests::archive),
        post("/api/v1/requests/{id}/unarchive", requests::unarchive),
        post("/api/v1/requests/{id}/remind", requests::remind),
        get("/api/v1/requests/{id}/timeline", timeline::read),
        post("/api/v1/requests/{id}/signers/{sid}/view", signers::view),
        post("/api/v1/requests/{id}/signers/{sid}/sign", signers::sign),
        post("/api/v1/requests/{id}/signers/{sid}/decline", signers::decline),
        post("/api/v1/requests/{id}/signers/{sid}/reassign", signers::reassign),
        post("/api/v1/contacts", contacts::create),
        get("/api/v1/contacts", contacts::list),
        get("/api/v1/contacts/{id}", contacts::read),
        patch("/api/v1/contacts/{id}", contacts::update),
        delete("/api/v1/contacts/{id}", contacts::delete),
        post("/api/v1/documents", documents::create),
        get("/api/v1/documents", documents::list),
        get("/api/v1/documents/{id}", documents::read),
        get("/api/v1/documents/{id}/content", documents::download),
        delete("/api/v1/documents/{id}", documents::delete),
        post("/api/v1/endpoints", endpoints::create),
        get("/api/v1/endpoints", endpoints::list),
        get("/api/v1/endpoints/{id}", endpoints::read),
        patch("/api/v1/endpoints/{id}", endpoints::update),
        delete("/api/v1/endpoints/{id}", endpoints::delete),
        post("/api/v1/endpoints/{id}/test", endpoints::test),
        post("/api/v1/endpoints/{id}/rotate-secret", endpoints::rotate_secret),
        post("/api/v1/endpoints/{id}/replay", endpoints::replay),
        get("/api/v1/endpoints/{id}/replays", endpoints::replays),
        get("/api/v1/replays/{id}", replays::read),
        post("/api/v1/events", events::create),
        post("/api/v1/events/batch", events::create_batch),
        get("/api/v1/events", events::list),
        get("/api/v1/events/{id}", events::read),
        get("/api/v1/event-types", event_types::list),
        get("/api/v1/event-types/{type}", event_types::read),
        get("/api/v1/event-types/{type}/example", event_types::example),
        get("/api/v1/deliveries", deliveries::list),
        get("/api/v1/deliveries/{id}", deliveries::read),
        post("/api/v1/deliveries/{id}/retry", deliveries::retry),
        post("/api/v1/deliveries/{id}/cancel", deliveries::cancel),
        post("/api/v1/sources", sources::create),
        get("/api/v1/sources", sources::list),
        get("/api/v1/sources/{id}", sources::read),
        patch("/api/v1/sources/{id}", sources::update),
        delete("/api/v1/sources/{id}", sources::delete),
        get("/api/v1/sources/{id}/inbox", sources::inbox),
        post("/api/v1/sources/{id}/inbox/replay", sources::replay_all),
        get("/api/v1/inbox/{id}", sources::arrival),
        post("/api/v1/inbox/{id}/replay", sources::replay),
        get("/api/v1/source-vendors", sources::vendors),
        post("/api/v1/keys", keys::create),
        get("/api/v1/keys", keys::list),
        get("/api/v1/keys/{id}", keys::read),
        delete("/api/v1/keys/{id}", keys::revoke),
        get("/api/v1/stats", stats::read),
        get("/api/v1/mailbox", api::mailbox::list),
        get("/api/v1/mailbox/{id}", api::mailbox::read),
        get("/api/v1/clock", clock::read),
        post("/api/v1/clock", clock::advance),
    ]
}

/// What needs a key as well: messages to people, and what an account sets around them.
fn around_notices() -> Vec<Route> {
    vec![
        post("/api/v1/providers", providers::create),
        get("/api/v1/providers", providers::list),
        get("/api/v1/providers/{id}", providers::read),
        patch("/api/v1/providers/{id}", providers::update),
        delete("/api/v1/providers/{id}", providers::delete),
        post("/api/v1/providers/{id}/test", providers::test),
        get("/api/v1/provider-kinds", providers::kinds),
        get("/api/v1/notice-rules", notice_rules::list),
        put("/api/v1/notice-rules/{occasion}", notice_rules::replace),
        delete("/api/v1/notice-rules/{occasion}", notice_rules::delete),
        get("/api/v1/templates", templates::list),
        post("/api/v1/templates/preview", templates::preview),
        get("/api/v1/templates/{name}", templates::read),
        put("/api/v1/templates/{name}", templates::replace),
        delete("/api/v1/templates/{name}", templates::delete),
        get("/api/v1/branding", branding::read),
        put("/api/v1/branding", branding::replace),
        delete("/api/v1/branding", branding::delete),
        get("/api/v1/shortener", shortener::read),
        put("/api/v1/shortener", shortener::replace),
        delete("/api/v1/shortener", shortener::delete),
        post("/api/v1/suppressions", suppressions::create),
        get("/api/v1/suppressions", suppressions::list),
        delete("/api/v1/suppressions/{channel}/{address}", suppressions::delete),
        get("/api/v1/notices", notices::list),
        get("/api/v1/notices/{id}", notices::read),
    ]
}

/// What needs a key in a vendor's way: the interfaces that vendors' clients call.
fn in_vendors_places() -> Vec<Route> {
    vec![
        post("/v1.1/sites/{site}/requests", clickwrap::create),
        get("/v1.1/sites/{site}/requests", clickwrap::list),
        get("/v1.1/requests/{id}", clickwrap::read),
        post("/v1.1/requests/{id}/send", clickwrap::send),
        get("/v1.1/activity/{activity}/record", clickwrap::record),
        get("/v1.1/activity/record/{session}", clickwrap::record),
        post("/Api/v6/file/upload", esaw::upload),
        get("/Api/v6/file/{id}", esaw::file),
        post("/Api/v6/envelope/send", esaw::send),
        get("/Api/v6/envelope/{id}/files", esaw::files_of),
        get("/Api/v6/envelope/{id}", esaw::envelope),
        get("/Api/v6/envelope/{id}/viewerlinks", esaw::viewer_links),
        post("/Api/v6/envelope/cancel", esaw::cancel),
        post("/Api/v6.0/file/upload", esaw::upload),
        get("/Api/v6.0/file/{id}", esaw::file),
        post("/Api/v6.0/envelope/send", esaw::send),
        get("/Api/v6.0/envelope/{id}/files", esaw::files_of),
        get("/Api/v6.0/envelope/{id}", esaw::envelope),
        get("/Api/v6.0/envelope/{id}/viewerlinks", esaw::viewer_links),
        post("/Api/v6.0/envelope/cancel", esaw::cancel),
        post("/fintechos/esign/sign", fintechos::sign),
        post("/fintechos/esign/downloadSignedDocument", fintechos::download),
        post("/public/api/v1/webhooks", ironclad::webhooks::create),
        get("/public/api/v1/webhooks", ironclad::webhooks::list),
        get("/public/api/v1/webhooks/{id}", ironclad::webhooks::read),
        patch("/public/api/v1/webhooks/{id}", ironclad::webhooks::update),
        delete("/public/api/v1/webhooks/{id}", ironclad::webhooks::delete),
    ]
}

/// What Ironclad's clients call about workflows.
fn in_ironclads_place() -> Vec<Route> {
    use ironclad::{comments, course, documents, people, review, workflows};
    vec![
        post("/public/api/v1/workflows", workflows::create),
        get("/public/api/v1/workflows", workflows::list),
        post("/public/api/v1/workflows/async", workflows::create_later),
        get("/public/api/v1/workflows/async/{job}", workflows::job),
        get("/public/api/v1/workflows/{id}", workflows::read),
        patch("/public/api/v1/workflows/{id}/attributes", review::attributes),
        get("/public/api/v1/workflows/{id}/approvals", review::approvals),
        patch("/public/api/v1/workflows/{id}/approvals/{role}", review::approve),
        get("/public/api/v1/workflows/{id}/approval-requests", review::approval_requests),
        get("/public/api/v1/workflows/{id}/turn-history", review::turns),
        post("/public/api/v1/workflows/{id}/comment", comments::create_without_answer),
        post("/public/api/v1/workflows/{id}/comments", comments::create),
        get("/public/api/v1/workflows/{id}/comments", comments::list),
        get("/public/api/v1/workflows/{id}/comments/{comment}", comments::read),
        get("/public/api/v1/workflows/{id}/documents", documents::list),
        post("/public/api/v1/workflows/{id}/documents/{attribute}", documents::add),
        patch("/public/api/v1/workflows/{id}/signature-packet", documents::packet),
        get("/public/api/v1/workflows/{id}/document/{key}/download", documents::download),
        get("/public/api/v1/workflows/{id}/participants", people::participants),
        patch("/public/api/v1/workflows/{id}/roles/{role}", people::assign),
        get("/public/api/v1/workflows/{id}/roles/{role}/eligible-assignees", people::assignees),
        post("/public/api/v1/workflows/{id}/cancel", course::cancel),
        post("/public/api/v1/workflows/{id}/pause", course::pause),
        post("/public/api/v1/workflows/{id}/resume", course::resume),
        patch("/public/api/v1/workflows/{id}/revert-to-review", course::revert),
    ]
}

/// What Ironclad's clients call at the sign step, below `/public/api/v1`.
fn at_ironclads_sign_step() -> Vec<Route> {
    vec![
        get("/public/api/v1/workflows/{id}/signatures", sign_step::signatures),
        post("/public/api/v1/workflows/{id}/signatures/recipient-urls", sign_step::link),
        post(
            "/public/api/v1/workflows/{id}/signatures/recipient-urls/embedded",
            sign_step::embedded,
        ),
        get("/public/api/v1/workflows/{id}/sign-status", sign_step::status),
        post("/public/api/v1/workflows/{id}/sign-status/send-signature-request", sign_step::send),
        post("/public/api/v1/workflows/{id}/sign-status/scheduled-send", sign_step::schedule),
        patch("/public/api/v1/workflows/{id}/sign-status/scheduled-send", sign_step::reschedule),
        delete("/public/api/v1/workflows/{id}/sign-status/scheduled-send", sign_step::unschedule),
        post(
            "/public/api/v1/workflows/{id}/sign-status/cancel-signature-request",
            sign_step::cancel,
        ),
        patch("/public/api/v1/workflows/{id}/sign-status/signers/{role}", sign_step::reassign),
        delete("/public/api/v1/workflows/{id}/sign-status/signers/{role}", sign_step::remove),
        post("/public/api/v1/workflows/{id}/sign-status/signers/{role}/remind", sign_step::remind),
        post("/public/api/v1/workflows/{id}/upload-signed", sign_step::upload),
    ]
}

/// What needs a key as well: contract workflows.
fn contracts() -> Vec<Route> {
    vec![
        post("/api/v1/workflows", workflows::launch),
        get("/api/v1/workflows", workflows::list),
        get("/api/v1/workflows/{id}", workflows::read),
        delete("/api/v1/workflows/{id}", workflows::delete),
        post("/api/v1/workflows/{id}/actions", workflows::act),
        get("/api/v1/workflows/{id}/documents/{did}/content", workflows::download),
        post("/api/v1/workflow-templates", workflows::create_template),
        get("/api/v1/workflow-templates", workflows::list_templates),
        get("/api/v1/workflow-templates/{id}", workflows::read_template),
        patch("/api/v1/workflow-templates/{id}", workflows::update_template),
        delete("/api/v1/workflow-templates/{id}", workflows::delete_template),
    ]
}

/// What needs none.
fn outside() -> Vec<Route> {
    vec![
        get("/", outside::start),
        get("/api/v1/openapi.json", openapi::read),
        get("/problems/{problem}", outside::problem_page),
        get("/healthz", outside::healthz),
        get("/readyz", outside::readyz),
        get("/metrics", outside::metrics),
        get("/.well-known/jwks.json", outside::jwks),
        get("/public/api/v1/webhooks/verification-key", outside::verification_key),
        post("/oauth/token", ironclad::token::issue),
        get("/mailbox", mailbox::list),
        get("/mailbox/{id}", mailbox::show),
        get("/feedback/{token}", feedback::take),
        post("/feedback/{token}", feedback::take),
        get("/feedback/{token}/{more}", feedback::take),
        post("/feedback/{token}/{more}", feedback::take),
        post("/feedback/{token}/mail", feedback::take_mail),
        get("/in/{token}", intake::take),
        post("/in/{token}", intake::take),
        get("/l/{code}", short::follow),
        get("/s/{token}", signing::show),
        get("/s/{token}/documents/{id}", signing::read),
        post("/s/{token}/view", signing::view),
        post("/s/{token}/sign", signing::sign),
        post("/s/{token}/decline", signing::decline),
    ]
}

/// One route: a method, a path, and who answers.
struct Route {
    #[cfg_attr(not(test), expect(dead_code, reason = "compared with the API's document"))]
    method: &'static str,
    path: &'static str,
    handler: MethodRouter<State, Infallible>,
}

fn get<T: 'static>(path: &'static str, handler: impl Handler<T, State>) -> Route {
    Route { method: "get", path, handler: routing::get(handler) }
}

fn post<T: 'static>(path: &'static str, handler: impl Handler<T, State>) -> Route {
    Route { method: "post", path, handler: routing::post(handler) }
}

fn put<T: 'static>(path: &'static str, handler: impl Handler<T, State>) -> Route {
    Route { method: "put", path, handler: routing::put(handler) }
}

fn patch<T: 'static>(path: &'static str, handler: impl Handler<T, State>) -> Route {
    Route { method: "patch", path, handler: routing::patch(handler) }
}

fn delete<T: 'static>(path: &'static str, handler: impl Handler<T, State>) -> Route {
    Route { method: "delete", path, handler: routing::delete(handler) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::openapi::operations;

    #[test]
    fn the_routes_of_the_api_are_those_of_its_document() {
        let routes: BTreeSet<(&str, &str)> = api()
            .iter()
            .chain(&around_notices())
            .chain(&contracts())
            .map(|route| (route.method, route.path))
            .collect();
        let documented: BTreeSet<(&str, &str)> =
            operations::all().map(|operation| (operation.method, operation.path)).collect();
        assert_eq!(routes, documented);
    }
}
