//! A Svix server that somebody else runs on this machine, through its public REST API.
//!
//! Invariants: nothing but the loopback is called; the token is in no message and no table.
//! Left to others: starting the server. It must be willing to call http endpoints on the loopback.
//! What it does not say is not measured: its processor time, and when a delivery is settled beyond its arrival.

use std::{
    convert::Infallible,
    fmt::{self, Debug, Formatter},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use async_trait::async_trait;
use http::{HeaderName, HeaderValue, Method, Uri, header, uri::Scheme};
use serde::Deserialize;
use serde_json::json;

use crate::{
    call::{Call, PATIENCE},
    clock,
    driver::{Data, Driver, EndpointWish, Stats},
    load::recipe::{self, Recipe, Stamp},
    process::Usage,
};

#[derive(Debug)]
pub(crate) struct Svix {
    address: SocketAddr,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// The application that holds the endpoints of this run.
    app: Option<String>,
}

/// What the server lets us in with.
#[derive(Clone)]
pub(crate) struct Token(String);

#[derive(Debug, Deserialize)]
struct Named {
    id: String,
}

impl Svix {
    pub(crate) fn new(url: &str, token: &Token) -> Result<Self> {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token.0));
        let mut bearer = bearer.context("the token holds what no header may")?;
        bearer.set_sensitive(true);
        let headers = vec![
            (header::AUTHORIZATION, bearer),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        ];
        Ok(Self { address: on_loopback(url)?, headers, app: None })
    }

    fn call(&self, method: &'static str, path: &str) -> Call {
        Call::new(self.address, method, path).with_headers(&self.headers)
    }

    /// The path of something of the run's application.
    fn path(&self, what: &str) -> Result<String> {
        let app = self.app.as_deref().context("there is no application yet")?;
        Ok(format!("/api/v1/app/{app}/{what}"))
    }
}

#[async_trait]
impl Driver for Svix {
    fn name(&self) -> String {
        "svix, started by somebody else".to_owned()
    }

    /// Makes an application of its own: to the server, that is a fresh start.
    async fn start(&mut self, data: Data) -> Result<Duration> {
        ensure!(data == Data::Fresh, "a server that somebody else runs cannot be restarted");
        self.stop().await?;
        let began = clock::now();
        let call = self.call("POST", "/api/v1/app/").with_body(json!({ "name": NAME }).to_string());
        self.app = Some(call.succeed(PATIENCE).await?.read::<Named>()?.id);
        Ok(began.elapsed())
    }

    /// Removes the application, so that nothing goes on being attempted.
    async fn stop(&mut self) -> Result<()> {
        if self.app.is_some() {
            let path = self.path("")?;
            self.app = None;
            self.call("DELETE", &path).succeed(PATIENCE).await?;
        }
        Ok(())
    }

    fn kill(&mut self) -> Result<()> {
        bail!("a server that somebody else runs cannot be killed")
    }

    async fn create_endpoint(&self, url: &str, wish: &EndpointWish) -> Result<()> {
        ensure!(wish.kinds == ["*"], "only endpoints for every kind of event are made here");
        ensure!(wish.in_flight_max.is_none(), "--max-in-flight is not for this server");
        let body = json!({ "url": url, "version": 1 }).to_string();
        self.call("POST", &self.path("endpoint/")?)
            .with_body(body)
            .succeed(PATIENCE)
            .await
            .map(drop)
    }

    async fn post_event(&self) -> Result<String> {
        let body = recipe::message(Stamp { seq: 0, sent_at_us: clock::unix_us() });
        let call = self.call("POST", &self.path("msg/")?).with_body(body);
        Ok(call.succeed(PATIENCE).await?.read::<Named>()?.id)
    }

    fn addresses(&self) -> Result<Vec<SocketAddr>> {
        Ok(vec![self.address])
    }

    fn events(&self) -> Result<Recipe> {
        let path = Uri::try_from(self.path("msg/")?)?;
        Ok(Recipe {
            method: Method::POST,
            path,
            headers: self.headers.clone(),
            body: recipe::message,
        })
    }

    fn requests(&self) -> Result<Option<Recipe>> {
        Ok(None)
    }

    async fn stats(&self) -> Result<Option<Stats>> {
        Ok(None)
    }

    fn usage(&self) -> Result<Option<Usage>> {
        Ok(None)
    }
}

impl FromStr for Token {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl Debug for Token {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// Reads `http://127.0.0.1:8071`; refuses what is not on this machine's loopback.
fn on_loopback(url: &str) -> Result<SocketAddr> {
    let uri: Uri = url.parse().context("reading --svix-url")?;
    let plain = uri.scheme() == Some(&Scheme::HTTP) && uri.path() == "/" && uri.query().is_none();
    ensure!(plain, "--svix-url is http://ADDRESS:PORT");
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let address: Option<IpAddr> =
        if host == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { host.parse().ok() };
    let address = address.filter(IpAddr::is_loopback);
    let address =
        address.context("--svix-url must be on the loopback: only this machine is measured")?;
    Ok(SocketAddr::new(address, uri.port_u16().unwrap_or(80)))
}

/// What the application is called on the server.
const NAME: &str = "countersign bench";

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use http::{Request, Response, StatusCode};
    use http_body_util::{BodyExt, Full};
    use hyper::{body::Incoming, server::conn::http1, service::service_fn};
    use hyper_util::rt::TokioIo;
    use serde_json::Value;
    use tokio::{net::TcpListener, select};

    use super::*;
    use crate::load::{self, Plan};

    type Seen = Arc<Mutex<Vec<String>>>;

    /// Answers as the API does, and writes down what it was asked.
    async fn answer(seen: Seen, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(head.headers[header::AUTHORIZATION], "Bearer hidden");
        let asked = format!("{} {}", head.method, head.uri.path());
        let read = || serde_json::from_slice::<Value>(&body).unwrap();
        let (status, said) = match asked.as_str() {
            "POST /api/v1/app/" => {
                assert_eq!(read()["name"], NAME);
                (StatusCode::CREATED, json!({ "id": "app_1" }))
            }
            "POST /api/v1/app/app_1/endpoint/" => {
                assert_eq!(read()["url"], "http://127.0.0.1:1/e/1");
                (StatusCode::CREATED, json!({ "id": "ep_1" }))
            }
            "POST /api/v1/app/app_1/msg/" => {
                assert_eq!(read()["eventType"], "custom.bench");
                assert!(read()["payload"]["sent_at_us"].is_u64());
                (StatusCode::ACCEPTED, json!({ "id": "msg_1" }))
            }
            "DELETE /api/v1/app/app_1/" => (StatusCode::NO_CONTENT, Value::Null),
            _ => (StatusCode::NOT_FOUND, Value::Null),
        };
        seen.lock().unwrap().push(asked);
        let mut response = Response::new(Full::new(Bytes::from(said.to_string())));
        *response.status_mut() = status;
        response
    }

    async fn stand_in(listener: TcpListener, seen: Seen) {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(|request| {
                let seen = Arc::clone(&seen);
                async move { Ok::<_, Infallible>(answer(seen, request).await) }
            });
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        }
    }

    async fn one_run(address: SocketAddr) {
        let token = "hidden".parse::<Token>().unwrap();
        let mut svix = Svix::new(&format!("http://{address}"), &token).unwrap();
        svix.start(Data::Fresh).await.unwrap();
        let wish = EndpointWish { kinds: &["*"], in_flight_max: None };
        svix.create_endpoint("http://127.0.0.1:1/e/1", &wish).await.unwrap();
        assert_eq!(svix.post_event().await.unwrap(), "msg_1");
        let plan = Plan::closed(svix.addresses().unwrap(), svix.events().unwrap(), 1, 2);
        let report = load::run(plan).await.unwrap();
        assert_eq!((report.acknowledged, report.failed()), (2, 0));
        svix.stop().await.unwrap();
        assert!(!format!("{svix:?} {token:?}").contains("hidden"));
    }

    #[test]
    fn a_run_speaks_the_api_with_the_token() {
        let seen = Seen::default();
        crate::runtime(1).unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            select! {
                () = stand_in(listener, Arc::clone(&seen)) => {}
                () = one_run(address) => {}
            }
        });
        let message = "POST /api/v1/app/app_1/msg/";
        let expected = [
            "POST /api/v1/app/",
            "POST /api/v1/app/app_1/endpoint/",
            message,
            message,
            message,
            "DELETE /api/v1/app/app_1/",
        ];
        assert_eq!(*seen.lock().unwrap(), expected);
    }

    #[test]
    fn only_the_loopback_is_called() {
        for url in ["http://127.0.0.1:8071", "http://localhost:8071/", "http://[::1]:8071"] {
            assert!(on_loopback(url).is_ok(), "{url}");
        }
        for url in [
            "http://10.0.0.1:8071",
            "https://127.0.0.1",
            "http://api.svix.com",
            "http://127.0.0.1.example.org",
            "127.0.0.1:8071",
            "http://127.0.0.1/x",
        ] {
            assert!(on_loopback(url).is_err(), "{url}");
        }
    }
}
