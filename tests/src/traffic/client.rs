//! One who calls functions, and resolves the name anew for each request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// No answer after this is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came back.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, if it is JSON.
    pub body: Value,
}

impl Reply {
    /// Whether a function answered.
    pub fn is_from(&self, function: &impl ToString) -> bool {
        self.status == 200 && self.body["function"] == function.to_string()
    }
}

/// How to call.
#[derive(Clone, Default)]
pub struct Client {
    address: Option<SocketAddr>,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    /// Calls this address whatever the host is, as `curl --connect-to` does.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address: Some(address),
            ..Self::default()
        }
    }

    /// Trusts nothing but this certificate.
    pub fn trusting(self, certificate: CertificateDer<'static>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: Some(Arc::new(config)),
            ..self
        })
    }

    /// `GET`, on a connection of its own.
    pub async fn get(&self, url: &str) -> Result<Reply> {
        tokio::time::timeout(PATIENCE, self.try_get(url))
            .await
            .unwrap_or_else(|_| Err(anyhow!("no answer in {PATIENCE:?}")))
            .with_context(|| url.to_owned())
    }

    async fn try_get(&self, url: &str) -> Result<Reply> {
        let uri: Uri = url.parse()?;
        let host = uri.host().context("a host")?.to_owned();
        let is_https = uri.scheme_str() == Some("https");
        let stream = match self.address {
            Some(address) => TcpStream::connect(address).await?,
            None => {
                let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
                TcpStream::connect((host.as_str(), port)).await?
            }
        };
        if !is_https {
            return exchange(stream, &uri, &host).await;
        }
        let tls = self.tls.clone().context("nothing is trusted")?;
        let name = ServerName::try_from(host.clone())?;
        let stream = TlsConnector::from(tls).connect(name, stream).await?;
        exchange(stream, &uri, &host).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    uri: &Uri,
    host: &str,
) -> Result<Reply> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(http::header::HOST, host)
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    connection.abort();
    Ok(Reply {
        status,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    })
}
