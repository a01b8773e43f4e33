// better-auth as a service of its own: e-mail and password, sessions in SQLite, as its documentation
// sets it up for Node (integrations/node, adapters/sqlite, guides/optimizing-for-performance).
//
//   node better-auth.mjs migrate        make the tables
//   node better-auth.mjs PORT [COUNT]   serve, with COUNT processes (Node's cluster)
//
// Beside the defaults: the write-ahead log, which better-sqlite3 recommends and ours uses too, and
// joins, which make a session check one query instead of two. The cookie cache stays off, so that a
// session that has ended is refused at once, as it is by the others; and so does the rate limiter.
import cluster from "node:cluster";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The packages lie where the benchmark fetched them, not beside this file.
const require = createRequire(`${process.env.PACKAGES}/`);
const load = (name) => import(pathToFileURL(require.resolve(name)));
const Database = require("better-sqlite3");
const { betterAuth } = await load("better-auth");

const [task, count = "1"] = process.argv.slice(2);

function open() {
    const database = new Database("better-auth.sqlite");
    database.pragma("journal_mode = WAL");
    return betterAuth({
        database,
        baseURL: process.env.BASE_URL,
        secret: process.env.BETTER_AUTH_SECRET,
        emailAndPassword: { enabled: true },
        rateLimit: { enabled: false },
        telemetry: { enabled: false },
        advanced: { database: { joins: true } },
    });
}

if (task === "migrate") {
    const { getMigrations } = await load("better-auth/db/migration");
    await (await getMigrations(open().options)).runMigrations();
} else if (cluster.isPrimary && count !== "1") {
    for (let each = 0; each < Number(count); each++) cluster.fork();
} else {
    const { toNodeHandler } = await load("better-auth/node");
    createServer(toNodeHandler(open())).listen(Number(task), "127.0.0.1");
}
