// The live page: reads the server-sent events of /api/v1/stream and draws them. EventSource cannot send
// a key, so the stream is read with fetch.

import { ask, askForKey, dropKey, element, refusal, takeKey } from "./access.js";
import { pictures } from "./pictures.js";
import { moment, showTruth } from "./truth.js";

const ROWS = 200;
const SECONDS = 120;
const by = (id) => document.getElementById(id);

const state = { paused: false, waiting: [], missed: 0, rates: [], connection: null };

const on = {
  hello(hello) {
    by("bundle").textContent = hello.bundle;
    by("policies").textContent = hello.policy_set;
    by("decisions").replaceChildren();
    hello.recent.forEach(add);
    on.counters(hello.counters);
    by("truth").hidden = !hello.truth;
    if (hello.truth) {
      on.truth(hello.truth);
    }
  },
  counters(counters) {
    by("posts").textContent = counters.posts.toLocaleString();
    by("rate").textContent = counters.per_second.toLocaleString();
    for (const [outcome, count] of Object.entries({ ...counters.outcomes, demote: counters.demoted })) {
      by(`count-${outcome}`).textContent = count.toLocaleString();
    }
    by("anew").textContent = counters.anew.toLocaleString();
    by("asked-anew").textContent = counters.asked_anew.toLocaleString();
    state.rates.push(counters.per_second);
    state.rates = state.rates.slice(-SECONDS);
    const top = Math.max(1, ...state.rates);
    const points = state.rates.map((rate, i) => {
      const x = SECONDS - state.rates.length + i + 0.5;
      return `${x} ${(30 - (28 * rate) / top).toFixed(1)}`;
    });
    by("pulse-line").setAttribute("d", `M${points.join("L")}`);
  },
  decision(decision) {
    if (state.paused) {
      state.waiting.push(decision);
      state.waiting = state.waiting.slice(-ROWS);
    } else {
      add(decision);
    }
  },
  truth(truth) {
    showTruth(truth, showTrail);
  },
  missed({ missed }) {
    state.missed += missed;
    by("missed").hidden = false;
    by("missed").textContent = `${state.missed.toLocaleString()} events came faster than this page could read them.`;
  },
};

function add(decision) {
  const opener = element("button", { type: "button", className: "id", textContent: decision.id });
  opener.addEventListener("click", () => showTrail(decision));
  const meter = element("meter", { min: 0, max: 1, value: decision.probability });
  meter.setAttribute("aria-label", `probability under ${decision.policy}`);
  // Who waits for a person may be demoted meanwhile.
  const done = new Set([decision.decision, ...(decision.demoted ? ["demote"] : [])]);
  const badges = [...done].flatMap((word) => [
    element("span", { className: `badge ${word}`, textContent: word }),
    " ",
  ]);
  const row = element(
    "tr",
    {},
    element("td", { textContent: moment(decision.at) }),
    element("td", {}, opener),
    element("td", {}, ...badges),
    element("td", { className: "trigger", textContent: decision.trigger }),
    element("td", { textContent: decision.policy }),
    element("td", { className: "probability" }, meter, ` ${decision.probability.toFixed(2)}`),
    element("td", { className: "why", textContent: decision.reasons.join("; ") }),
  );
  row.dataset.done = [...done].join(" ");
  row.hidden = !wanted(row);
  const rows = by("decisions");
  rows.prepend(row);
  while (rows.childElementCount > ROWS) {
    rows.lastElementChild.remove();
  }
  by("empty").hidden = true;
}

function wanted(row) {
  const filter = by("filter").value;
  return !filter || row.dataset.done.split(" ").includes(filter);
}

async function showTrail({ id, platform }) {
  const response = await ask(`/api/v1/posts/${encodeURIComponent(id)}?platform=${encodeURIComponent(platform)}`);
  by("trail-title").textContent = id;
  if (!response.ok) {
    by("trail-body").replaceChildren(element("p", { textContent: await refusal(response) }));
  } else {
    const { decisions, post, pictures: shown } = await response.json();
    const parts = decisions.map(describe);
    if (post) {
      // Nobody should have to read a harmful text by accident.
      parts.push(
        element(
          "details",
          {},
          element("summary", { textContent: "show the text (it may be harmful)" }),
          element("blockquote", { textContent: post.text }),
        ),
      );
    }
    parts.push(...pictures(shown));
    by("trail-body").replaceChildren(...parts);
  }
  by("trail").showModal();
}

function describe(decision) {
  const policies = Object.entries(decision.policies).map(([name, p]) => `${name} ${p.toFixed(3)}`);
  const facts = [
    ["decided", new Date(decision.decided_at / 1000).toLocaleString()],
    ["because", decision.trigger],
    ["outcome", decision.outcome],
    ["with every policy live and certified", decision.would],
    ["probability of harm", decision.probability.toFixed(4)],
    ["by policy", policies.join(", ")],
    ["language", decision.language],
    ["stage", decision.stage],
    ["bundle", decision.bundle],
    ["policies", decision.policy_set],
    ["rules", [...new Set(decision.reasons.map(inWords))].join("; ") || "none"],
  ];
  return element(
    "dl",
    {},
    ...facts.flatMap(([name, value]) => [
      element("dt", { textContent: name }),
      element("dd", { textContent: value }),
    ]),
  );
}

function inWords({ policy, rule, sentence }) {
  return sentence ?? `${policy}: ${rule}`;
}

// Reads one stream to its end; returns a sentence if the server refused it.
async function read(signal) {
  const response = await ask("/api/v1/stream", { signal });
  if (!response.ok) {
    const [unknown, forbidden] = [response.status === 401, response.status === 403];
    return { text: await refusal(response), final: unknown || forbidden, unknown };
  }
  say("live");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) {
      return { text: "the stream ended", final: false };
    }
    const events = (text + value).split("\n\n");
    text = events.pop();
    for (const event of events) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
      on[name]?.(JSON.parse(data));
    }
  }
}

function say(words) {
  by("state").textContent = words;
  by("state").dataset.live = String(words === "live");
}

async function watch() {
  state.connection?.abort();
  const connection = (state.connection = new AbortController());
  const key = takeKey();
  by("ask").hidden = true;
  by("watch").hidden = false;
  for (let pause = 500; !connection.signal.aborted; pause = Math.min(2 * pause, 15_000)) {
    let ended;
    try {
      ended = await read(connection.signal);
    } catch {
      ended = { text: "the server does not answer", final: false };
    }
    if (ended.final) {
      dropKey();
      askAgain(key || !ended.unknown ? ended.text : "This page needs a sign-in, or a key with the scope decisions:read.");
      return;
    }
    say(`${ended.text}; trying again`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

function askAgain(why) {
  say("not connected");
  by("refused").textContent = why;
  by("watch").hidden = true;
  by("ask").hidden = false;
  by("key").focus();
}

askForKey(by("ask"), watch);
by("filter").addEventListener("change", () => {
  for (const row of by("decisions").children) {
    row.hidden = !wanted(row);
  }
});
by("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  by("pause").setAttribute("aria-pressed", String(state.paused));
  by("pause").textContent = state.paused ? "Go on" : "Pause";
  state.waiting.splice(0).forEach(add);
});
by("trail-close").addEventListener("click", () => by("trail").close());

watch();
