// Draws the API's description (OpenAPI 3.1) as a page to read.

import { ask, askForKey, dropKey, element, refusal, takeKey } from "./access.js";

const by = (id) => document.getElementById(id);

async function show() {
  const key = takeKey();
  const response = await ask("/schema/openapi.json");
  if (!response.ok) {
    dropKey();
    const why = await refusal(response);
    askAgain(key || response.status !== 401 ? why : "The description needs a sign-in, or a key; any will do.");
    return;
  }
  const document_ = await response.json();
  by("ask").hidden = true;
  by("api").hidden = false;
  by("state").textContent = `the HTTP API, version ${document_.info.version}`;
  const file = new Blob([JSON.stringify(document_, null, 2)], { type: "application/json" });
  by("download").href = URL.createObjectURL(file);
  by("download").hidden = false;
  const operations = Object.entries(document_.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => drawOperation(path, method, operation)),
  );
  by("api").replaceChildren(
    element("p", { textContent: document_.info.description }),
    ...operations,
    element("h2", { textContent: "Records" }),
    ...Object.entries(document_.components.schemas).map(([name, schema]) => drawRecord(name, schema)),
  );
}

function drawOperation(path, method, operation) {
  const summary = element(
    "summary",
    {},
    element("span", { className: `badge ${method}`, textContent: method.toUpperCase() }),
    element("code", { textContent: path }),
    ` ${operation.summary ?? ""}`,
  );
  const parts = [element("p", { textContent: operation.description ?? "" })];
  if (operation.parameters?.length) {
    parts.push(
      drawTable(
        ["parameter", "in", "type", "what it is"],
        operation.parameters.map((one) => [one.name, one.in, typeOf(one.schema), one.description ?? ""]),
      ),
    );
  }
  const bodies = Object.entries(operation.requestBody?.content ?? {}).map(([type, { schema }]) => [
    "sent",
    type,
    typeOf(schema),
  ]);
  for (const [status, answer] of Object.entries(operation.responses)) {
    for (const [type, { schema }] of Object.entries(answer.content ?? { "": {} })) {
      bodies.push([status, type, schema ? typeOf(schema) : (answer.description ?? "")]);
    }
  }
  parts.push(drawTable(["answer", "kind", "record"], bodies));
  return element("details", { className: "operation" }, summary, ...parts);
}

function drawRecord(name, schema) {
  const needed = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([field, one]) => [
    needed.has(field) ? `${field} (always)` : field,
    typeOf(one),
  ]);
  const made = element(
    "details",
    { className: "operation" },
    element("summary", {}, element("code", { textContent: name })),
    element("p", { textContent: schema.description ?? "" }),
    drawTable(["field", "type"], rows),
  );
  made.id = `record-${name}`;
  return made;
}

function drawTable(heads, rows) {
  const line = (cell, cells) => element("tr", {}, ...cells.map((text) => element(cell, { textContent: text })));
  return element(
    "table",
    {},
    element("thead", {}, line("th", heads)),
    element("tbody", {}, ...rows.map((cells) => line("td", cells))),
  );
}

function typeOf(schema) {
  if (!schema) {
    return "";
  }
  if (schema.$ref) {
    return schema.$ref.split("/").pop();
  }
  const options = schema.anyOf ?? schema.oneOf;
  if (options) {
    return options.map(typeOf).join(" or ");
  }
  if (schema.type === "array") {
    return `list of ${typeOf(schema.items) || "any"}`;
  }
  if (schema.enum) {
    return schema.enum.join(", ");
  }
  return [schema.type, schema.format].filter(Boolean).join(" ");
}

function askAgain(why) {
  by("refused").textContent = why;
  by("api").hidden = true;
  by("ask").hidden = false;
  by("key").focus();
}

askForKey(by("ask"), show);
show();
