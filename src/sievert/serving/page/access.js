// How these pages are let in: by the session of whoever signed in, or by an API key. A key comes from the
// address's fragment, which browsers do not send to servers, into the session's storage, which ends with the tab.

const NAME = "sievert-key";

export function takeKey() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("key");
  if (given) {
    keepKey(given);
    history.replaceState(null, "", location.pathname);
  }
  return sessionStorage.getItem(NAME);
}

export function keepKey(key) {
  sessionStorage.setItem(NAME, key.trim());
}

export function dropKey() {
  sessionStorage.removeItem(NAME);
}

export async function ask(path, options = {}) {
  const key = sessionStorage.getItem(NAME);
  const bySession = () => fetch(path, { ...options, cache: "no-store" });
  if (!key) return bySession();
  const headers = { Authorization: `Bearer ${key}` };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  if (response.status !== 401) return response;
  // A key that is none any more must not stand in the way of whoever signed in.
  const second = await bySession();
  if (!second.ok) return response;
  dropKey();
  return second;
}

// What a refusal says, in the words of the server's problem document.
export async function refusal(response) {
  try {
    const problem = await response.json();
    return [problem.detail, problem.remedy].filter(Boolean).join(" ");
  } catch {
    return `The server answered ${response.status}.`;
  }
}

// Calls `submitted` with the key each time somebody gives one.
export function askForKey(form, submitted) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keepKey(form.elements.key.value);
    form.reset();
    submitted();
  });
}

// Makes an element; text goes in as text, never as markup.
export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
