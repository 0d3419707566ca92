//! `selfsame healthcheck`: what it says of a server that is ready, of one that isn't, and of none.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use support::deadline::run_to_end;
use support::process::{ServerProcess, command};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn healthcheck(folder: &Path, port: u16) -> Output {
    run_to_end(folder, &["healthcheck", "--port", &port.to_string()])
}

/// The exit code, and all that was said.
fn told(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn a_server_is_ready_until_its_database_is_gone() {
    let folder = folder();
    let server = ServerProcess::start(folder.path());
    let port = server.address.port();
    assert_eq!(told(healthcheck(folder.path(), port)), (Some(0), "ready\n".to_owned()));

    let (file, aside) = (folder.path().join("selfsame.db"), folder.path().join("aside.db"));
    std::fs::rename(&file, &aside).unwrap();
    let (code, said) = told(healthcheck(folder.path(), port));
    assert_eq!(code, Some(1), "{said}");
    let want = format!("not ready: the server at 127.0.0.1:{port} answered 503 Service Unavailable: ");
    assert!(said.starts_with(&want) && said.lines().count() == 1, "{said}");

    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(told(healthcheck(folder.path(), port)).0, Some(0));
}

#[test]
fn no_server_is_a_no_with_one_line() {
    let folder = folder();
    // Taken and let go, so that nobody listens there.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (code, said) = told(healthcheck(folder.path(), port));
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(
        said,
        format!("not ready: no server answers at 127.0.0.1:{port}: Connection refused (os error 111)\n")
    );
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_as_long_as_was_said() {
    let folder = folder();
    // The kernel accepts for it; nobody ever reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let arguments = ["healthcheck", "--port", &port.to_string(), "--timeout-seconds", "1"];
    let want = format!("not ready: no answer from 127.0.0.1:{port} within 1 s\n");
    assert_eq!(told(run_to_end(folder.path(), &arguments)), (Some(1), want));
}

#[test]
fn it_asks_where_the_settings_of_the_server_say() {
    let version_6 = TcpListener::bind("[::1]:0").is_ok();
    for host in ["0.0.0.0", "::", "[::]", "localhost", "127.0.0.1"] {
        if host.contains("::") && !version_6 {
            continue;
        }
        let folder = folder();
        let mut serve = command(folder.path(), &["serve", "--port", "0", "--insecure-no-auth"]);
        serve.env("HOST", host);
        let server = ServerProcess::spawn(serve).unwrap();
        let port = server.address.port();
        std::fs::write(folder.path().join(".env"), format!("HOST={host}\n")).unwrap();
        std::fs::write(folder.path().join("selfsame.toml"), format!("port = {port}\n")).unwrap();
        let output = run_to_end(folder.path(), &["healthcheck"]);
        assert_eq!(told(output), (Some(0), "ready\n".to_owned()), "{host}");
    }
}

#[test]
fn settings_that_name_no_server_are_an_error() {
    let folder = folder();
    assert_eq!(
        told(healthcheck(folder.path(), 0)),
        (
            Some(2),
            "error: PORT is 0, so the server took a port that nobody here knows\n\
             hint: --port with the one in its greeting\n"
                .to_owned()
        )
    );
    let (code, said) = told(run_to_end(folder.path(), &["healthcheck", "--host", "not a host"]));
    assert!(code == Some(2) && said.starts_with("error: HOST `not a host` is no address"), "{code:?} {said}");
}
