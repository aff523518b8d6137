// Starts the page's own elements and ties them to the one stream that htmx holds open.
import "./charts.js";
import "./drop-zone.js";
import "./chat-room.js";
import { toast } from "./toast.js";

// The server never sends style attributes (its policy forbids them), so each one belongs to an element of ours.
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name) => name !== "style";
Idiomorph.defaults.callbacks.afterNodeAdded = (node) => {
  if (node.id?.startsWith("fact-") && document.readyState === "complete") node.classList.add("fresh");
};

const JSON_EVENTS = ["init", "series", "metrics", "history", "fact"];
const tied = new WeakSet();

// htmx makes a new EventSource after a refused connection, and reuses it after a lost one: tie each only once.
document.body.addEventListener("htmx:sseOpen", (event) => {
  setLive("on", "live");
  const { source } = event.detail;
  if (tied.has(source)) return;
  tied.add(source);
  for (const name of JSON_EVENTS) {
    source.addEventListener(name, (message) => {
      document.dispatchEvent(new CustomEvent(`realm:${name}`, { detail: JSON.parse(message.data) }));
    });
  }
});
document.body.addEventListener("htmx:sseError", () => setLive("off", "reconnecting"));

function setLive(state, words) {
  const light = document.querySelector("live-status");
  light.className = `live ${state}`;
  light.lastElementChild.textContent = words;
}

// After the program itself was renewed, an open page reloads to get its new stylesheet and scripts.
let program = null;
document.addEventListener("realm:init", ({ detail }) => {
  if (program !== null && program !== detail.program) location.reload();
  program = detail.program;
});

const ANNOUNCED = [
  "level_gained", "level_lost", "champion_changed", "quest_rejected", "achievement_awarded", "title_earned",
  "verdict_given", "campaign_rolled_back",
];

document.addEventListener("realm:fact", ({ detail }) => {
  if (ANNOUNCED.includes(detail.kind)) {
    toast(detail.text, "", detail.tone === "bad");
  }
});

document.body.addEventListener("htmx:responseError", (event) => {
  const { message, hint } = readError(event.detail.xhr.responseText);
  toast(message, hint, true);
});
document.body.addEventListener("htmx:sendError", () => toast("The realm does not answer.", "Start it: realm start-all", true));
document.body.addEventListener("said", (event) => toast(event.detail.value, "", false));

export function readError(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return { message: "That did not work.", hint: "The service's log says why." };
  }
}

class ThemeToggle extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", () => {
      const order = ["auto", "dark", "light"];
      const root = document.documentElement;
      const next = order[(order.indexOf(root.dataset.theme) + 1) % order.length];
      root.dataset.theme = next;
      document.cookie = `realm_theme=${next}; Path=/; Max-Age=31536000; SameSite=Strict`;
      const button = this.querySelector("button");
      button.title = `Colours: ${next}`;
      button.setAttribute("aria-label", button.title);
      document.dispatchEvent(new Event("realm:theme"));
    });
  }
}
customElements.define("theme-toggle", ThemeToggle);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => document.dispatchEvent(new Event("realm:theme")));

document.addEventListener("click", (event) => {
  const open = event.target.closest("[data-close]");
  if (open) open.closest("dialog").close();
});
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target?.id === "report") document.querySelector("#report-dialog").showModal();
});
