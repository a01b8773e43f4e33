//! A certificate authority, and the certificate of a server on this machine.

use std::path::Path;
use std::process::Command;

use super::run;

/// Make an authority (`ca.pem`), and a certificate from it with its key (`server.pem`) for
/// `localhost` and `127.0.0.1`, in this folder.
pub fn make(folder: &Path) {
    let authority = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=Authority of the tests",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    ];
    openssl(folder, &authority);
    let request = [
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=localhost",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
    ];
    openssl(folder, &request);
    let extensions = "basicConstraints=critical,CA:false\n\
        keyUsage=critical,digitalSignature\n\
        extendedKeyUsage=serverAuth\n\
        subjectKeyIdentifier=hash\n\
        authorityKeyIdentifier=keyid\n\
        subjectAltName=DNS:localhost,IP:127.0.0.1\n";
    std::fs::write(folder.join("extensions"), extensions).unwrap();
    let signing = [
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "extensions",
        "-out",
        "server.crt",
    ];
    openssl(folder, &signing);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    std::fs::write(folder.join("server.pem"), read("server.key") + &read("server.crt")).unwrap();
}

fn openssl(folder: &Path, arguments: &[&str]) {
    run(Command::new("openssl").args(arguments).current_dir(folder)).unwrap();
}
