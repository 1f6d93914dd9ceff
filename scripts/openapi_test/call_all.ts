// Calls every GET of the description in openapi.json with the TypeScript client that was generated from it.
//
//     node call_all.js URL TOKEN
//
// Parameters that are required have the examples of the description.

import { readFileSync } from "node:fs";
import { client } from "./client.gen";
import * as operations from "./sdk.gen";

interface Parameter {
  name: string;
  in: "path" | "query" | "header";
  required?: boolean;
  example: unknown;
}

interface Operation {
  operationId: string;
  parameters?: Parameter[];
}

type Call = (options: object) => Promise<{ response: Response; error?: unknown }>;

// Its answer does not end.
const endless = "/v1/stream";
// The race of the examples is finished, and the next one runs.
const running: Record<string, object> = { "/v1/races/{classId}/{raceId}/rides/{racerId}": { raceId: 5400801 } };
// A service that runs alone has no cluster.
const statuses: Record<string, number> = { "/v1/cluster": 404 };

const camelCase = (name: string) => name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase());

async function main([url, token]: string[]) {
  client.setConfig({ baseUrl: url, auth: token });
  const { paths } = JSON.parse(readFileSync("openapi.json", "utf8"));
  let called = 0;
  for (const [path, methods] of Object.entries<{ get?: Operation }>(paths)) {
    if (!methods.get || path === endless) continue;
    const options: Record<string, Record<string, unknown>> = { path: {}, query: {}, headers: {} };
    for (const { name, in: place, required, example } of methods.get.parameters ?? []) {
      if (required) options[place === "header" ? "headers" : place]![name] = example;
    }
    Object.assign(options.path!, running[path]);
    const call = operations[camelCase(methods.get.operationId) as keyof typeof operations] as Call;
    const { response, error } = await call(options);
    if (response.status !== (statuses[path] ?? 200)) throw new Error(`${path}: ${response.status} ${JSON.stringify(error)}`);
    called += 1;
  }
  console.log(`the TypeScript client called ${called} operations`);
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exit(1);
});
