//! What `sslmode` comes to, at a server whose certificate nobody but this test trusts.

use std::net::TcpListener;

use crate::given::run;
use crate::postgres::Server;

#[test]
fn a_certificate_counts_where_it_is_asked_for() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server::start(Some(port));
    let folder = tempfile::tempdir().unwrap();
    let (name, certificate) = (server.empty_database(), format!("{}/certificate.pem", server.folder));
    let url = server.tcp_url(&name);
    let look = |host: &str, mode: &str, trusted: bool| {
        let url = format!("{}?sslmode={mode}", url.replace("localhost", host));
        let mut variables = vec![("RELAY__DATABASE_URL", url.as_str()), ("RELAY__CELLO__ENVIRONMENT", "sandbox")];
        variables.extend(trusted.then_some(("SSL_CERT_FILE", certificate.as_str())));
        run(folder.path(), &variables, &["check", "--offline"]).out
    };
    for mode in ["disable", "prefer", "require"] {
        assert!(look("localhost", mode, false).contains("no tables yet"), "{mode}");
    }
    for mode in ["verify-ca", "verify-full"] {
        let refused = look("localhost", mode, false);
        assert!(refused.contains("certificate") && !refused.contains("no tables yet"), "{mode}: {refused}");
        let taken = look("localhost", mode, true);
        assert!(taken.contains("no tables yet"), "{mode}: {taken}");
    }
    // The certificate is for the name and not for the address.
    assert!(look("127.0.0.1", "verify-ca", true).contains("no tables yet"));
    let refused = look("127.0.0.1", "verify-full", true);
    assert!(refused.contains("certificate") && !refused.contains("no tables yet"), "{refused}");
}
