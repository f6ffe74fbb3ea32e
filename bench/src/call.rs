//! One HTTP call over one connection, for control and set-up. Nothing here is measured.

use std::{net::SocketAddr, pin::pin, time::Duration};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{net::TcpStream, select, time::timeout};

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) address: SocketAddr,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(address: SocketAddr, method: &'static str, path: impl Into<String>) -> Self {
        Self { address, method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn with_headers(self, headers: &[(HeaderName, HeaderValue)]) -> Self {
        Self { headers: headers.to_vec(), ..self }
    }

    pub(crate) fn with_body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) async fn send(&self, bound: Duration) -> Result<Answer> {
        timeout(bound, self.exchange())
            .await
            .with_context(|| {
                format!("no answer from {} {} within {bound:?}", self.method, self.path)
            })?
            .with_context(|| format!("calling {} {}", self.method, self.path))
    }

    /// Sends, and takes any answer but a success for a failure.
    pub(crate) async fn succeed(&self, bound: Duration) -> Result<Answer> {
        let answer = self.send(bound).await?;
        if !answer.status.is_success() {
            let said = String::from_utf8_lossy(&answer.body).chars().take(500).collect::<String>();
            bail!("{} {} answered {}: {said}", self.method, self.path, answer.status);
        }
        Ok(answer)
    }

    async fn exchange(&self) -> Result<Answer> {
        let stream = TcpStream::connect(self.address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut request = Request::builder()
            .method(self.method)
            .uri(&self.path)
            .header(header::HOST, self.address.to_string())
            .body(Full::new(self.body.clone()))?;
        request.headers_mut().extend(self.headers.iter().cloned());
        let mut exchange = pin!(async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            anyhow::Ok(Answer { status: head.status, body: body.collect().await?.to_bytes() })
        });
        select! {
            biased;
            answer = &mut exchange => answer,
            // What was read before the connection ended is still to be handed on.
            _ = connection => exchange.await,
        }
    }
}

impl Answer {
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| {
            format!(
                "reading {}",
                String::from_utf8_lossy(&self.body).chars().take(500).collect::<String>()
            )
        })
    }
}

/// Long enough for any call of control on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
