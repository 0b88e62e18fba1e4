// Pictures of a post: blurred and grey, as the server sends them, until somebody asks to see one plainly.
// They are drawn on a canvas, so that the page needs no addresses that a key would have to stand in.

import { ask, element, refusal } from "./access.js";

async function draw(canvas, note, address) {
  const response = await ask(address);
  if (!response.ok) {
    note.textContent = await refusal(response);
    return false;
  }
  const bitmap = await createImageBitmap(await response.blob());
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
  note.textContent = "";
  return true;
}

export function pictures(found) {
  return found.map((facts, at) => {
    const address = `/api/v1/media/${facts.sha256}`;
    const canvas = element("canvas", { className: "picture", width: 160, height: 1 });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `picture ${at + 1}, blurred`);
    const note = element("span", { className: "label" });
    const reveal = element("button", { type: "button", textContent: "show it plainly (it may be harmful)" });
    reveal.addEventListener("click", async () => {
      if (await draw(canvas, note, `${address}?view=plain`)) {
        canvas.setAttribute("aria-label", `picture ${at + 1}`);
        reveal.remove();
      }
    });
    draw(canvas, note, address);
    const size = `${facts.format}, ${facts.width} × ${facts.height}${facts.frames > 1 ? `, ${facts.frames} frames` : ""}`;
    const words = facts.words
      ? [
          element(
            "details",
            {},
            element("summary", { textContent: "show the words in it (they may be harmful)" }),
            element("blockquote", { textContent: facts.words }),
          ),
        ]
      : [];
    return element(
      "figure",
      { className: "picture" },
      canvas,
      element("figcaption", {}, element("span", { className: "label", textContent: size }), reveal, note, ...words),
    );
  });
}
