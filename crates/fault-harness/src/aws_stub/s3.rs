//! S3 objects in memory, path style.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use super::http::{Request, Response, percent_decode};

#[derive(Debug, Default)]
pub(super) struct Service {
    /// By bucket and key.
    objects: BTreeMap<(String, String), Object>,
    /// Every write that was taken, in order.
    writes: Vec<((String, String), Vec<u8>)>,
}

#[derive(Debug)]
struct Object {
    body: Vec<u8>,
    etag: String,
    /// User metadata and checksums, given back as they came.
    headers: Vec<(String, String)>,
}

/// The operation a request stands for.
pub(super) fn operation(request: &Request) -> String {
    let (_, key) = address(request);
    let name = match (request.method.as_str(), key.is_empty()) {
        ("PUT", false) => "PutObject",
        ("GET", false) => "GetObject",
        ("HEAD", false) => "HeadObject",
        ("DELETE", false) => "DeleteObject",
        ("GET", true) => "ListObjectsV2",
        ("HEAD", true) => "HeadBucket",
        ("PUT", true) => "CreateBucket",
        _ => "Unknown",
    };
    name.to_owned()
}

/// An error answer as S3 words it.
pub(super) fn error(status: u16, code: &str) -> Response {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code}</Message></Error>");
    Response::new(status, XML, body)
}

impl Service {
    pub(super) fn keys(&self, bucket: &str) -> Vec<String> {
        self.objects.keys().filter(|(known, _)| known == bucket).map(|(_, key)| key.clone()).collect()
    }

    pub(super) fn writes(&self, bucket: &str, prefix: &str) -> Vec<Vec<u8>> {
        let fits = |(known, key): &(String, String)| known == bucket && key.starts_with(prefix);
        self.writes.iter().filter(|(place, _)| fits(place)).map(|(_, body)| body.clone()).collect()
    }

    pub(super) fn write_count(&self, bucket: &str, prefix: &str) -> u64 {
        let fits = |(known, key): &(String, String)| known == bucket && key.starts_with(prefix);
        self.writes.iter().filter(|(place, _)| fits(place)).count() as u64
    }

    pub(super) fn call(&mut self, operation: &str, request: &Request) -> Response {
        let (bucket, key) = address(request);
        let place = (bucket, key);
        match operation {
            "PutObject" => self.put(place, request),
            "GetObject" | "HeadObject" => match self.objects.get(&place) {
                None => error(404, "NoSuchKey"),
                Some(object) => {
                    let response = Response::new(200, "application/octet-stream", object.body.clone());
                    let response = response
                        .header("etag", &object.etag)
                        .header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT");
                    object
                        .headers
                        .iter()
                        .fold(response, |response, (name, value)| response.header(name, value))
                }
            },
            "DeleteObject" => {
                self.objects.remove(&place);
                Response::new(204, XML, "")
            }
            "ListObjectsV2" => self.list(&place.0, request),
            "HeadBucket" | "CreateBucket" => Response::new(200, XML, ""),
            _ => error(405, "MethodNotAllowed"),
        }
    }

    fn put(&mut self, place: (String, String), request: &Request) -> Response {
        let there = self.objects.get(&place).map(|object| object.etag.as_str());
        if request.header("if-none-match") == Some("*") && there.is_some() {
            return error(412, "PreconditionFailed");
        }
        match (request.header("if-match"), there) {
            (Some(_), None) => return error(404, "NoSuchKey"),
            (Some(wanted), Some(there)) if wanted.trim_matches('"') != there.trim_matches('"') => {
                return error(412, "PreconditionFailed");
            }
            _ => {}
        }
        self.writes.push((place.clone(), request.body.clone()));
        let mut hasher = DefaultHasher::new();
        (self.writes.len(), &request.body).hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let kept = |name: &str| name.starts_with("x-amz-meta-") || name.starts_with("x-amz-checksum-");
        let headers = request.headers.iter().filter(|(name, _)| kept(name)).cloned().collect();
        self.objects.insert(place, Object { body: request.body.clone(), etag: etag.clone(), headers });
        Response::new(200, XML, "").header("etag", etag)
    }

    fn list(&self, bucket: &str, request: &Request) -> Response {
        let prefix = request.query("prefix").unwrap_or_default();
        let after =
            request.query("continuation-token").or_else(|| request.query("start-after")).unwrap_or_default();
        let most = request.query("max-keys").and_then(|text| text.parse().ok()).unwrap_or(1000);
        let fits = |key: &str| key.starts_with(&prefix) && (after.is_empty() || key > after.as_str());
        let all: Vec<(&str, &Object)> = self
            .objects
            .iter()
            .filter(|((known, key), _)| known == bucket && fits(key))
            .map(|((_, key), object)| (key.as_str(), object))
            .collect();
        let shown = all.get(..most).unwrap_or(&all);
        let mut body = format!("<?xml version=\"1.0\"?><ListBucketResult><Name>{bucket}</Name>");
        body.push_str(&format!("<KeyCount>{}</KeyCount>", shown.len()));
        body.push_str(&format!("<IsTruncated>{}</IsTruncated>", shown.len() < all.len()));
        if let (true, Some((key, _))) = (shown.len() < all.len(), shown.last()) {
            body.push_str(&format!("<NextContinuationToken>{key}</NextContinuationToken>"));
        }
        for (key, object) in shown {
            body.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>{}</ETag>\
                 <Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>",
                object.etag,
                object.body.len()
            ));
        }
        body.push_str("</ListBucketResult>");
        Response::new(200, XML, body)
    }
}

/// Bucket and key of a path.
fn address(request: &Request) -> (String, String) {
    let path = request.target.split('?').next().unwrap_or_default().trim_start_matches('/');
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (percent_decode(bucket), percent_decode(key))
}

const XML: &str = "application/xml";
