// tests/conformance/fixtureServer.ts
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  localhostHostValidation,
  localhostOriginValidation,
  toWebRequest
} from "@modelcontextprotocol/node";
import {
  createMcpHandler,
  createRequestStateCodec,
  InMemoryServerEventBus,
  isLegacyRequest
} from "@modelcontextprotocol/server";

// tests/conformance/fixture/server.ts
import { McpServer } from "@modelcontextprotocol/server";

// tests/conformance/fixture/askingTools.ts
import {
  acceptedContent,
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  inputResponse
} from "@modelcontextprotocol/server";
import { z } from "zod";

// tests/conformance/fixture/samples.ts
var pngBase64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC";
var wavBase64 = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";
function text(value) {
  return { type: "text", text: value };
}
function says(value) {
  return { content: [text(value)] };
}
var redPixel = { type: "image", data: pngBase64, mimeType: "image/png" };

// tests/conformance/fixture/askingTools.ts
var elicitName = elicit("What is your name?", z.object({ name: z.string() }));
var elicitConfirmation = elicit("Please confirm", z.object({ ok: z.boolean() }));
var username = z.object({
  username: z.string().describe("User's response"),
  email: z.string().describe("User's email address")
});
var defaults = {
  type: "object",
  properties: {
    name: { type: "string", default: "John Doe" },
    age: { type: "integer", default: 30 },
    score: { type: "number", default: 95.5 },
    status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
    verified: { type: "boolean", default: true }
  }
};
var options = ["option1", "option2", "option3"];
var enumerations = {
  type: "object",
  properties: {
    untitledSingle: { type: "string", enum: options },
    titledSingle: { type: "string", oneOf: titled("Option") },
    legacyEnum: {
      type: "string",
      enum: ["opt1", "opt2", "opt3"],
      enumNames: ["Option One", "Option Two", "Option Three"]
    },
    untitledMulti: { type: "array", items: { type: "string", enum: options } },
    titledMulti: { type: "array", items: { anyOf: titled("Choice") } }
  }
};
function addAskingTools(server) {
  addAskingForUser(server);
  addAskingForModelAndRoots(server);
  server.registerTool(
    "test_input_required_result_capabilities",
    { description: "Asks only for what the caller can do." },
    askWithinCapabilities
  );
}
function addAskingForUser(server) {
  const inputSchema = z.object({ message: z.string().describe("What to show the user.") });
  server.registerTool(
    "test_elicitation",
    { description: "Asks the user.", inputSchema },
    ({ message }, context) => askUser(context, elicit(message, username), "User response")
  );
  const fixed = {
    test_elicitation_sep1034_defaults: ["Asks with defaults.", elicit("Check the defaults", defaults)],
    test_elicitation_sep1330_enums: ["Asks with every kind of enumeration.", elicit("Choose", enumerations)],
    test_streaming_elicitation: ["Asks in the middle of a call.", elicitName]
  };
  for (const [name, [description, question]] of Object.entries(fixed)) {
    server.registerTool(name, { description }, (context) => askUser(context, question, "Elicitation completed"));
  }
  server.registerTool(
    "test_input_required_result_elicitation",
    { description: "Asks for a name and greets." },
    ({ mcpReq }) => {
      const given = acceptedContent(mcpReq.inputResponses, "user_name", z.object({ name: z.string() }));
      return given ? says(`Hello, ${given.name}!`) : inputRequired({ inputRequests: { user_name: elicitName } });
    }
  );
}
function addAskingForModelAndRoots(server) {
  const inputSchema = z.object({ prompt: z.string().describe("What to ask the model.") });
  server.registerTool(
    "test_sampling",
    { description: "Asks the model.", inputSchema },
    ({ prompt }, context) => askModel(context, "completion", prompt)
  );
  server.registerTool(
    "test_input_required_result_sampling",
    { description: "Asks for a capital." },
    (context) => askModel(context, "capital_question", "What is the capital of France?")
  );
  server.registerTool(
    "test_missing_capability",
    { description: "Cannot do without sampling." },
    (context) => askModel(context, "completion", "Are you there?")
  );
  server.registerTool("test_input_required_result_list_roots", { description: "Asks for the roots." }, askRoots);
}
function askUser({ mcpReq }, question, lead) {
  const given = inputResponse(mcpReq.inputResponses, "user");
  if (given.kind !== "elicit") return inputRequired({ inputRequests: { user: question } });
  return says(`${lead}: action=${given.action}, content=${JSON.stringify(given.content ?? {})}`);
}
function askModel({ mcpReq }, key, prompt) {
  const given = inputResponse(mcpReq.inputResponses, key);
  if (given.kind !== "sampling") return inputRequired({ inputRequests: { [key]: sample(prompt, 100) } });
  return says(`LLM response: ${JSON.stringify(given.result.content)}`);
}
function askRoots({ mcpReq }) {
  const given = inputResponse(mcpReq.inputResponses, "client_roots");
  if (given.kind !== "roots") return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
  return says(`Roots: ${given.roots.map((root) => root.uri).join(", ")}`);
}
function askWithinCapabilities({ mcpReq }) {
  if (mcpReq.inputResponses) return says("Thank you.");
  const envelope = mcpReq.envelope;
  const able = envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
  const inputRequests = {
    ...able.elicitation && { user_name: elicitName },
    ...able.sampling && { greeting: sample("Generate a greeting", 50) },
    ...able.roots && { client_roots: inputRequired.listRoots() }
  };
  return Object.keys(inputRequests).length > 0 ? inputRequired({ inputRequests }) : says("Nothing to ask you for.");
}
function elicit(message, requestedSchema) {
  return inputRequired.elicit({ message, requestedSchema });
}
function sample(prompt, maxTokens) {
  return inputRequired.createMessage({
    messages: [{ role: "user", content: { type: "text", text: prompt } }],
    maxTokens
  });
}
function titled(noun) {
  return ["First", "Second", "Third"].map((rank, index) => ({ const: `value${index + 1}`, title: `${rank} ${noun}` }));
}

// tests/conformance/fixture/contentTools.ts
import { fromJsonSchema } from "@modelcontextprotocol/server";
var contentTools = {
  test_simple_text: {
    description: "Answers with a text.",
    result: says("This is a simple text response for testing.")
  },
  test_image_content: { description: "Answers with an image.", result: { content: [redPixel] } },
  test_audio_content: {
    description: "Answers with a sound.",
    result: { content: [{ type: "audio", data: wavBase64, mimeType: "audio/wav" }] }
  },
  test_embedded_resource: {
    description: "Answers with a resource inside.",
    result: { content: [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")] }
  },
  test_multiple_content_types: {
    description: "Answers with a text, an image and a resource.",
    result: {
      content: [
        text("Multiple content types test:"),
        redPixel,
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
      ]
    }
  }
};
var phoneOrEmail = Object.fromEntries([
  ["if", { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] }],
  ["then", { required: ["phone"] }],
  ["else", { required: ["email"] }]
]);
var contactSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  type: "object",
  $defs: {
    address: {
      $anchor: "addressDef",
      type: "object",
      properties: { street: { type: "string" }, city: { type: "string" } }
    }
  },
  properties: {
    name: { type: "string" },
    address: { $ref: "#/$defs/address" },
    contactMethod: { type: "string", enum: ["phone", "email"] },
    phone: { type: "string" },
    email: { type: "string" }
  },
  allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
  ...phoneOrEmail,
  additionalProperties: false
};
var regionSchema = {
  type: "object",
  properties: { region: { type: "string", description: "Where to look.", "x-mcp-header": "Region" } }
};
function addContentTools(server) {
  for (const [name, { description, result }] of Object.entries(contentTools)) {
    server.registerTool(name, { description }, () => result);
  }
  server.registerTool("test_error_handling", { description: "Always fails." }, failOnPurpose);
  server.registerTool(
    "json_schema_2020_12_tool",
    { description: "Tool with JSON Schema 2020-12 features", inputSchema: fromJsonSchema(contactSchema) },
    (contact) => says(`Contact: ${JSON.stringify(contact)}`)
  );
  server.registerTool(
    "test_x_mcp_header",
    { description: "Takes a parameter that a header repeats.", inputSchema: fromJsonSchema(regionSchema) },
    (given) => says(`Region: ${JSON.stringify(given)}`)
  );
}
function embedded(uri, mimeType, content) {
  return { type: "resource", resource: { uri, mimeType, text: content } };
}
function failOnPurpose() {
  throw new Error("This tool intentionally returns an error for testing");
}

// tests/conformance/fixture/prompts.ts
import {
  acceptedContent as acceptedContent2,
  completable,
  inputRequired as inputRequired2
} from "@modelcontextprotocol/server";
import { z as z2 } from "zod";
var cities = ["paris", "park", "party", "testville"];
function addPrompts(server) {
  server.registerPrompt(
    "test_simple_prompt",
    { description: "Takes nothing." },
    () => userSays(text("This is a simple prompt for testing."))
  );
  server.registerPrompt(
    "test_prompt_with_image",
    { description: "Shows an image." },
    () => userSays(redPixel, text("Please analyze the image above."))
  );
  server.registerPrompt(
    "test_prompt_with_arguments",
    {
      description: "Takes two arguments.",
      argsSchema: z2.object({
        arg1: completable(z2.string().describe("First test argument"), citiesFrom),
        arg2: z2.string().describe("Second test argument")
      })
    },
    ({ arg1, arg2 }) => userSays(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    {
      description: "Embeds the resource it is given.",
      argsSchema: z2.object({ resourceUri: z2.string().describe("URI of the resource to embed") })
    },
    ({ resourceUri: uri }) => userSays(embedded2(uri), text("Please process the embedded resource above."))
  );
  addAskingPrompt(server);
}
function addAskingPrompt(server) {
  const context = z2.object({ context: z2.string() });
  server.registerPrompt("test_input_required_result_prompt", { description: "Asks for context." }, ({ mcpReq }) => {
    const given = acceptedContent2(mcpReq.inputResponses, "user_context", context);
    if (given) return userSays(text(`Prompt in the context of: ${given.context}`));
    return inputRequired2({
      inputRequests: { user_context: elicit("What context should the prompt use?", context) }
    });
  });
}
function citiesFrom(start) {
  return cities.filter((city) => city.startsWith(start));
}
function embedded2(uri) {
  return {
    type: "resource",
    resource: { uri, mimeType: "text/plain", text: "Embedded resource content for testing." }
  };
}
function userSays(...contents) {
  return { messages: contents.map((content) => ({ role: "user", content })) };
}

// tests/conformance/fixture/resources.ts
import { ResourceTemplate } from "@modelcontextprotocol/server";
var plain = "text/plain";
function addResources(server) {
  server.registerResource(
    "static-text",
    "test://static-text",
    { description: "A text that never changes.", mimeType: plain },
    ({ href: uri }) => ({
      contents: [{ uri, mimeType: plain, text: "This is the content of the static text resource." }]
    })
  );
  server.registerResource(
    "static-binary",
    "test://static-binary",
    { description: "An image that never changes.", mimeType: "image/png" },
    ({ href: uri }) => ({ contents: [{ uri, mimeType: "image/png", blob: pngBase64 }] })
  );
  server.registerResource(
    "watched-resource",
    "test://watched-resource",
    { description: "A text that can be subscribed to.", mimeType: plain },
    ({ href: uri }) => ({ contents: [{ uri, mimeType: plain, text: "Watched resource content." }] })
  );
  server.registerResource(
    "template",
    new ResourceTemplate("test://template/{id}/data", { list: void 0 }),
    { description: "A text made from the id in its address.", mimeType: "application/json" },
    ({ href: uri }, { id }) => ({
      contents: [
        {
          uri,
          mimeType: "application/json",
          text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
        }
      ]
    })
  );
}

// tests/conformance/fixture/statefulTools.ts
import {
  acceptedContent as acceptedContent3,
  inputRequired as inputRequired3,
  inputResponse as inputResponse2
} from "@modelcontextprotocol/server";
import { z as z3 } from "zod";
function addStatefulTools(server, states) {
  for (const name of ["test_input_required_result_request_state", "test_input_required_result_tampered_state"]) {
    server.registerTool(
      name,
      { description: "Asks to confirm and checks its own state." },
      (context) => confirm(name, context, states)
    );
  }
  server.registerTool(
    "test_input_required_result_multiple_inputs",
    { description: "Asks the user, the model and for the roots at once." },
    (context) => askEverybody(context, states)
  );
  server.registerTool(
    "test_input_required_result_multi_round",
    { description: "Asks twice." },
    (context) => askTwice(context, states)
  );
}
async function confirm(tool, { mcpReq }, states) {
  const confirmed = acceptedContent3(mcpReq.inputResponses, "confirm", z3.object({ ok: z3.boolean() }));
  if (confirmed && isRound(mcpReq, tool, 1)) return says(`state-ok: ${confirmed.ok}`);
  return ask({ confirm: elicitConfirmation }, await states.mint({ tool, round: 1 }));
}
async function askEverybody({ mcpReq }, states) {
  const tool = "test_input_required_result_multiple_inputs";
  const kinds = ["user_name", "greeting", "client_roots"].map((key) => inputResponse2(mcpReq.inputResponses, key).kind);
  if (!kinds.includes("missing") && isRound(mcpReq, tool, 1)) return says(`Given: ${kinds.join(", ")}`);
  const questions = {
    user_name: elicitName,
    greeting: sample("Generate a greeting", 50),
    client_roots: inputRequired3.listRoots()
  };
  return ask(questions, await states.mint({ tool, round: 1 }));
}
async function askTwice({ mcpReq }, states) {
  const tool = "test_input_required_result_multi_round";
  const named = acceptedContent3(mcpReq.inputResponses, "step1", z3.object({ name: z3.string() }));
  const coloured = acceptedContent3(mcpReq.inputResponses, "step2", z3.object({ color: z3.string() }));
  if (coloured && isRound(mcpReq, tool, 2)) return says(`Your favourite color is ${coloured.color}.`);
  if (named && isRound(mcpReq, tool, 1)) {
    const step2 = elicit("Step 2: What is your favorite color?", z3.object({ color: z3.string() }));
    return ask({ step2 }, await states.mint({ tool, round: 2 }));
  }
  const step1 = elicit("Step 1: What is your name?", z3.object({ name: z3.string() }));
  return ask({ step1 }, await states.mint({ tool, round: 1 }));
}
function isRound(request, tool, round) {
  const state = request.requestState();
  return state?.tool === tool && state.round === round;
}
function ask(inputRequests, requestState) {
  return inputRequired3({ inputRequests, requestState });
}

// tests/conformance/fixture/streamTools.ts
import { setTimeout as sleep } from "node:timers/promises";
var pauseMs = 50;
function addStreamTools(server, changes) {
  server.registerTool("test_tool_with_logging", { description: "Logs three times while it works." }, logThrice);
  server.registerTool("test_logging_tool", { description: "Logs once, if the caller asked for logs." }, logOnce);
  server.registerTool("test_tool_with_progress", { description: "Reports its progress." }, reportProgress);
  server.registerTool("test_reconnection", { description: "Drops its stream before it answers." }, dropStream);
  server.registerTool("test_trigger_tool_change", { description: "Announces a change of the tools." }, () => {
    changes.publish({ kind: "tools_list_changed" });
    return says("Announced.");
  });
  server.registerTool("test_trigger_prompt_change", { description: "Announces a change of the prompts." }, () => {
    changes.publish({ kind: "prompts_list_changed" });
    return says("Announced.");
  });
}
async function logThrice({ mcpReq }) {
  await mcpReq.log("info", "Tool execution started");
  await sleep(pauseMs);
  await mcpReq.log("info", "Tool processing data");
  await sleep(pauseMs);
  await mcpReq.log("info", "Tool execution completed");
  return says("Tool with logging executed successfully");
}
async function logOnce({ mcpReq }) {
  await mcpReq.log("info", "Only for those who set a log level");
  return says("Logging tool executed successfully");
}
async function reportProgress({ mcpReq }) {
  const progressToken = mcpReq._meta?.progressToken;
  for (const progress of [0, 50, 100]) {
    if (progress > 0) await sleep(pauseMs);
    if (progressToken === void 0) continue;
    await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 100 } });
  }
  return says("Tool with progress executed successfully");
}
async function dropStream({ http }) {
  http?.closeSSE?.();
  await sleep(2 * pauseMs);
  return says("Answered after the stream was dropped");
}

// tests/conformance/fixture/server.ts
function createServer({ changes, states }) {
  const server = new McpServer(
    { name: "conformance-fixture", version: "1.0.0" },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        completions: {},
        logging: {}
      },
      requestState: { verify: states.verify }
    }
  );
  addContentTools(server);
  addStreamTools(server, changes);
  addAskingTools(server);
  addStatefulTools(server, states);
  addResources(server);
  addPrompts(server);
  return server;
}

// tests/conformance/fixture/sessions.ts
import { randomUUID } from "node:crypto";
import {
  WebStandardStreamableHTTPServerTransport
} from "@modelcontextprotocol/server";

// tests/conformance/fixture/eventLog.ts
var EventLog = class {
  #events = [];
  /** The event's id is its place in the log. */
  async storeEvent(streamId, message) {
    return String(this.#events.push({ streamId, message }) - 1);
  }
  async getStreamIdForEventId(eventId) {
    return this.#events[Number(eventId)]?.streamId;
  }
  /** Sends what the same stream said later; resolves with the stream's id. Rejects for an id that was never given out. */
  async replayEventsAfter(lastEventId, { send }) {
    const streamId = await this.getStreamIdForEventId(lastEventId);
    if (streamId === void 0) throw new Error(`No event ${lastEventId}.`);
    for (const [index, event] of this.#events.entries()) {
      if (index <= Number(lastEventId) || event.streamId !== streamId || !hasContent(event.message)) continue;
      await send(String(index), event.message);
    }
    return streamId;
  }
};
function hasContent(message) {
  return Object.keys(message).length > 0;
}

// tests/conformance/fixture/sessions.ts
var retryInterval = 50;
var Sessions = class {
  #sessions = /* @__PURE__ */ new Map();
  #shared;
  constructor(shared) {
    this.#shared = shared;
  }
  /** Answers a request of the session it names; one that names none has to open one. */
  async fetch(request) {
    const id = request.headers.get("mcp-session-id");
    if (id !== null) return this.#sessions.get(id)?.handleRequest(request) ?? lostSession();
    return (await this.#open()).handleRequest(request);
  }
  async close() {
    await Promise.all([...this.#sessions.values()].map((transport) => transport.close()));
    this.#sessions.clear();
  }
  async #open() {
    const server = createServer(this.#shared);
    const watched = acceptSubscriptions(server);
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: new EventLog(),
      retryInterval,
      onsessioninitialized: (id) => {
        this.#sessions.set(id, transport);
        server.server.onclose = this.#shared.changes.subscribe((event) => announce(server, watched, event));
      },
      onsessionclosed: (id) => {
        this.#sessions.delete(id);
      }
    });
    await server.connect(transport);
    return transport;
  }
};
function lostSession() {
  return Response.json(
    { jsonrpc: "2.0", id: null, error: { code: -32001, message: "Session not found" } },
    { status: 404 }
  );
}
function acceptSubscriptions(server) {
  const watched = /* @__PURE__ */ new Set();
  server.server.setRequestHandler("resources/subscribe", ({ params }) => {
    watched.add(params.uri);
    return {};
  });
  server.server.setRequestHandler("resources/unsubscribe", ({ params }) => {
    watched.delete(params.uri);
    return {};
  });
  return watched;
}
function announce(server, watched, event) {
  if (event.kind === "tools_list_changed") server.sendToolListChanged();
  else if (event.kind === "prompts_list_changed") server.sendPromptListChanged();
  else if (event.kind === "resources_list_changed") server.sendResourceListChanged();
  else if (watched.has(event.uri)) void server.server.sendResourceUpdated({ uri: event.uri });
}

// tests/conformance/fixtureServer.ts
async function startFixture(options2 = {}) {
  const { port = 0, host = "127.0.0.1", requireBearer } = options2;
  const endpoint = createEndpoint();
  const guards = [localhostHostValidation(), localhostOriginValidation(), bearerGuard(requireBearer), isMcpPath];
  const server = createHttpServer((request, response) => {
    if (guards.every((guard) => guard(request, response))) void answer(endpoint, request, response);
  });
  server.listen(port, host);
  await once(server, "listening");
  return { url: `http://${host}:${server.address().port}/mcp`, close: () => stop(server, endpoint) };
}
function createEndpoint() {
  const states = createRequestStateCodec({ key: randomBytes(32) });
  const shared = { changes: new InMemoryServerEventBus(), states };
  const modern = createMcpHandler(() => createServer(shared), { legacy: "reject", bus: shared.changes });
  const sessions = new Sessions(shared);
  return {
    fetch: async (request) => await isLegacyRequest(request) ? sessions.fetch(request) : modern.fetch(request),
    close: async () => {
      await Promise.all([sessions.close(), modern.close()]);
    }
  };
}
async function answer(endpoint, request, response) {
  const left = new AbortController();
  response.once("close", () => left.abort());
  try {
    const reply = await endpoint.fetch(
      await toWebRequest(request, void 0, { signal: left.signal })
    );
    response.writeHead(reply.status, Object.fromEntries(reply.headers)).flushHeaders();
    if (reply.body === null) response.end();
    else await pipeline(Readable.fromWeb(reply.body), response);
  } catch (reason) {
    if (!left.signal.aborted) response.destroy(reason instanceof Error ? reason : new Error(String(reason)));
  }
}
function bearerGuard(required) {
  const accepts = typeof required === "string" ? (token) => token === required : required ?? (() => true);
  return ({ headers }, response) => {
    const token = /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1] ?? "";
    if (accepts(token)) return true;
    response.writeHead(401, { "www-authenticate": "Bearer" }).end();
    return false;
  };
}
function isMcpPath({ url }, response) {
  if (url?.split("?")[0] === "/mcp") return true;
  response.writeHead(404).end();
  return false;
}
async function stop(server, endpoint) {
  const closed = once(server, "close");
  server.close();
  await endpoint.close();
  server.closeAllConnections();
  await closed;
}
export {
  startFixture
};
