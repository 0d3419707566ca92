// Takes a checkout, tells whose it is, and lists what has happened since an event:
//
//   node build/checkout.js EMAIL PHONE [AFTER]

import { randomUUID } from "node:crypto";
import { ProblemError, answered, events, selfsame } from "./selfsame.js";

const [email, phone, after] = process.argv.slice(2);
if (email === undefined || phone === undefined) throw new Error("usage: checkout.js EMAIL PHONE [AFTER]");
const client = selfsame(process.env["SELFSAME_URL"] ?? "http://127.0.0.1:3000", process.env["SELFSAME_KEY"]);

try {
  const identifiers = [
    { kind: "email", value: email },
    { kind: "phone", value: phone },
  ];
  const observed = answered(
    await client.POST("/v1/observations", {
      params: { header: { "Idempotency-Key": randomUUID() } },
      body: { identifiers, source: "example" },
    }),
  );
  console.log(`${observed.outcome}: customer ${observed.identity?.primaryContactId ?? "none"}`);

  const person = answered(await client.GET("/v1/identities", { params: { query: { phone } } }));
  for (const { kind, value } of person.identifiers) console.log(`  ${kind} ${value ?? "(erased)"}`);

  for await (const event of events(client, Number(after ?? 0))) {
    console.log(`event ${event.sequence}: ${event.kind} by ${event.causedBy}`);
  }
} catch (error) {
  if (!(error instanceof ProblemError)) throw error;
  console.log(`refused: ${error.problem.code}`);
  process.exitCode = 1;
}
