use transform::ClientCertificateConfig;

use super::*;
use crate::pki::Pki;

/// `hapi` by host name, `smile` by subject, `mesh` by URI; a token for those without a certificate.
async fn hook(pki: &Pki) -> TestHook {
    ["hapi", "smile", "mesh", "stranger"].iter().for_each(|name| pki.issue(name));
    let known = |subject: Option<&str>, dns: Option<&str>, uri: Option<&str>| ClientCertificateConfig {
        subject: subject.map(str::to_owned),
        dns: dns.map(str::to_owned),
        uri: uri.map(str::to_owned),
        scopes: Default::default(),
    };
    let mut hook = TestHook::start_with(|config| {
        config.tls = Some(pki.server());
        config.auth.client_certificate = [
            ("hapi".to_owned(), known(None, Some("hapi.example.org"), None)),
            ("smile".to_owned(), known(Some("CN=smile"), None, None)),
            ("mesh".to_owned(), known(None, None, Some("spiffe://example.org/mesh"))),
        ]
        .into();
        config.auth.bearer.insert("token".to_owned(), bearer(TOKEN, &["system/*.*"]));
    })
    .await;
    hook.url = format!("https://localhost:{}", hook.address.port());
    hook
}

#[tokio::test]
async fn a_certificate_on_the_list_is_a_caller() {
    let pki = Pki::new();
    let mut hook = hook(&pki).await;
    for (name, status) in
        [(Some("hapi"), 404), (Some("smile"), 404), (Some("mesh"), 404), (Some("stranger"), 401), (None, 401)]
    {
        hook.client = pki.client(name);
        let read = answer(hook.request(Method::GET, "/fhir/Patient/p-1")).await;
        assert_eq!(read.status, status, "{name:?}");
    }
    assert_eq!(answer(hook.request(Method::GET, "/livez")).await.status, 200, "health needs no certificate");
    let token = hook.request(Method::GET, "/fhir/Patient/p-1").bearer_auth(TOKEN);
    assert_eq!(answer(token).await.status, 404, "another way to prove who calls");
    hook.client = pki.client(Some("hapi"));
    let wrong = hook.request(Method::GET, "/fhir/Patient/p-1").bearer_auth("not the token");
    assert_eq!(answer(wrong).await.status, 401, "what is shown must be good");
}

#[tokio::test]
async fn a_certificate_of_another_authority_ends_the_handshake() {
    let (pki, foreign) = (Pki::new(), Pki::new());
    let hook = hook(&pki).await;
    foreign.issue("hapi");
    for file in ["hapi.pem", "hapi.key"] {
        std::fs::copy(foreign.path(file), pki.path(file)).unwrap();
    }
    let client = pki.client(Some("hapi"));
    assert!(client.get(format!("{}/livez", hook.url)).send().await.is_err());
    assert!(client.get(format!("http://{}/livez", hook.address)).send().await.is_err(), "nothing in clear");
}

#[tokio::test]
async fn a_new_server_certificate_is_shown_without_a_restart() {
    let (pki, next) = (Pki::new(), Pki::new());
    let mut hook = hook(&pki).await;
    hook.client = next.client(None);
    let get = || hook.client.get(format!("{}/livez", hook.url)).send();
    assert!(get().await.is_err(), "signed by the old authority");
    next.issue("server");
    for file in ["server.key", "server.pem"] {
        std::fs::copy(next.path(file), pki.path(file)).unwrap();
    }
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while get().await.is_err() {
        assert!(tokio::time::Instant::now() < deadline, "the new certificate is not in use");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
