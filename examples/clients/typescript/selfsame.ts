// A client of a server: typed by `schema.d.ts`, which `npm run generate` makes of the server's own description.

import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

export type Event = components["schemas"]["Event"];
export type Identity = components["schemas"]["Identity"];
export type Problem = components["schemas"]["Problem"];

/** Answers are JSON: `/v1/events`, which can be a stream as well, is read in pages. */
export type Selfsame = Client<paths, "application/json" | "application/problem+json">;

/** A problem that the server tells, as an error. `problem.code` is what programs compare. */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.status} ${problem.code}: ${problem.detail} (request ${problem.requestId})`);
  }
}

/** A client of the server at that URL. */
export function selfsame(baseUrl: string, key?: string): Selfsame {
  const headers = key === undefined ? {} : { authorization: `Bearer ${key}` };
  return createClient({ baseUrl, headers, fetch: fetchWithRetries });
}

/** What was answered, or the problem as an error. */
export function answered<T>(reply: { data?: T; error?: Problem }): T {
  if (reply.data === undefined) {
    throw reply.error === undefined ? new Error("the answer has no body") : new ProblemError(reply.error);
  }
  return reply.data;
}

/** The events behind that one, in order, page by page. Store the last `sequence` to go on from there. */
export async function* events(client: Selfsame, after: number): AsyncGenerator<Event> {
  for (;;) {
    const query = { after, limit: 100 };
    const page = answered(await client.GET("/v1/events", { params: { query } }));
    yield* page.events;
    const last = page.events.at(-1);
    if (last === undefined || page.nextCursor === null) return;
    after = last.sequence;
  }
}

/**
 * Sends a request again that may do better a moment later: where the connection broke, and where the server says so by
 * `Retry-After`. A change must have an `Idempotency-Key`, so that it has its effect once.
 */
async function fetchWithRetries(request: Request): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const isLast = attempt === 5;
    // A body is read by sending it: what is sent is a copy.
    const reply = await fetch(request.clone()).catch((error: unknown) => {
      if (isLast) throw error;
      return undefined;
    });
    const wait = reply?.headers.get("retry-after");
    if (reply !== undefined && (isLast || wait === null)) return reply;
    const seconds = Math.max(Number(wait ?? 0), 2 ** attempt * 0.05);
    await new Promise((resume) => setTimeout(resume, seconds * 1000));
  }
}
