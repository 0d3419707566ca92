//! Styles and scripts, compiled in. Their paths have a digest of what they are, so that browsers keep them for good and
//! never use an old one with a new page.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// A file that pages load.
pub(crate) struct Asset {
    path: String,
    content_type: &'static str,
    text: &'static str,
}

pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    let text = concat!(include_str!("../assets/frame.css"), include_str!("../assets/customer.css"));
    Asset::new("css", "text/css; charset=utf-8", text)
});

pub(crate) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("js", "text/javascript; charset=utf-8", include_str!("../assets/frame.js")));

/// The picture in the browser's tab: two rings, one customer.
pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("svg", "image/svg+xml", include_str!("../assets/icon.svg")));

/// What keeps a file for as long as it likes.
const FOR_GOOD: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

impl Asset {
    fn new(extension: &str, content_type: &'static str, text: &'static str) -> Self {
        let digest = HEXLOWER.encode(&Sha256::digest(text)[..8]);
        Self { path: format!("/console/assets/{digest}.{extension}"), content_type, text }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }
}

pub(crate) async fn find_asset(Path(file): Path<String>) -> Result<Response, Failure> {
    let mut assets = [&*STYLE, &*SCRIPT, &*ICON].into_iter();
    let found = assets.find(|asset| asset.path.rsplit('/').next() == Some(&file));
    let asset = found.ok_or_else(Failure::not_found)?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(asset.content_type)), (CACHE_CONTROL, FOR_GOOD)];
    Ok((headers, asset.text).into_response())
}
