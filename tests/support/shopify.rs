//! Webhooks as Shopify sends them: the samples of `tests/shopify`, signed.

use bytes::Bytes;
use data_encoding::BASE64;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{CONTENT_TYPE, HOST};
use ring::hmac;

/// A webhook.
#[derive(Clone, Copy, Debug)]
pub struct Webhook<'webhook> {
    pub topic: &'webhook str,
    pub body: &'webhook str,
    /// By what it is known when it comes again.
    pub id: Option<&'webhook str>,
    /// Whether somebody made it up by a button.
    pub is_test: bool,
}

impl<'webhook> Webhook<'webhook> {
    pub fn new(topic: &'webhook str, body: &'webhook str) -> Self {
        Self { topic, body, id: None, is_test: false }
    }

    pub fn id(self, id: &'webhook str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The request, signed with a secret.
    pub fn signed(self, secret: &str) -> Request<Full<Bytes>> {
        self.with_signature(&signature(secret, self.body))
    }

    /// The request, with any text as its signature.
    pub fn with_signature(self, signature: &str) -> Request<Full<Bytes>> {
        let mut request = Request::post("/v1/sources/shopify")
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .header("X-Shopify-Topic", self.topic)
            .header("X-Shopify-Shop-Domain", "hill-valley.myshopify.com")
            .header("X-Shopify-Hmac-Sha256", signature);
        if let Some(id) = self.id {
            request = request.header("X-Shopify-Event-Id", id);
        }
        if self.is_test {
            request = request.header("X-Shopify-Test", "true");
        }
        let body = Full::new(Bytes::from(self.body.to_owned()));
        request.body(body).expect("a plain request")
    }
}

/// The base64 of the HMAC-SHA256 of the body.
pub fn signature(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    BASE64.encode(hmac::sign(&key, body.as_bytes()).as_ref())
}
