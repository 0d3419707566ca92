// Segment's own client for Node, at work: `node send.mjs CALLS` sends the calls, JSON as [[method, parameters], …], to the server
// HOST with the key WRITE_KEY. Prints one JSON document: what could not be delivered, and why.
// It lies beside the tests and is run in the folder that has Segment's packages.

import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const { Analytics } = require("@segment/analytics-node");

const analytics = new Analytics({ writeKey: process.env.WRITE_KEY, host: process.env.HOST });
const failures = [];
analytics.on("error", (error) => failures.push(String(error.reason ?? error.code)));
for (const [method, parameters] of JSON.parse(process.argv[2])) {
  analytics[method](parameters);
}
await analytics.closeAndFlush();
console.log(JSON.stringify(failures));
