// A mail server on smtp-server, another one than the Python one: `smtp_server.mjs OPTIONS`, with the
// same options, input and output as far as they go. It offers the log-in LOGIN alone.

import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { createRequire } from "node:module";

const options = JSON.parse(process.argv[2]);
// The packages lie in the current folder, wherever this file does.
const { SMTPServer } = createRequire(path.join(process.cwd(), "x.js"))("smtp-server");

let behaviour = "accept";
let connections = 0;
let kept = 0;

function refuse(code, text) {
  const error = new Error(text);
  error.responseCode = code;
  return error;
}

function keep(session, content) {
  kept += 1;
  const name = path.join(options.folder, String(kept).padStart(6, "0"));
  const { mailFrom, rcptTo } = session.envelope;
  fs.writeFileSync(`${name}.eml`, content);
  const about = { from: mailFrom.address, to: rcptTo.map((it) => it.address) };
  fs.writeFileSync(`${name}.part`, JSON.stringify(about));
  fs.renameSync(`${name}.part`, `${name}.json`);
}

const pem = options.tls === "none" ? undefined : fs.readFileSync(options.certificate);
const server = new SMTPServer({
  name: "localhost",
  logger: false,
  secure: options.tls === "implicit",
  key: pem,
  cert: pem,
  disabledCommands: options.tls === "none" ? ["STARTTLS"] : [],
  allowInsecureAuth: options.tls === "none",
  authMethods: ["LOGIN"],
  disableReverseLookup: true,
  onConnect(session, done) {
    connections += 1;
    done();
  },
  onAuth(auth, session, done) {
    const right = auth.username === options.user && auth.password === options.password;
    done(right ? null : refuse(535, "5.7.8 wrong user or password"), { user: auth.username });
  },
  onRcptTo(address, session, done) {
    if (behaviour === "rcpt-4xx") return done(refuse(450, "4.2.0 come back later"));
    if (behaviour === "rcpt-5xx") return done(refuse(550, "5.1.1 no such user"));
    done();
  },
  onData(stream, session, done) {
    const parts = [];
    stream.on("data", (part) => parts.push(part));
    stream.on("end", () => {
      if (behaviour === "data-4xx") return done(refuse(451, "4.3.0 not now"));
      if (behaviour === "data-5xx") return done(refuse(554, "5.7.1 this is spam"));
      keep(session, Buffer.concat(parts));
      done();
    });
  },
});
server.on("error", () => {}); // of one connection: a client that is gone

server.listen(0, "127.0.0.1", () => console.log(server.server.address().port));
readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [command, name] = line.split(" ");
    if (command === "behave") behaviour = name;
    console.log(command === "connections" ? connections : "ok");
  })
  .on("close", () => process.exit(0));
